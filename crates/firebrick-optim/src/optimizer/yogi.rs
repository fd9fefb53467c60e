//! `yogi`: Adam whose second moment changes by at most the squared gradient in each step.
//!
//! ```text
//! t ← t + 1
//! θ ← θ - lr · weight_decay · θ
//! m ← beta1 · m + (1 - beta1) · g
//! v ← v - (1 - beta2) · sign(v - g²) · g²
//! θ ← θ - lr / (1 - beta1ᵗ) · m / (√v / √(1 - beta2ᵗ) + eps)
//! ```
//!
//! m and v begin with `initial_accumulator`.
//!
//! Source: Zaheer et al., "Adaptive Methods for Nonconvex Optimization", NeurIPS 2018, algorithm 2.
//! Reference: pytorch_optimizer's `Yogi`, whose step is that of optax's `yogi`. As in both, m begins
//! with `initial_accumulator` too (the paper's with 0) and both moments are corrected for their
//! bias (the paper's are not).
//!
//! Differs from pytorch_optimizer's: the weight decay is always decoupled and follows the learning
//! rate, and `eps = 0` is refused, since a zero gradient could give 0 / 0. Burn has none.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use crate::about::{About, Configure, Field, Range};
use crate::rule::{Formula, Real, Rule, StateNames, Stepping, begin_with, elementwise};
use crate::weight_decay::WeightDecay;

const MEAN: &str = "exp_avg";
const SQUARE: &str = "exp_avg_sq";

/// The optimizer; see the [module](self).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Yogi {
    /// Base learning rate; [`crate::plan()`] hands it to the schedule.
    pub lr: f64,
    /// Share of the mean gradient that is kept at each step.
    pub beta1: f64,
    /// 1 less the share of the square by which the second moment moves.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub eps: f64,
    /// What both moments begin with.
    pub initial_accumulator: f64,
    /// Share of the value that goes at each step, times the learning rate.
    pub weight_decay: f64,
}

impl Default for Yogi {
    fn default() -> Self {
        Self {
            lr: 1e-2,
            beta1: 0.9,
            beta2: 0.999,
            eps: 1e-3,
            initial_accumulator: 1e-6,
            weight_decay: 0.0,
        }
    }
}

impl Configure for Yogi {
    const ABOUT: About = About {
        name: "yogi",
        aliases: &[],
        summary: "Adam with an additive update of the second moment; decoupled weight decay",
        source: "Zaheer et al. 2018, NeurIPS, algorithm 2",
        fields: &[
            Field::LR,
            Field::new("beta1", Range::Share),
            Field::new("beta2", Range::Share),
            Field::EPS,
            Field::new("initial_accumulator", Range::NotNegative),
            Field::WEIGHT_DECAY,
        ],
        cost: "one pass over the parameters",
    };
}

impl Rule for Yogi {
    fn state(&self) -> StateNames {
        StateNames::tensors(&[MEAN, SQUARE])
    }

    fn step(&self, mut tensors: Vec<Stepping<'_>>) -> Vec<Tensor<1>> {
        let names = [MEAN, SQUARE];
        for name in names {
            begin_with(&mut tensors, name, self.initial_accumulator);
        }
        elementwise(tensors, &names, |one| {
            let now = one.now;
            let (beta1, beta2) = (now.momentum(self.beta1), self.beta2);
            let correction = |beta: f64| 1.0 - beta.powf(now.step as f64);
            Moments {
                decay: now.decoupled(self.weight_decay),
                beta1,
                share: 1.0 - beta2,
                root: 1.0 / correction(beta2).sqrt(),
                eps: self.eps,
                rate: now.lr / correction(beta1),
            }
        })
    }
}

/// One step of one element.
#[derive(Debug, Clone, Copy)]
struct Moments {
    decay: WeightDecay,
    beta1: f64,
    /// Share of the square by which the second moment moves.
    share: f64,
    /// Corrects the root of the second moment.
    root: f64,
    eps: f64,
    /// The learning rate, corrected for the mean.
    rate: f64,
}

impl Formula<3, 1> for Moments {
    #[inline(always)]
    fn apply<R: Real>(&self, [value, mean, second]: [R; 3], [gradient]: [R; 1]) -> [R; 3] {
        let mean = mean * self.beta1 + gradient.clone() * (1.0 - self.beta1);
        let square = gradient.clone() * gradient;
        let sign = (second.clone() - square.clone()).sign();
        let second = second - sign * square * self.share;
        let divisor = second.clone().sqrt() * self.root + self.eps;
        let value = self.decay.shrink(value) - mean.clone() / divisor * self.rate;
        [value, mean, second]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::about::Optimize;
    use crate::rule::tests::{assert_near, descend, kept};

    #[test]
    fn two_steps_by_hand() {
        let yogi = Yogi {
            beta1: 0.5,
            beta2: 0.75,
            eps: 0.5,
            initial_accumulator: 1.0,
            weight_decay: 1.0,
            ..Yogi::default()
        };
        // g = 2: m = 1.5, v = 1 + 0.25 · 4 = 2: 0.1 / 0.5 · 1.5 / (√(2 / 0.25) + 0.5).
        // g = 1: m = 1.25, v = 2 - 0.25 · 1 = 1.75: 0.1 / 0.75 · 1.25 / (√(1.75 / 0.4375) + 0.5).
        let (values, state) = descend(yogi.build().unwrap(), 0.1, &[2.0, 1.0]);
        let first = 0.9 - 0.3 / (8.0_f64.sqrt() + 0.5);
        let second = 0.9 * first - 0.125 / 0.75 / 2.5;
        assert_near(&values, &[first, second]);
        assert_near(&[kept(&state, MEAN), kept(&state, SQUARE)], &[1.25, 1.75]);
    }
}
