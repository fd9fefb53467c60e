//! Turns any [`Rule`] into an optimizer of Burn with [`to_burn`], for a training loop written with Burn's
//! `ModuleOptimizer`, its parameter groups and its records.

use std::collections::BTreeMap;
use std::sync::Arc;

use burn::optim::{LearningRate, Optimizer, RecordState, StateSink, StateSource, join_path};
use burn::tensor::{Device, Tensor, TensorData};
use firebrick_core::ConfigError;
use firebrick_core::update::ParameterState;

use crate::about::Optimize;
use crate::rule::{Moment, Rule, STEP, Stepping};

/// Where a record lists what it holds, and where that is.
const NAMES: &str = "names";
const TENSORS: &str = "tensors";
const NUMBERS: &str = "numbers";

/// The optimizer as burn's own, checked.
///
/// ```
/// use burn::optim::ModuleOptimizer;
/// use firebrick_optim::burn_optimizer::to_burn;
/// use firebrick_optim::optimizer::adam::Adam;
///
/// let mut optimizer = ModuleOptimizer::from(to_burn(Adam::default())?);
/// // model = optimizer.step(lr, model, gradients);
/// # Ok::<(), firebrick_core::ConfigError>(())
/// ```
///
/// The learning rate is the one that burn's step is given, not the struct's. Burn tells an optimizer
/// neither the paths of parameters nor scheduled momentum or decay, so the rule sees an empty path
/// and its own values; groups are burn's `ModuleOptimizer::with_group`. What a rule keeps for
/// evaluation (the average of `schedule_free_sgd`) does not reach the model: burn has no such view.
/// Rules over all parameters together are no [`Rule`] and have no place there.
///
/// # Errors
/// [`ConfigError`] naming the field that is out of its range.
pub fn to_burn<R: Rule + Clone + Sync + 'static>(rule: R) -> Result<BurnOptimizer<R>, ConfigError> {
    rule.build()?;
    Ok(BurnOptimizer::new(rule))
}

/// A [`Rule`] that burn's `ModuleOptimizer` takes, with the scalars in f64 and its own state by name.
#[derive(Debug)]
pub struct BurnOptimizer<R> {
    rule: Arc<R>,
}

impl<R> BurnOptimizer<R> {
    /// Of a rule whose fields are known to be good; [`to_burn`] checks them.
    pub fn new(rule: R) -> Self {
        Self {
            rule: Arc::new(rule),
        }
    }
}

// Derived, it would ask the rule to be `Clone`.
impl<R> Clone for BurnOptimizer<R> {
    fn clone(&self) -> Self {
        Self {
            rule: Arc::clone(&self.rule),
        }
    }
}

impl<R: Rule + Sync + 'static> Optimizer for BurnOptimizer<R> {
    type State<const D: usize> = BurnState;

    /// # Panics
    /// When the rule gives no value back.
    fn step<const D: usize>(
        &self,
        lr: LearningRate,
        tensor: Tensor<D>,
        grad: Tensor<D>,
        state: Option<BurnState>,
    ) -> (Tensor<D>, Option<BurnState>) {
        let (shape, device) = (tensor.dims(), tensor.device());
        let mut state = state.map_or_else(ParameterState::default, |state| state.on(&device));
        let steps = state.numbers.get(STEP).copied().unwrap_or(0.0) as u64 + 1;
        state.numbers.insert(STEP.into(), steps as f64);
        let elements: usize = shape.iter().product();
        let stepped = self.rule.step(vec![Stepping {
            now: Moment::plain(lr, steps),
            path: "",
            shape: &shape,
            value: tensor.reshape([elements]),
            gradient: grad.reshape([elements]),
            state: &mut state,
        }]);
        let Some(value) = stepped.into_iter().next() else {
            panic!("{} gave no value for a tensor", R::ABOUT.name);
        };
        (value.reshape(shape), Some(BurnState::Tensors(state)))
    }

    fn to_device<const D: usize>(state: BurnState, device: &Device) -> BurnState {
        match state {
            BurnState::Tensors(_) => BurnState::Tensors(state.on(device)),
            // A step brings it to the device of the parameter.
            BurnState::Data { .. } => state,
        }
    }
}

/// What a rule keeps for one tensor, on a device or as it was read.
///
/// Burn loads records on its default device, which may be a GPU that the run does not use; here a
/// state stays on the host until its parameter is stepped.
#[derive(Debug, Clone)]
pub enum BurnState {
    /// After a step.
    Tensors(ParameterState),
    /// From a record.
    Data {
        /// Flattened tensors by name.
        tensors: BTreeMap<String, TensorData>,
        /// Numbers by name.
        numbers: BTreeMap<String, f64>,
    },
}

impl BurnState {
    fn on(self, device: &Device) -> ParameterState {
        match self {
            Self::Tensors(state) => ParameterState {
                tensors: state
                    .tensors
                    .into_iter()
                    .map(|(name, tensor)| (name, tensor.to_device(device)))
                    .collect(),
                numbers: state.numbers,
            },
            Self::Data { tensors, numbers } => ParameterState {
                tensors: tensors
                    .into_iter()
                    .map(|(name, data)| {
                        let dtype = data.dtype();
                        (name, Tensor::from_data(data, (device, dtype)))
                    })
                    .collect(),
                numbers,
            },
        }
    }
}

/// A record names what a rule keeps, since burn reads a state without the rule: one line for each
/// tensor and number.
impl RecordState for BurnState {
    fn state_flatten(&self, prefix: &str, out: &mut StateSink) {
        let (tensors, numbers) = match self {
            Self::Tensors(state) => (state.to_data(), &state.numbers),
            Self::Data { tensors, numbers } => (tensors.clone(), numbers),
        };
        let lines = tensors.keys().map(|name| format!("{TENSORS} {name}\n"));
        let lines = lines.chain(numbers.keys().map(|name| format!("{NUMBERS} {name}\n")));
        let names: Vec<u8> = lines.flat_map(String::into_bytes).collect();
        let len = names.len();
        out.push_tensor(prefix, NAMES, TensorData::new(names, [len]));
        for (name, data) in tensors {
            out.push_tensor(&join_path(prefix, TENSORS), &name, data);
        }
        for (name, number) in numbers {
            out.push_scalar(&join_path(prefix, NUMBERS), name, (*number).into());
        }
    }

    fn state_unflatten(prefix: &str, src: &mut StateSource, _device: &Device) -> Option<Self> {
        let names: Vec<u8> = src.take_tensor(prefix, NAMES)?.iter::<u8>().collect();
        let (mut tensors, mut numbers) = (BTreeMap::new(), BTreeMap::new());
        for line in String::from_utf8(names).ok()?.lines() {
            let (kind, name) = line.split_once(' ')?;
            if kind == TENSORS {
                let data = src.take_tensor(&join_path(prefix, TENSORS), name)?;
                tensors.insert(name.to_string(), data);
            } else {
                let number = src.take_scalar(&join_path(prefix, NUMBERS), name)?;
                numbers.insert(name.to_string(), f64::try_from(number).ok()?);
            }
        }
        Some(Self::Data { tensors, numbers })
    }
}
