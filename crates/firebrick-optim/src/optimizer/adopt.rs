//! `adopt`: Adam that divides each gradient by the mean square of those before it.
//!
//! ```text
//! g ← gradient + weight_decay · θ                          unless decoupled
//! first step: v ← g², and nothing else
//! θ ← θ - lr · weight_decay · θ                            if decoupled
//! n ← g / max(√v, eps)        within ±(step - 1)^clip_exp
//! m ← beta1 · m + (1 - beta1) · n
//! θ ← θ - lr · m
//! v ← beta2 · v + (1 - beta2) · g²
//! ```
//!
//! As the gradient is not in what divides it, the method converges for any `beta2`, where Adam needs
//! one that suits the problem.
//!
//! Source: Taniguchi et al., "ADOPT: Modified Adam Can Converge with Any β2 with the Optimal Rate",
//! NeurIPS 2024, algorithm 2 with its clipping. Reference: timm's `Adopt`. Differs from it in
//! `clip_exp`, there 1/3, here the paper's 1/4, and in that clipping cannot be left out. Burn has none.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use crate::about::{About, Configure, Field, Range};
use crate::rule::{Formula, Real, Rule, StateNames, Stepping, elementwise};
use crate::weight_decay::WeightDecay;

const MEAN: &str = "exp_avg";
const SQUARE: &str = "exp_avg_sq";

/// The optimizer; see the [module](self).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Adopt {
    /// Base learning rate; [`crate::plan()`] hands it to the schedule.
    pub lr: f64,
    /// Share of the mean direction that is kept at each step.
    pub beta1: f64,
    /// Share of the mean square that is kept at each step.
    pub beta2: f64,
    /// The least that a gradient is divided by.
    pub eps: f64,
    /// The power of the step that a divided gradient is clipped to.
    pub clip_exp: f64,
    /// L2 penalty, or the share of the value that goes at each step, times the learning rate.
    pub weight_decay: f64,
    /// Whether the decay bypasses the moments.
    pub decoupled: bool,
}

impl Default for Adopt {
    fn default() -> Self {
        Self {
            lr: 1e-3,
            beta1: 0.9,
            beta2: 0.9999,
            eps: 1e-6,
            clip_exp: 0.25,
            weight_decay: 0.0,
            decoupled: false,
        }
    }
}

impl Configure for Adopt {
    const ABOUT: About = About {
        name: "adopt",
        aliases: &[],
        summary: "Adam that converges for any beta2, because it divides by the second moment of the earlier gradients",
        source: "Taniguchi et al. 2024, arXiv:2411.02853, algorithm 2",
        fields: &[
            Field::LR,
            Field::new("beta1", Range::Share),
            Field::new("beta2", Range::Share),
            Field::EPS,
            Field::new("clip_exp", Range::NotNegative),
            Field::WEIGHT_DECAY,
            Field::new("decoupled", Range::Flag),
        ],
        cost: "one pass over the parameters",
    };
}

impl Rule for Adopt {
    fn state(&self) -> StateNames {
        StateNames::tensors(&[MEAN, SQUARE])
    }

    fn step(&self, tensors: Vec<Stepping<'_>>) -> Vec<Tensor<1>> {
        elementwise(tensors, &[MEAN, SQUARE], |one| {
            let now = one.now;
            Normed {
                first: now.step == 1,
                lr: now.lr,
                beta1: now.momentum(self.beta1),
                beta2: self.beta2,
                eps: self.eps,
                limit: (now.step as f64 - 1.0).powf(self.clip_exp),
                decay: now.decay(self.weight_decay, self.decoupled),
            }
        })
    }
}

/// One step of one element.
#[derive(Debug, Clone, Copy)]
struct Normed {
    first: bool,
    lr: f64,
    beta1: f64,
    beta2: f64,
    eps: f64,
    limit: f64,
    decay: WeightDecay,
}

impl Formula<3, 1> for Normed {
    #[inline(always)]
    fn apply<R: Real>(&self, [value, mean, square]: [R; 3], [gradient]: [R; 1]) -> [R; 3] {
        let gradient = self.decay.penalize(gradient, &value);
        let new = gradient.clone() * gradient.clone();
        if self.first {
            return [value, mean, new];
        }
        let value = self.decay.shrink(value);
        let divisor = square.clone().sqrt().clamp(self.eps, f64::INFINITY);
        let normed = (gradient / divisor).clamp(-self.limit, self.limit);
        let mean = mean * self.beta1 + normed * (1.0 - self.beta1);
        let square = square * self.beta2 + new * (1.0 - self.beta2);
        [value - mean.clone() * self.lr, mean, square]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::about::Optimize;
    use crate::rule::tests::{assert_near, descend, kept};

    #[test]
    fn three_steps_by_hand() {
        let adopt = Adopt {
            beta1: 0.5,
            beta2: 0.75,
            clip_exp: 1.0,
            ..Adopt::default()
        };
        // v = 4, nothing else. Then 3 / 2, clipped to 1: m = 0.5, v = 3 + 9 / 4 = 5.25.
        // Then -2.1 / √5.25: m = 0.25 - 1.05 / √5.25.
        let (values, state) = descend(adopt.build().unwrap(), 0.1, &[2.0, 3.0, -2.1]);
        let mean = 0.25 - 1.05 / 5.25_f64.sqrt();
        assert_near(&values, &[1.0, 0.95, 0.95 - 0.1 * mean]);
        assert_near(&[kept(&state, MEAN)], &[mean]);
        assert_near(&[kept(&state, SQUARE)], &[0.75 * 5.25 + 0.25 * 4.41]);
    }
}
