//! The trait of optimizers: an update of ordered parameters.

use std::collections::{BTreeMap, BTreeSet};

use burn::tensor::{Device, Tensor, TensorData};

use crate::parameters::{Gradients, Parameters};

pub use firebrick_types::groups::GroupFactors;

/// What an update is told about its moment.
#[derive(Debug, Clone)]
pub struct Step<'a> {
    /// The update, from 0.
    pub index: u64,
    /// The learning rate that the schedule gives.
    pub lr: f64,
    /// The momentum that the schedule gives, where it cycles it.
    pub momentum: Option<f64>,
    /// The weight decay that the schedule gives, where it changes it.
    pub weight_decay: Option<f64>,
    /// What each parameter's group changes, in the order of the parameters; empty without groups.
    pub groups: &'a [GroupFactors],
}

impl Step<'_> {
    /// Update `index` at the rate `lr`, with nothing else scheduled and no groups.
    #[must_use]
    pub fn new(index: u64, lr: f64) -> Self {
        Self {
            index,
            lr,
            momentum: None,
            weight_decay: None,
            groups: &[],
        }
    }

    /// The factors of parameter `index`.
    #[must_use]
    pub fn group(&self, index: usize) -> GroupFactors {
        self.groups.get(index).copied().unwrap_or_default()
    }
}

/// Runs the batch of this update again at other parameters and gives the loss and its gradients, for
/// rules that perturb the parameters or search along a line. Random layers draw what they drew
/// before, and batch-norm statistics are counted once, so the loss is a function of the parameters.
///
/// The parameters are those of the step at other values: same order, same shapes. The gradients are
/// clipped as those of the step were. Where one of them is not finite, the loss is not finite either:
/// a line search can turn back there; a rule that cannot go on without them fails with
/// [`UpdateError::NotFinite`].
pub type Reevaluate<'a> = dyn FnMut(&Parameters) -> Result<(f64, Gradients), UpdateError> + 'a;

/// An optimizer over ordered parameters.
pub trait Update: Send {
    /// The name in spec strings; a state written by another name is refused.
    fn name(&self) -> &str;

    /// Where the gradient of the next [`Self::step`] is to be taken, unless it is at the parameters
    /// themselves: the loop evaluates the batch there and hands the parameters to `step` unchanged.
    fn gradient_point(&self, step: &Step<'_>, parameters: &Parameters) -> Option<Parameters> {
        let _ = (step, parameters);
        None
    }

    /// Whether [`Self::step`] calls `reevaluate`; a loop may offer it only then.
    fn reevaluates(&self) -> bool {
        false
    }

    /// Whether [`Self::step`] goes so far that batch norm's running statistics are to be those of the
    /// batch where it ends, in place of taking in a share of those where it began: for rules of the
    /// full batch, which [`Self::reevaluates`]. Burn's own batch norm takes in another share instead.
    fn recounts_statistics(&self) -> bool {
        false
    }

    /// Changes the parameters by their gradients.
    ///
    /// # Errors
    /// [`UpdateError`] when the update cannot be made; the parameters are then lost and training stops.
    /// [`UpdateError::NotFinite`] may be left out like any batch whose loss is not finite: the state
    /// is then as it was before.
    fn step(
        &mut self,
        step: &Step<'_>,
        parameters: Parameters,
        gradients: Gradients,
        reevaluate: &mut Reevaluate<'_>,
    ) -> Result<Parameters, UpdateError>;

    /// The parameters to evaluate and save where they are not those being trained
    /// (averaging rules); `None` where they are the same. The loop takes batch norm's running statistics
    /// anew at them.
    fn evaluation_view(&self, parameters: &Parameters) -> Option<Parameters> {
        let _ = parameters;
        None
    }

    /// Everything that the next step depends on, by parameter path.
    fn state(&self) -> UpdateState;

    /// Takes over a state, moving its tensors to `device`. On error nothing has changed. `paths` are those
    /// of every parameter of the model, trained now or frozen: the state of all of them is kept, and one
    /// without state begins afresh when it is first stepped.
    ///
    /// # Errors
    /// [`UpdateError::State`] when it is another optimizer's, or has a path that is not in `paths`.
    fn load_state(
        &mut self,
        state: UpdateState,
        paths: &[String],
        device: &Device,
    ) -> Result<(), UpdateError>;
}

/// An optimizer's state: for each parameter path its tensors and numbers by name.
#[derive(Debug, Clone, Default)]
pub struct UpdateState {
    /// The optimizer's name.
    pub name: String,
    /// State of each parameter, by path.
    pub parameters: BTreeMap<String, ParameterState>,
    /// Numbers that belong to no parameter, such as an estimated rate.
    pub numbers: BTreeMap<String, f64>,
}

impl UpdateState {
    /// Refuses a state that another optimizer wrote.
    ///
    /// # Errors
    /// [`UpdateError::State`] with both names.
    pub fn check_name(&self, name: &str) -> Result<(), UpdateError> {
        if self.name == name {
            return Ok(());
        }
        Err(UpdateError::State(format!(
            "it was written by {}, but the optimizer is {name}",
            self.name
        )))
    }

    /// Refuses a state that has a parameter which the model does not have. A parameter of the model without
    /// state was never stepped: it may have been frozen so far.
    ///
    /// # Errors
    /// [`UpdateError::State`] with the path.
    pub fn check_paths(&self, paths: &[String]) -> Result<(), UpdateError> {
        let known: BTreeSet<_> = paths.iter().collect();
        match self.parameters.keys().find(|path| !known.contains(path)) {
            None => Ok(()),
            Some(path) => Err(UpdateError::State(format!(
                "it has state for `{path}`, which is not a parameter of the model"
            ))),
        }
    }

    /// Its tensors on `device`, outside of any autodiff graph.
    #[must_use]
    pub fn to_device(mut self, device: &Device) -> Self {
        let device = device.clone().without_autodiff();
        for one in self.parameters.values_mut() {
            for tensor in one.tensors.values_mut() {
                *tensor = tensor.clone().without_autodiff().to_device(&device);
            }
        }
        self
    }
}

/// The state of one parameter.
#[derive(Debug, Clone, Default)]
pub struct ParameterState {
    /// Flattened tensors by name, such as `exp_avg`.
    pub tensors: BTreeMap<String, Tensor<1>>,
    /// Numbers by name, such as `step`.
    pub numbers: BTreeMap<String, f64>,
}

impl ParameterState {
    /// Takes the tensor `name` out, or makes zeros like `value`.
    pub fn take_or_zeros(&mut self, name: &str, value: &Tensor<1>) -> Tensor<1> {
        self.tensors
            .remove(name)
            .unwrap_or_else(|| value.zeros_like())
    }

    /// Copies the tensors to the host.
    #[must_use]
    pub fn to_data(&self) -> BTreeMap<String, TensorData> {
        self.tensors
            .iter()
            .map(|(name, tensor)| (name.clone(), tensor.to_data()))
            .collect()
    }
}

/// Why an update could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UpdateError {
    /// The state does not belong to this optimizer or these parameters.
    #[error("the optimizer state does not fit: {0}")]
    State(String),
    /// The batch, evaluated again at other parameters, has a loss or gradient that is not finite.
    #[error(
        "the optimizer {name} evaluated the batch a second time, and that loss or gradient is NaN or infinite"
    )]
    NotFinite {
        /// The optimizer.
        name: String,
    },
    /// The rule cannot go on.
    #[error("the optimizer {name} failed: {reason}")]
    Failed {
        /// The optimizer.
        name: String,
        /// What went wrong and what to try.
        reason: String,
    },
}
