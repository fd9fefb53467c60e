//! `lion`: steps by the sign of a momentum that is interpolated with the gradient.
//!
//! ```text
//! θ ← θ - lr · weight_decay · θ
//! θ ← θ - lr · sign(beta1 · m + (1 - beta1) · g)
//! m ← beta2 · m + (1 - beta2) · g
//! ```
//!
//! Every element moves by `lr`, or not at all where the mean is 0, so rates are a third to a tenth
//! of Adam's, and weight decays that much larger.
//!
//! Source: Chen et al., "Symbolic Discovery of Optimization Algorithms", NeurIPS 2023, algorithm 2.
//! Reference: lion-pytorch's `Lion`; timm's with its defaults is the same. Burn has none.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use crate::about::{About, Configure, Field, Range};
use crate::rule::{Formula, Real, Rule, StateNames, Stepping, elementwise};
use crate::weight_decay::WeightDecay;

const MEAN: &str = "exp_avg";

/// The optimizer; see the [module](self).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Lion {
    /// Base learning rate; [`crate::plan()`] hands it to the schedule.
    pub lr: f64,
    /// Share of the mean gradient in the direction; the gradient has the rest.
    pub beta1: f64,
    /// Share of the mean gradient that is kept at each step.
    pub beta2: f64,
    /// Share of the value that goes at each step, times the learning rate.
    pub weight_decay: f64,
}

impl Default for Lion {
    fn default() -> Self {
        Self {
            lr: 1e-4,
            beta1: 0.9,
            beta2: 0.99,
            weight_decay: 0.0,
        }
    }
}

impl Configure for Lion {
    const ABOUT: About = About {
        name: "lion",
        aliases: &[],
        summary: "updates by the sign of the momentum, with decoupled weight decay",
        source: "Chen et al. 2023, arXiv:2302.06675, algorithm 2",
        fields: &[
            Field::LR,
            Field::new("beta1", Range::Share),
            Field::new("beta2", Range::Share),
            Field::WEIGHT_DECAY,
        ],
        cost: "one pass over the parameters",
    };
}

impl Rule for Lion {
    fn state(&self) -> StateNames {
        StateNames::tensors(&[MEAN])
    }

    fn step(&self, tensors: Vec<Stepping<'_>>) -> Vec<Tensor<1>> {
        elementwise(tensors, &[MEAN], |Stepping { now, .. }| Sign {
            decay: now.decoupled(self.weight_decay),
            beta1: now.momentum(self.beta1),
            beta2: self.beta2,
            rate: now.lr,
        })
    }
}

#[derive(Debug, Clone, Copy)]
struct Sign {
    decay: WeightDecay,
    beta1: f64,
    beta2: f64,
    rate: f64,
}

impl Formula<2, 1> for Sign {
    #[inline(always)]
    fn apply<R: Real>(&self, [value, mean]: [R; 2], [gradient]: [R; 1]) -> [R; 2] {
        let direction = mean.clone() * self.beta1 + gradient.clone() * (1.0 - self.beta1);
        let value = self.decay.shrink(value);
        let mean = mean * self.beta2 + gradient * (1.0 - self.beta2);
        [value - direction.sign() * self.rate, mean]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::about::Optimize;
    use crate::rule::tests::{assert_near, descend, kept};

    #[test]
    fn three_steps_by_hand() {
        let lion = Lion {
            beta1: 0.5,
            beta2: 0.75,
            weight_decay: 1.0,
            ..Lion::default()
        };
        // m = 0.5; then 0.5 · 0.5 - 0.5 · 0.25 is positive though g is negative, and
        // m = 0.75 · 0.5 - 0.25 · 0.25 = 0.3125; then 0.5 · 0.3125 - 0.5 · 0.3125 = 0.
        let (values, state) = descend(lion.build().unwrap(), 0.1, &[2.0, -0.25, -0.3125]);
        assert_near(&values, &[0.8, 0.62, 0.558]);
        assert_near(&[kept(&state, MEAN)], &[0.15625]);
    }
}
