//! Per-tensor rules: what most optimizers are. [`Rule`] changes tensors one by one; [`PerTensor`]
//! makes an [`Update`] of all parameters of it. A rule that treats every element alone is a
//! [`Formula`], see [`elementwise()`].

use std::collections::BTreeMap;

use burn::tensor::{Device, Tensor};
pub use firebrick_core::kernels::step::{Formula, Number, Real};
use firebrick_core::kernels::step::{Tensors, apply};
use firebrick_core::parameters::{Gradients, Parameter, Parameters};
use firebrick_core::update::{
    GroupFactors, ParameterState, Reevaluate, Step, Update, UpdateError, UpdateState,
};

/// The number that every stepped parameter keeps: how often it was stepped.
pub(crate) const STEP: &str = "step";

/// What a rule is told about its moment, for one tensor.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Moment {
    /// The learning rate, the group's factor included; finite.
    pub lr: f64,
    /// How often this tensor is stepped, this time included: 1 at the first.
    pub step: u64,
    scheduled_momentum: Option<f64>,
    scheduled_decay: Option<f64>,
    decay_factor: f64,
}

impl Moment {
    /// That of the next step of a parameter with this state.
    fn new(step: &Step<'_>, group: GroupFactors, state: &ParameterState) -> Self {
        let steps = state.numbers.get(STEP).copied().unwrap_or(0.0);
        Self {
            lr: step.lr * group.lr,
            step: steps as u64 + 1,
            scheduled_momentum: step.momentum,
            scheduled_decay: step.weight_decay,
            decay_factor: group.weight_decay,
        }
    }

    /// With nothing scheduled but the rate, and no groups.
    pub(crate) fn plain(lr: f64, step: u64) -> Self {
        Self {
            lr,
            step,
            scheduled_momentum: None,
            scheduled_decay: None,
            decay_factor: 1.0,
        }
    }

    /// The rule's own momentum (Adam's `beta1`), or the schedule's where that changes it.
    #[must_use]
    pub fn momentum(&self, own: f64) -> f64 {
        self.scheduled_momentum.unwrap_or(own)
    }

    /// The rule's own weight decay, or the schedule's where that changes it, times the group's
    /// factor.
    #[must_use]
    pub fn weight_decay(&self, own: f64) -> f64 {
        self.scheduled_decay.unwrap_or(own) * self.decay_factor
    }
}

/// What a rule keeps for a tensor once it has stepped it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StateNames {
    /// Tensors of the length of the parameter.
    pub tensors: &'static [&'static str],
    /// Such tensors that may be missing.
    pub optional: &'static [&'static str],
    /// Tensors of other lengths, any of which may be missing, such as a mean square for each row.
    pub other: &'static [&'static str],
    /// Numbers. The count of steps is kept for every rule, as `step`, and not named here.
    pub numbers: &'static [&'static str],
}

impl StateNames {
    /// Just the count of steps.
    pub const NONE: Self = Self {
        tensors: &[],
        optional: &[],
        other: &[],
        numbers: &[],
    };

    /// Tensors of the length of the parameter.
    #[must_use]
    pub const fn tensors(tensors: &'static [&'static str]) -> Self {
        Self {
            tensors,
            ..Self::NONE
        }
    }
}

/// A tensor on its way through a rule.
#[derive(Debug)]
pub struct Stepping<'a> {
    /// Its moment.
    pub now: Moment,
    /// Its path in the model.
    pub path: &'a str,
    /// Its shape there: `[out, in, height, width]` for a convolution, `[in, out]` for burn's linear.
    pub shape: &'a [usize],
    /// The values, `[elements]`. Memory that no other tensor shares is changed in place.
    pub value: Tensor<1>,
    /// Their gradient: length, dtype and device are those of the values; no autodiff.
    pub gradient: Tensor<1>,
    /// What the rule keeps for the tensor: nothing before its first step.
    pub state: &'a mut ParameterState,
}

/// An optimizer that looks at one tensor at a time.
///
/// Scalars are f64 throughout; they are rounded once, where they meet the tensor.
pub trait Rule: Send {
    /// The name in spec strings.
    fn name(&self) -> &'static str;

