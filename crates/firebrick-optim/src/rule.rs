//! Per-tensor rules: what most optimizers are. [`Rule`] changes tensors one by one;
//! [`PerTensor`](crate::PerTensor) makes an [`Update`](firebrick_core::update::Update) of all
//! parameters of it. A rule that treats every element alone is a [`Formula`], see [`elementwise()`].

use burn::tensor::Tensor;
pub use firebrick_core::kernels::step::{Formula, Number, Real};
use firebrick_core::kernels::step::{Tensors, apply};
use firebrick_core::update::{GroupFactors, ParameterState, Step};

use crate::about::Configure;
use crate::weight_decay::WeightDecay;

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
    pub(crate) fn new(step: &Step<'_>, group: GroupFactors, state: &ParameterState) -> Self {
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
    #[cfg(feature = "burn-optim")]
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

    /// [`Self::weight_decay`] as an L2 penalty, which joins the gradient.
    #[must_use]
    pub fn l2(&self, own: f64) -> WeightDecay {
        WeightDecay::l2(self.weight_decay(own))
    }

    /// [`Self::weight_decay`] times the learning rate as decoupled decay, which the values lose.
    #[must_use]
    pub fn decoupled(&self, own: f64) -> WeightDecay {
        WeightDecay::decoupled(self.lr * self.weight_decay(own))
    }

    /// [`Self::decoupled`], or else [`Self::l2`], for rules that offer both.
    #[must_use]
    pub fn decay(&self, own: f64, decoupled: bool) -> WeightDecay {
        if decoupled {
            self.decoupled(own)
        } else {
            self.l2(own)
        }
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
/// Its struct holds the hyper-parameters and describes them by [`Configure`]; with that it is an
/// optimizer. Scalars are f64 throughout; they are rounded once, where they meet the tensor.
pub trait Rule: Configure + Send {
    /// What is kept for a tensor.
    fn state(&self) -> StateNames;

    /// Elements of state kept for a tensor of this shape once it was stepped. To be given where there
    /// are tensors that are optional or not as long as the parameter.
    fn state_size(&self, shape: &[usize]) -> usize {
        self.state().tensors.len() * shape.iter().product::<usize>()
    }

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

#[cfg(test)]
pub(crate) mod tests;
