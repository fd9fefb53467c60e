//! `adan`: adaptive Nesterov momentum by the difference of gradients.
//!
//! ```text
//! t ← t + 1,   δ ← g - g of the step before, 0 at the first
//! m ← beta1 · m + (1 - beta1) · g
//! d ← beta2 · d + (1 - beta2) · δ
//! n ← beta3 · n + (1 - beta3) · (g + beta2 · δ)²
//! u ← (m / (1 - beta1ᵗ) + beta2 · d / (1 - beta2ᵗ)) / (√n / √(1 - beta3ᵗ) + eps)
//! θ ← (θ - lr · u) / (1 + lr · weight_decay)
//! θ ← θ · (1 - lr · weight_decay) - lr · u         instead, if no_prox
//! ```
//!
//! Source: Xie et al., "Adan: Adaptive Nesterov Momentum Algorithm for Faster Optimizing Deep
//! Models", 2022, algorithm 1. Reference: timm's `Adan`, which is the authors' code. As there, a
//! beta is the share that is kept (the paper's is the share that joins: its 0.02, 0.08, 0.01 are
//! 0.98, 0.92, 0.99 here).
//!
//! Differs from the authors': `max_grad_norm` is left out, since the trainer clips. Differs from
//! timm's: `eps = 0` is refused, since a zero gradient would give 0 / 0. Differs from burn's: the
//! defaults (burn's `eps` is 1e-8 too, but its scalars are f32), and `beta1` can follow the
//! schedule.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use crate::about::{About, Configure, Field, Range};
use crate::rule::{Formula, Real, Rule, StateNames, Stepping, elementwise};
use crate::weight_decay::shrunk;

const MEAN: &str = "exp_avg";
const DIFFERENCE: &str = "exp_avg_diff";
const SQUARE: &str = "exp_avg_sq";
const BEFORE: &str = "neg_pre_grad";

/// The optimizer; see the [module](self).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Adan {
    /// Base learning rate; [`crate::plan()`] hands it to the schedule.
    pub lr: f64,
    /// Share of the mean gradient that is kept at each step.
    pub beta1: f64,
    /// Share of the mean difference of gradients that is kept at each step, and its weight.
    pub beta2: f64,
    /// Share of the mean square that is kept at each step.
    pub beta3: f64,
    /// Added to the root of the mean square.
    pub eps: f64,
    /// Decoupled weight decay, times the learning rate.
    pub weight_decay: f64,
    /// Decays before the step, as AdamW does, in place of dividing after it.
    pub no_prox: bool,
}

impl Default for Adan {
    fn default() -> Self {
        Self {
            lr: 1e-3,
            beta1: 0.98,
            beta2: 0.92,
            beta3: 0.99,
            eps: 1e-8,
            weight_decay: 0.0,
            no_prox: false,
        }
    }
}

impl Configure for Adan {
    const ABOUT: About = About {
        name: "adan",
        aliases: &[],
        summary: "Adam with Nesterov momentum, estimated from the differences of successive gradients",
        source: "Xie et al. 2022, arXiv:2208.06677, algorithm 1",
        fields: &[
            Field::LR,
            Field::new("beta1", Range::Share),
            Field::new("beta2", Range::Share),
            Field::new("beta3", Range::Share),
            Field::EPS,
            Field::WEIGHT_DECAY,
            Field::new("no_prox", Range::Flag),
        ],
        cost: "one pass over the parameters",
    };
}

impl Rule for Adan {
    fn state(&self) -> StateNames {
        StateNames::tensors(&[MEAN, DIFFERENCE, SQUARE, BEFORE])
    }