    /// What is kept for a tensor.
    fn state(&self) -> StateNames;

    /// The new values of several tensors, in order, and their new states.
    ///
    /// A rule over whole tensors maps them one by one; one over elements is [`elementwise()`].
    fn step(&self, tensors: Vec<Stepping<'_>>) -> Vec<Tensor<1>>;

    /// Where the gradient of the next step is to be taken, unless it is at the values themselves;
    /// `state` is that of a tensor stepped at least once, `now` is the moment of that step.
    fn gradient_point(
        &self,
        value: &Tensor<1>,
        state: &ParameterState,
        now: Moment,
    ) -> Option<Tensor<1>> {
        let _ = (value, state, now);
        None
    }

    /// The values to evaluate and save where they are not those being trained; `state` is that of a
    /// tensor stepped at least once.
    fn evaluation(&self, value: &Tensor<1>, state: &ParameterState) -> Option<Tensor<1>> {
        let _ = (value, state);
        None
    }
}

/// A step of a rule that treats every element alone: one pass over all tensors.
///
/// The `formula` of a tensor changes its value and the state tensors of these names, in this order,
/// and reads the gradient. A state tensor that is missing begins with zeros.
///
/// # Panics
/// When the formula does not write one tensor more than there are names.
pub fn elementwise<F, const WRITTEN: usize>(
    tensors: Vec<Stepping<'_>>,
    names: &[&str],
    formula: impl Fn(&Stepping<'_>) -> F,
) -> Vec<Tensor<1>>
where
    F: Formula<WRITTEN, 1>,
{
    let (entries, mut states): (Vec<_>, Vec<_>) = tensors
        .into_iter()
        .map(|one| {
            let formula = formula(&one);
            let state = names
                .iter()
                .map(|name| one.state.take_or_zeros(name, &one.value));
            let written: Vec<_> = state.collect();
            let written: Vec<_> = std::iter::once(one.value).chain(written).collect();
            let Ok(written) = written.try_into() else {
                panic!(
                    "{WRITTEN} tensors are written, but {} are named",
                    names.len()
                );
            };
            let entry = Tensors {
                formula,
                written,
                read: [one.gradient],
            };
            (entry, one.state)
        })
        .unzip();
    let changed = apply(entries).into_iter().zip(&mut states);
    changed
        .filter_map(|(written, state)| {
            let mut written = written.into_iter();
            let value = written.next();
            let named = names.iter().map(|name| (*name).to_string()).zip(written);
            state.tensors.extend(named);
            value
        })
        .collect()
}

/// Begins a state tensor that is missing with `number` in place of zeros.
pub(crate) fn begin_with(tensors: &mut [Stepping<'_>], name: &str, number: f64) {
    for one in tensors {
        if !one.state.tensors.contains_key(name) {
            let begun = one.value.ones_like() * number;
            one.state.tensors.insert(name.into(), begun);
        }
    }
}

/// The gradient with the L2 penalty of `decay`. Without decay the value does not matter, not even
/// where it is infinite.
#[inline(always)]
pub(crate) fn penalized<R: Real>(gradient: R, value: &R, decay: f64) -> R {
    if decay == 0.0 {
        gradient
    } else {
        gradient + value.clone() * decay
    }
}

/// The state tensor that is not as long as its parameter, and its length.
fn misfit<'a>(
    names: StateNames,
    parameter: &Parameter,
    state: &'a ParameterState,
) -> Option<(&'a str, usize)> {
    let [elements] = parameter.value.dims();
    let lengths = state.tensors.iter();
    lengths
        .map(|(what, tensor)| (what.as_str(), tensor.dims()[0]))
        .find(|(what, found)| *found != elements && !names.other.contains(what))
}

/// An [`Update`] that applies a [`Rule`] to each parameter.
///
/// A parameter without a gradient, or whose group has learning rate 0, is left alone together with
/// its state. A base rate of 0 is another thing: the state moves on and the values stay.
#[derive(Debug, Clone)]
pub struct PerTensor<R> {
    rule: R,
    /// An entry for every parameter seen, empty until it is stepped.
    parameters: BTreeMap<String, ParameterState>,
}

impl<R: Rule> PerTensor<R> {
    /// Without any state.
    pub fn new(rule: R) -> Self {
        Self {
            rule,
            parameters: BTreeMap::new(),
        }
    }

    /// The rule.
    pub fn rule(&self) -> &R {
        &self.rule
    }

    fn failed(&self, reason: String) -> UpdateError {
        UpdateError::Failed {
            name: self.rule.name().into(),
            reason,
        }
    }

    /// The parameters with other values of those that were stepped; `None` where none has any.
    fn elsewhere(
        &self,
        parameters: &Parameters,
        other: impl Fn(usize, &Parameter, &ParameterState) -> Option<Tensor<1>>,
    ) -> Option<Parameters> {
        let others = parameters.0.iter().enumerate().map(|(index, parameter)| {
            let state = self.parameters.get(&parameter.path);
            let stepped = state.filter(|state| state.numbers.contains_key(STEP));
            stepped.and_then(|state| other(index, parameter, state))
        });
        let others: Vec<_> = others.collect();
        others.iter().any(Option::is_some).then(|| {
            let moved = parameters.0.iter().zip(others);
            let moved = moved.map(|(parameter, other)| Parameter {
                value: other.unwrap_or_else(|| parameter.value.clone()),
                ..parameter.clone()
            });
            Parameters(moved.collect())
        })
    }

    /// The moment of a parameter, unless it is left alone. Only its entry is made, if need be.
    fn moment(
        &mut self,
        step: &Step<'_>,
        group: GroupFactors,
        parameter: &Parameter,
        gradient: Option<&Tensor<1>>,
    ) -> Result<Option<Moment>, UpdateError> {
        let (lr, path) = (step.lr * group.lr, &parameter.path);
        if !lr.is_finite() {
            return Err(self.failed(format!("the learning rate of `{path}` is {lr}")));
        }
        let state = match self.parameters.get(path) {
            Some(state) => state,
            None => self.parameters.entry(path.clone()).or_default(),
        };
        if gradient.is_none() || group.lr == 0.0 {
            return Ok(None);
        }
        let names = self.rule.state();
        if let Some((what, found)) = misfit(names, parameter, state) {
            let [elements] = parameter.value.dims();
            return Err(UpdateError::State(format!(
                "`{path}` has {elements} elements, but its {what} has {found}"
            )));
        }
        Ok(Some(Moment::new(step, group, state)))
    }

    /// Whether the state of one parameter is empty or just what the rule keeps.
    fn check(&self, path: &str, state: &ParameterState) -> Result<(), String> {
        if state.tensors.is_empty() && state.numbers.is_empty() {
            return Ok(());
        }
        let (rule, names) = (self.rule.name(), self.rule.state());
        let wanted_numbers = || names.numbers.iter().chain(&[STEP]);
        let lacks = |what: &str| Err(format!("`{path}` lacks the {what} that {rule} keeps"));
        let tensors = &state.tensors;
        if let Some(what) = names
            .tensors
            .iter()
            .find(|what| !tensors.contains_key(**what))
        {
            return lacks(what);
        }
        if let Some(what) = wanted_numbers().find(|what| !state.numbers.contains_key(**what)) {
            return lacks(what);
        }
        let surplus_tensor = tensors.keys().find(|what| {
            let what = what.as_str();
            ![names.tensors, names.optional, names.other]
                .iter()
                .any(|known| known.contains(&what))
        });
        let surplus_number = state
            .numbers
            .keys()
            .find(|what| !wanted_numbers().any(|wanted| wanted == what));
        if let Some(what) = surplus_tensor.or(surplus_number) {
            return Err(format!(
                "`{path}` has {what}, which {rule} does not keep with these settings"
            ));
        }
        if let Some((what, number)) = state.numbers.iter().find(|(_, n)| !n.is_finite()) {
            return Err(format!("`{path}` has {what} = {number}"));
        }
        let mut lengths = tensors
            .iter()
            .filter(|(what, _)| !names.other.contains(&what.as_str()))
            .map(|(what, tensor)| (what, tensor.dims()[0]));
        if let Some((first, length)) = lengths.next()
            && let Some((other, found)) = lengths.find(|(_, found)| *found != length)
        {
            return Err(format!(
                "`{path}` has {length} elements in {first}, but {found} in {other}"
            ));
        }
        Ok(())
    }

    fn check_all(&self, state: &UpdateState, paths: &[String]) -> Result<(), UpdateError> {
        state.check_name(self.rule.name())?;
        // Before the first update there is no entry at all.
        if state.parameters.is_empty() {
            return Ok(());
        }
        state.check_paths(paths)?;
        let mut parameters = state.parameters.iter();
        parameters
            .try_for_each(|(path, state)| self.check(path, state))
            .map_err(UpdateError::State)
    }
}

impl<R: Rule> Update for PerTensor<R> {
    fn name(&self) -> &str {
        self.rule.name()
    }

    fn step(
        &mut self,
        step: &Step<'_>,
        parameters: Parameters,
        gradients: Gradients,
        _reevaluate: &mut Reevaluate<'_>,
    ) -> Result<Parameters, UpdateError> {
        let (Parameters(parameters), Gradients(gradients)) = (parameters, gradients);
        if parameters.len() != gradients.len() {
            return Err(self.failed(format!(
                "there are {} parameters, but {} gradients",
                parameters.len(),
                gradients.len()
            )));
        }
        let mut moments = Vec::with_capacity(parameters.len());
        for (index, (parameter, gradient)) in parameters.iter().zip(&gradients).enumerate() {
            moments.push(self.moment(step, step.group(index), parameter, gradient.as_ref())?);
        }
        let states = self.parameters.iter_mut();
        let mut states: BTreeMap<_, _> =
            states.map(|(path, state)| (path.as_str(), state)).collect();
        let names: Vec<_> = parameters
            .iter()
            .map(|one| (one.path.clone(), one.shape.clone()))
            .collect();
        let (mut stepping, mut values) = (Vec::new(), Vec::new());
        let moved = parameters.into_iter().zip(gradients).zip(moments);
        for ((path, shape), ((parameter, gradient), now)) in names.iter().zip(moved) {
            let value = parameter.value;
            values.push(match (now, gradient, states.remove(path.as_str())) {
                (Some(now), Some(gradient), Some(state)) => {
                    state.numbers.insert(STEP.into(), now.step as f64);
                    stepping.push(Stepping {
                        now,
                        path,
                        shape,
                        value,
                        gradient,
                        state,
                    });
                    None
                }
                (Some(_), _, None) => {
                    return Err(self.failed(format!("two parameters are called `{path}`")));
                }
                _ => Some(value),
            });
        }
        let mut stepped = self.rule.step(stepping).into_iter();
        let put = names.into_iter().zip(values).map(|((path, shape), value)| {
            value
                .or_else(|| stepped.next())
                .map(|value| Parameter { path, shape, value })
        });
        let parameters: Option<_> = put.collect();
        parameters
            .map(Parameters)
            .ok_or_else(|| self.failed("it gave fewer values than it was handed".into()))
    }

    fn gradient_point(&self, step: &Step<'_>, parameters: &Parameters) -> Option<Parameters> {
        self.elsewhere(parameters, |index, parameter, state| {
            let group = step.group(index);
            // A parameter that is left alone, or that the step will refuse, stays where it is.
            if group.lr == 0.0 || misfit(self.rule.state(), parameter, state).is_some() {
                return None;
            }
            let now = Moment::new(step, group, state);
            self.rule.gradient_point(&parameter.value, state, now)
        })
    }

    fn evaluation_view(&self, parameters: &Parameters) -> Option<Parameters> {
        self.elsewhere(parameters, |_, parameter, state| {
            self.rule.evaluation(&parameter.value, state)
        })
    }

    fn state(&self) -> UpdateState {
        UpdateState {
            name: self.rule.name().into(),
            parameters: self.parameters.clone(),
            ..UpdateState::default()
        }
    }

    /// The tensors of one parameter must agree in length; that they agree with the parameter is
    /// checked where it is known, at the next step.
    fn load_state(
        &mut self,
        state: UpdateState,
        paths: &[String],
        device: &Device,
    ) -> Result<(), UpdateError> {
        self.check_all(&state, paths)?;
        self.parameters = state.to_device(device).parameters;
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests;
