//! `adagrad`: a learning rate for each coordinate, which falls with the sum of its squared gradients.
//!
//! ```text
//! g ← gradient + weight_decay · θ
//! s ← s + g²                                    s begins with initial_accumulator_value
//! θ ← θ - lr / (1 + (t - 1) · lr_decay) · g / (√s + eps)
//! ```
//!
//! Source: Duchi, Hazan & Singer, "Adaptive Subgradient Methods for Online Learning and Stochastic
//! Optimization", JMLR 2011, section 1.1 (diagonal). Reference: PyTorch's `torch.optim.Adagrad`.
//!
//! Differs from burn's: `eps` is 1e-10 by default (burn: 1e-5), scalars are f64, and the
//! accumulator can begin above zero. Differs from PyTorch's: `eps = 0` is refused, since a zero
//! gradient would give 0 / 0.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use crate::about::{About, Configure, Field, Range};
use crate::rule::{Formula, Real, Rule, StateNames, Stepping, begin_with, elementwise};
use crate::weight_decay::penalized;

const SUM: &str = "sum";

/// The optimizer; see the [module](self).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Adagrad {
    /// Base learning rate; [`crate::plan()`] hands it to the schedule.
    pub lr: f64,
    /// How fast the learning rate falls, in 1/steps.
    pub lr_decay: f64,
    /// L2 penalty: adds `weight_decay · θ` to the gradient.
    pub weight_decay: f64,
    /// What the sum of squares begins with.
    pub initial_accumulator_value: f64,
    /// Added to the root of the sum of squares.
    pub eps: f64,
}

impl Default for Adagrad {
    fn default() -> Self {
        Self {
            lr: 1e-2,
            lr_decay: 0.0,
            weight_decay: 0.0,
            initial_accumulator_value: 0.0,
            eps: 1e-10,
        }
    }
}

impl Configure for Adagrad {
    const ABOUT: About = About {
        name: "adagrad",
        aliases: &[],
        summary: "a learning rate for each element that falls with its sum of squared gradients; for sparse features",
        source: "Duchi et al. 2011, JMLR 12, section 1.1",
        fields: &[
            Field::LR,
            Field::new("lr_decay", Range::NotNegative),
            Field::WEIGHT_DECAY,
            Field::new("initial_accumulator_value", Range::NotNegative),
            Field::EPS.lecture("1e-7"),
        ],
        cost: "one pass over the parameters",
    };
}

impl Rule for Adagrad {
    fn state(&self) -> StateNames {
        StateNames::tensors(&[SUM])
    }

    fn step(&self, mut tensors: Vec<Stepping<'_>>) -> Vec<Tensor<1>> {
        begin_with(&mut tensors, SUM, self.initial_accumulator_value);
        elementwise(tensors, &[SUM], |one| Sum {
            decay: one.now.weight_decay(self.weight_decay),
            eps: self.eps,
            rate: one.now.lr / (1.0 + (one.now.step - 1) as f64 * self.lr_decay),
        })
    }
}

/// One step of one element.
#[derive(Debug, Clone, Copy)]
struct Sum {
    decay: f64,
    eps: f64,
    rate: f64,
}

impl Formula<2, 1> for Sum {
    #[inline(always)]
    fn apply<R: Real>(&self, [value, sum]: [R; 2], [gradient]: [R; 1]) -> [R; 2] {
        let gradient = penalized(gradient, &value, self.decay);
        let sum = sum + gradient.clone() * gradient.clone();
        let step = gradient / (sum.clone().sqrt() + self.eps);
        [value - step * self.rate, sum]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::about::Optimize;
    use crate::rule::tests::{assert_near, descend, kept};

    #[test]
    fn two_steps_by_hand() {
        let adagrad = Adagrad {
            lr_decay: 1.0,
            initial_accumulator_value: 7.0,
            eps: 1.0,
            ..Adagrad::default()
        };
        // s = 7 + 9 = 16: 0.1 · 3 / (4 + 1). s = 16 + 9 = 25, half the rate: 0.05 · -3 / (5 + 1).
        let (values, state) = descend(adagrad.build().unwrap(), 0.1, &[3.0, -3.0]);
        assert_near(&values, &[0.94, 0.965]);
        assert_near(&[kept(&state, SUM)], &[25.0]);
    }

    #[test]
    fn the_penalty_joins_the_gradient() {
        let adagrad = Adagrad {
            weight_decay: 2.0,
            eps: 1.0,
            ..Adagrad::default()
        };
        // g = 1 + 2 · 1: 0.1 · 3 / (3 + 1).
        let (values, state) = descend(adagrad.build().unwrap(), 0.1, &[1.0]);
        assert_near(&values, &[0.925]);
        assert_near(&[kept(&state, SUM)], &[9.0]);
    }
}
