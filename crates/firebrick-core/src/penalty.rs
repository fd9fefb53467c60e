//! What keeps parameters small besides the loss: [`Penalty`] and [`OutputPenalty`] add to what is minimized,
//! [`Constraint`] moves parameters after each update. [`Penalties`] are those of a run.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use burn::tensor::Tensor;
use firebrick_types::groups::{matches_none, path_matches};

use crate::ConfigError;
use crate::parameters::{Gradients, Parameter, Parameters};
use crate::spec::{Pipeline, Spec};

/// What a penalty comes to at some values.
pub struct Charge {
    /// The penalty, `[1]`.
    pub value: Tensor<1>,
    /// Its gradient, as long as the values.
    pub gradient: Tensor<1>,
}

/// A function of the values of one parameter that is added to the loss.
///
/// ```
/// use burn::tensor::Tensor;
/// use firebrick_core::parameters::Parameter;
/// use firebrick_core::penalty::{Charge, Penalty};
///
/// /// The sum of the values.
/// struct Sum;
///
/// impl Penalty for Sum {
///     fn charge(&self, parameter: &Parameter) -> Charge {
///         Charge {
///             value: parameter.value.clone().sum(),
///             gradient: parameter.value.ones_like(),
///         }
///     }
/// }
/// ```
pub trait Penalty: Send + Sync {
    /// The penalty of a parameter, and its gradient.
    fn charge(&self, parameter: &Parameter) -> Charge;

    /// Whether parameters of this shape are penalized. All are unless it says otherwise.
    fn takes(&self, shape: &[usize]) -> bool {
        let _ = shape;
        true
    }

    /// Where it measures from, for a penalty on how far parameters have moved since the run began.
    fn starting_point(&self) -> Option<&StartingPoint> {
        None
    }

    /// The parameter after a step that minimizes the penalty alone, where the penalty is applied as decay:
    /// a gradient step of length `rate`, unless there is a better one.
    fn decay(&self, parameter: Parameter, rate: f64) -> Parameter {
        let Charge { gradient, .. } = self.charge(&parameter);
        Parameter {
            value: parameter.value - gradient * rate,
            ..parameter
        }
    }
}

/// The pretrained weights with which a run began, for a penalty that measures from them. [`Penalties::begin`] sets it.
#[derive(Default)]
pub struct StartingPoint(Mutex<Option<BTreeMap<String, Tensor<1>>>>);

impl StartingPoint {
    /// The values of a parameter when the run began; none for one that began without pretrained weights.
    #[must_use]
    pub fn of(&self, path: &str) -> Option<Tensor<1>> {
        let start = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        start.as_ref().and_then(|start| start.get(path).cloned())
    }

    fn is_set(&self) -> bool {
        let start = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        start.is_some()
    }

    fn set(&self, parameters: &Parameters) {
        let values = parameters.0.iter();
        let values = values.map(|one| (one.path.clone(), one.value.clone()));
        let mut start = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *start = Some(values.collect());
    }
}

/// A function of a model's outputs that is added to the loss.
pub trait OutputPenalty: Send + Sync {
    /// The penalty of logits `[N, classes]`, `[1]`: a mean over the images.
    fn charge(&self, logits: Tensor<2>) -> Tensor<1>;
}

/// A set that the values of a parameter are to stay in.
pub trait Constraint: Send + Sync {
    /// The parameter moved into the set.
    fn project(&self, parameter: Parameter) -> Parameter;

    /// Whether parameters of this shape are constrained: those of rank 2 and more unless it says otherwise,
    /// so no bias and no norm.
    fn takes(&self, shape: &[usize]) -> bool {
        shape.len() > 1
    }
}

/// What a unit of the family of penalties does.
pub enum Action {
    /// Adds to the loss, before gradients are clipped.
    AddToLoss(Box<dyn Penalty>),
    /// Takes a step of its own after each update, with the learning rate, as decoupled weight decay does.
    Decay(Box<dyn Penalty>),
    /// Adds a function of the outputs to the loss.
    OfOutputs(Box<dyn OutputPenalty>),
    /// Moves parameters into a set after each update.
    Constrain(Box<dyn Constraint>),
}

/// A unit of the family of penalties, and the parameters that it is for.
pub struct PenaltyRule {
    /// The spec that builds it again.
    pub spec: Spec,
    /// The paths of the parameters, with `*` for any run of characters. It has no meaning for outputs.
    pub path: String,
    /// What it does.
    pub action: Action,
}

impl PenaltyRule {
    fn starting_point(&self) -> Option<&StartingPoint> {
        match &self.action {
            Action::AddToLoss(penalty) | Action::Decay(penalty) => penalty.starting_point(),
            Action::OfOutputs(_) | Action::Constrain(_) => None,
        }
    }

    fn is_for(&self, path: &str, shape: &[usize]) -> bool {
        let takes = match &self.action {
            Action::AddToLoss(penalty) | Action::Decay(penalty) => penalty.takes(shape),
            Action::Constrain(constraint) => constraint.takes(shape),
            Action::OfOutputs(_) => false,
        };
        takes && path_matches(&self.path, path)
    }
}

/// The penalties and constraints of a run, in the order in which constraints are applied.
///
/// Only parameters that are being trained are penalized and constrained. Penalties belong to what is
/// minimized: they are added before clipping, and whenever an optimizer evaluates a batch again.
#[derive(Default)]
pub struct Penalties(pub Vec<PenaltyRule>);