    fn step(&self, tensors: Vec<Stepping<'_>>) -> Vec<Tensor<1>> {
        let names = [MEAN, DIFFERENCE, SQUARE, BEFORE];
        elementwise(tensors, &names, |one| {
            let now = one.now;
            let (beta1, beta2, beta3) = (now.momentum(self.beta1), self.beta2, self.beta3);
            let correction = |beta: f64| 1.0 - beta.powf(now.step as f64);
            let decay = now.lr * now.weight_decay(self.weight_decay);
            Nesterov {
                first: !one.state.tensors.contains_key(BEFORE),
                beta1,
                beta2,
                beta3,
                root: 1.0 / correction(beta3).sqrt(),
                eps: self.eps,
                rate: now.lr / correction(beta1),
                rate_of_difference: now.lr * beta2 / correction(beta2),
                keep_before: if self.no_prox { 1.0 - decay } else { 1.0 },
                keep_after: if self.no_prox {
                    1.0
                } else {
                    1.0 / (1.0 + decay)
                },
            }
        })
    }
}

/// One step of one element.
#[derive(Debug, Clone, Copy)]
struct Nesterov {
    /// Whether there is no gradient before.
    first: bool,
    beta1: f64,
    beta2: f64,
    beta3: f64,
    /// Corrects the root of the mean square.
    root: f64,
    eps: f64,
    /// The learning rate, corrected for the mean, and that of the mean difference.
    rate: f64,
    rate_of_difference: f64,
    /// Shares of the value that weight decay leaves.
    keep_before: f64,
    keep_after: f64,
}

impl Formula<5, 1> for Nesterov {
    #[inline(always)]
    fn apply<R: Real>(&self, written: [R; 5], [gradient]: [R; 1]) -> [R; 5] {
        let [value, mean, difference, square, before] = written;
        let change = if self.first {
            gradient.clone() * 0.0
        } else {
            gradient.clone() + before
        };
        let mean = mean * self.beta1 + gradient.clone() * (1.0 - self.beta1);
        let difference = difference * self.beta2 + change.clone() * (1.0 - self.beta2);
        let ahead = gradient.clone() + change * self.beta2;
        let square = square * self.beta3 + ahead.clone() * ahead * (1.0 - self.beta3);
        let divisor = square.clone().sqrt() * self.root + self.eps;
        let step = mean.clone() * self.rate + difference.clone() * self.rate_of_difference;
        let value = shrunk(value, self.keep_before) - step / divisor;
        let value = shrunk(value, self.keep_after);
        [value, mean, difference, square, gradient * -1.0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::about::Optimize;
    use crate::rule::tests::{assert_near, descend, kept};

    const PLAIN: Adan = Adan {
        lr: 0.1,
        beta1: 0.5,
        beta2: 0.5,
        beta3: 0.75,
        eps: 0.5,
        weight_decay: 0.0,
        no_prox: false,
    };

    #[test]
    fn two_steps_by_hand() {
        // g = 2: m = 1, d = 0, n = 0.25 · 4 = 1; u = (1 / 0.5) / (1 / 0.5 + 0.5) = 0.8.
        // g = 4, δ = 2: m = 2.5, d = 1, n = 0.75 + 0.25 · (4 + 1)² = 7;
        // u = (2.5 / 0.75 + 0.5 · 1 / 0.75) / (√(7 / 0.4375) + 0.5) = 4 / 4.5.
        let (values, state) = descend(PLAIN.build().unwrap(), 0.1, &[2.0, 4.0]);
        assert_near(&values, &[0.92, 0.92 - 0.4 / 4.5]);
        let found = [MEAN, DIFFERENCE, SQUARE, BEFORE].map(|name| kept(&state, name));
        assert_near(&found, &[2.5, 1.0, 7.0, -4.0]);
    }

    #[test]
    fn weight_decay_divides_after_the_step_or_multiplies_before_it() {
        let decayed = Adan {
            weight_decay: 1.0,
            ..PLAIN
        };
        let (values, _) = descend(decayed.build().unwrap(), 0.1, &[2.0]);
        assert_near(&values, &[0.92 / 1.1]);
        let before = Adan {
            no_prox: true,
            ..decayed
        };
        let (values, _) = descend(before.build().unwrap(), 0.1, &[2.0]);
        assert_near(&values, &[0.9 - 0.08]);
    }
}
