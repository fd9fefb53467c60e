//! How weight decay enters a step: as an L2 penalty, which joins the gradient, or decoupled from the
//! gradient, as AdamW takes it from the values.

use std::ops::Mul;

use firebrick_core::kernels::step::Real;

/// The weight decay of one tensor in one step. [`Moment::l2`](crate::rule::Moment::l2) and
/// [`Moment::decoupled`](crate::rule::Moment::decoupled) make it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WeightDecay {
    /// Share of the value that joins the gradient.
    penalty: f64,
    /// Share of the value that stays.
    keep: f64,
}

impl WeightDecay {
    /// None at all.
    pub const NONE: Self = Self {
        penalty: 0.0,
        keep: 1.0,
    };

    /// An L2 penalty: `decay · θ` joins the gradient.
    #[must_use]
    pub const fn l2(decay: f64) -> Self {
        Self {
            penalty: decay,
            ..Self::NONE
        }
    }

    /// Decoupled: the values lose this share, which is the decay times the learning rate.
    #[must_use]
    pub const fn decoupled(share: f64) -> Self {
        Self {
            keep: 1.0 - share,
            ..Self::NONE
        }
    }

    /// Share of the values that stays: 1 for an L2 penalty.
    #[must_use]
    pub const fn keep(self) -> f64 {
        self.keep
    }

    /// The gradient with the L2 penalty.
    #[inline(always)]
    #[must_use]
    pub fn penalize<R: Real>(self, gradient: R, value: &R) -> R {
        penalized(gradient, value, self.penalty)
    }

    /// The value without the share that decoupled decay takes.
    #[inline(always)]
    #[must_use]
    pub fn shrink<V: Mul<f64, Output = V>>(self, value: V) -> V {
        shrunk(value, self.keep)
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

/// The share `keep` of a value, be it an element or a tensor. One that stays whole costs nothing.
#[inline(always)]
pub(crate) fn shrunk<V: Mul<f64, Output = V>>(value: V, keep: f64) -> V {
    if keep == 1.0 { value } else { value * keep }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{DType, Tensor, TensorData};
    use firebrick_core::kernels::step::{Formula, Tensors, apply};

    use super::*;

    /// The penalized gradient and what is left of the value.
    #[derive(Debug, Clone, Copy)]
    struct Decayed(WeightDecay);

    impl Formula<2, 0> for Decayed {
        #[inline(always)]
        fn apply<R: Real>(&self, [gradient, value]: [R; 2], []: [R; 0]) -> [R; 2] {
            [self.0.penalize(gradient, &value), self.0.shrink(value)]
        }
    }

    fn decayed(decay: WeightDecay, gradient: f64, value: f64) -> [f64; 2] {
        let device = firebrick_core::device("flex").unwrap();
        let one =
            |number: f64| Tensor::<1>::from_data(TensorData::from([number]), (&device, DType::F64));
        let entry = Tensors {
            formula: Decayed(decay),
            written: [one(gradient), one(value)],
            read: [],
        };
        let [both] = <[_; 1]>::try_from(apply(vec![entry])).unwrap();
        both.map(|tensor| tensor.into_scalar::<f64>())
    }

    #[test]
    fn a_penalty_joins_the_gradient_and_decoupled_decay_takes_from_the_value() {
        assert_eq!(decayed(WeightDecay::l2(0.25), 1.0, 2.0), [1.5, 2.0]);
        assert_eq!(decayed(WeightDecay::decoupled(0.25), 1.0, 2.0), [1.0, 1.5]);
        assert_eq!(decayed(WeightDecay::NONE, 1.0, 2.0), [1.0, 2.0]);
        // Nor does an infinite value reach the gradient where there is no decay.
        assert_eq!(decayed(WeightDecay::l2(0.0), 1.0, f64::INFINITY)[0], 1.0);
    }
}