/// What the penalties of the parameters come to.
pub struct Charged {
    /// The value of each rule, `[1]`; none for a rule that adds nothing to the loss.
    pub values: Vec<Option<Tensor<1>>>,
    /// The sum of their gradients, in the order of the parameters.
    pub gradients: Gradients,
}

impl Penalties {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The specs that build them again.
    #[must_use]
    pub fn spec(&self) -> Pipeline {
        Pipeline(self.0.iter().map(|rule| rule.spec.clone()).collect())
    }

    /// Whether a penalty measures from the weights with which the run began, so that [`Self::begin`] has to be called.
    #[must_use]
    pub fn measure_from_start(&self) -> bool {
        self.0.iter().any(|rule| rule.starting_point().is_some())
    }

    /// Whether [`Self::begin`] has been called, where it has to be.
    #[must_use]
    pub fn have_begun(&self) -> bool {
        let mut points = self.0.iter().filter_map(PenaltyRule::starting_point);
        points.all(StartingPoint::is_set)
    }

    /// Whether a penalty needs the starting point of a parameter.
    #[must_use]
    pub fn need_start_of(&self, path: &str, shape: &[usize]) -> bool {
        let mut rules = self.0.iter();
        rules.any(|rule| rule.starting_point().is_some() && rule.is_for(path, shape))
    }

    /// Tells every penalty that measures from there the pretrained weights with which the run began. Parameters that are not
    /// among them began without.
    pub fn begin(&self, start: &Parameters) {
        let points = self.0.iter().filter_map(PenaltyRule::starting_point);
        points.for_each(|point| point.set(start));
    }

    /// Refuses a rule that is for none of these parameters, given by path and shape.
    ///
    /// # Errors
    /// [`ConfigError::Conflict`] naming the rule.
    pub fn check(&self, parameters: &[(&str, &[usize])]) -> Result<(), ConfigError> {
        for rule in &self.0 {
            let outputs = matches!(rule.action, Action::OfOutputs(_));
            let mut known = parameters.iter();
            if outputs || known.any(|(path, shape)| rule.is_for(path, shape)) {
                continue;
            }
            let name = &rule.spec.name;
            let mut paths = parameters.iter();
            let problem = if paths.any(|(path, _)| path_matches(&rule.path, path)) {
                format!(
                    "{name}: `{}` matches only vectors such as biases, but {name} is for weights of layers, which have rank 2 or more",
                    rule.path
                )
            } else {
                matches_none(&format!("{name}: path"), &rule.path, parameters)
            };
            return Err(ConfigError::Conflict(problem));
        }
        Ok(())
    }

    /// What the penalties that are added to the loss come to; `None` where there are none.
    #[must_use]
    pub fn charge(&self, parameters: &Parameters) -> Option<Charged> {
        let adds = |rule: &PenaltyRule| matches!(rule.action, Action::AddToLoss(_));
        if !self.0.iter().any(adds) {
            return None;
        }
        let mut values = Vec::new();
        let mut gradients = Gradients(vec![None; parameters.0.len()]);
        for rule in &self.0 {
            let Action::AddToLoss(penalty) = &rule.action else {
                values.push(None);
                continue;
            };
            let mut value: Option<Tensor<1>> = None;
            let charged = parameters.0.iter().map(|parameter| {
                if !rule.is_for(&parameter.path, &parameter.shape) {
                    return None;
                }
                let charge = penalty.charge(parameter);
                value = Some(match value.take() {
                    Some(sum) => sum + charge.value,
                    None => charge.value,
                });
                Some(charge.gradient)
            });
            let charged = Gradients(charged.collect());
            values.push(value);
            gradients = gradients.add_scaled(charged, 1.0);
        }
        Some(Charged { values, gradients })
    }

    /// The value of each rule that penalizes these outputs, `[1]`; none for the other rules.
    #[must_use]
    pub fn charge_outputs(&self, logits: &Tensor<2>) -> Vec<Option<Tensor<1>>> {
        let rules = self.0.iter().map(|rule| match &rule.action {
            Action::OfOutputs(penalty) => Some(penalty.charge(logits.clone())),
            _ => None,
        });
        rules.collect()
    }

    /// The parameters after an update: those that are applied as decay take their step, then constraints move
    /// what has left their set. `rates` has the learning rate of each parameter.
    #[must_use]
    pub fn after_update(&self, parameters: Parameters, rates: &[f64]) -> Parameters {
        let moves =
            |rule: &PenaltyRule| matches!(rule.action, Action::Decay(_) | Action::Constrain(_));
        if !self.0.iter().any(moves) {
            return parameters;
        }
        let moved = parameters
            .0
            .into_iter()
            .zip(rates)
            .map(|(parameter, rate)| {
                self.0.iter().fold(parameter, |parameter, rule| {
                    if !rule.is_for(&parameter.path, &parameter.shape) {
                        return parameter;
                    }
                    match &rule.action {
                        Action::Decay(penalty) => penalty.decay(parameter, *rate),
                        Action::Constrain(constraint) => constraint.project(parameter),
                        Action::AddToLoss(_) | Action::OfOutputs(_) => parameter,
                    }
                })
            });
        Parameters(moved.collect())
    }
}
