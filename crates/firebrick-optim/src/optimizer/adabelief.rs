//! `adabelief`: Adam whose second moment is the variance of the gradient around its running mean.
//!
//! ```text
//! t ← t + 1
//! θ ← θ - lr · weight_decay · θ
//! m ← beta1 · m + (1 - beta1) · g
//! s ← beta2 · s + (1 - beta2) · (g - m)² + eps
//! ŝ ← max(ŝ, s)   if amsgrad,   else s
//! θ ← θ - lr / (1 - beta1ᵗ) · m / (√ŝ / √(1 - beta2ᵗ) + eps)
//! ```
//!
//! Source: Zhuang et al., "AdaBelief Optimizer: Adapting Stepsizes by the Belief in Observed
//! Gradients", NeurIPS 2020, algorithm 2. Reference: timm's `AdaBelief` with `rectify=False` and its
//! default `decoupled_decay=True`; it agrees with the authors' package. There `eps` joins the second
//! moment at every step and stays in it, and is added to its root again.
//!
//! Differs from timm's: there is no rectification (RAdam's), the weight decay is always decoupled,
//! and `eps = 0` is refused, since a zero gradient would give 0 / 0. Burn has none.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use crate::about::{About, Configure, Field, Range};
use crate::rule::{Formula, Real, Rule, StateNames, Stepping, elementwise};
use crate::weight_decay::WeightDecay;

const MEAN: &str = "exp_avg";
const VARIANCE: &str = "exp_avg_var";
const MAX_VARIANCE: &str = "max_exp_avg_var";

/// The optimizer; see the [module](self).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdaBelief {
    /// Base learning rate; [`crate::plan()`] hands it to the schedule.
    pub lr: f64,
    /// Share of the mean gradient that is kept at each step.
    pub beta1: f64,
    /// Share of the mean squared distance that is kept at each step.
    pub beta2: f64,
    /// Added to the mean squared distance, and to its root.
    pub eps: f64,
    /// Share of the value that goes at each step, times the learning rate.
    pub weight_decay: f64,
    /// Divides by the largest mean squared distance so far.
    pub amsgrad: bool,
}

impl Default for AdaBelief {
    fn default() -> Self {
        Self {
            lr: 1e-3,
            beta1: 0.9,
            beta2: 0.999,
            eps: 1e-16,
            weight_decay: 0.0,
            amsgrad: false,
        }
    }
}

impl Configure for AdaBelief {
    const ABOUT: About = About {
        name: "adabelief",
        aliases: &[],
        summary: "Adam that divides by the deviation of the gradient from its mean; decoupled weight decay",
        source: "Zhuang et al. 2020, arXiv:2010.07468, algorithm 2",
        fields: &[
            Field::LR,
            Field::new("beta1", Range::Share),
            Field::new("beta2", Range::Share),
            Field::EPS,
            Field::WEIGHT_DECAY,
            Field::new("amsgrad", Range::Flag),
        ],
        cost: "one pass over the parameters",
    };
}

impl Rule for AdaBelief {
    fn state(&self) -> StateNames {
        StateNames::tensors(if self.amsgrad {
            &[MEAN, VARIANCE, MAX_VARIANCE]
        } else {
            &[MEAN, VARIANCE]
        })
    }

    fn step(&self, tensors: Vec<Stepping<'_>>) -> Vec<Tensor<1>> {
        let moments = |one: &Stepping<'_>| {
            let now = one.now;
            let (beta1, beta2) = (now.momentum(self.beta1), self.beta2);
            let correction = |beta: f64| 1.0 - beta.powf(now.step as f64);
            Moments {
                decay: now.decoupled(self.weight_decay),
                beta1,
                beta2,
                root: 1.0 / correction(beta2).sqrt(),
                eps: self.eps,
                rate: now.lr / correction(beta1),
            }
        };
        if self.amsgrad {
            let names = [MEAN, VARIANCE, MAX_VARIANCE];
            elementwise(tensors, &names, |one| Largest(moments(one)))
        } else {
            elementwise(tensors, &[MEAN, VARIANCE], moments)
        }
    }
}

/// One step of one element.
#[derive(Debug, Clone, Copy)]
struct Moments {
    decay: WeightDecay,
    beta1: f64,
    beta2: f64,
    /// Corrects the root of the mean squared distance.
    root: f64,
    eps: f64,
    /// The learning rate, corrected for the mean.
    rate: f64,
}

impl Moments {
    #[inline(always)]
    fn moments<R: Real>(&self, [mean, variance]: [R; 2], gradient: R) -> [R; 2] {
        let mean = mean * self.beta1 + gradient.clone() * (1.0 - self.beta1);
        let distance = gradient - mean.clone();
        let square = distance.clone() * distance;
        let variance = variance * self.beta2 + square * (1.0 - self.beta2) + self.eps;
        [mean, variance]
    }

    #[inline(always)]
    fn along<R: Real>(&self, value: R, mean: &R, variance: &R) -> R {
        let divisor = variance.clone().sqrt() * self.root + self.eps;
        self.decay.shrink(value) - mean.clone() / divisor * self.rate
    }
}

impl Formula<3, 1> for Moments {
    #[inline(always)]
    fn apply<R: Real>(&self, [value, mean, variance]: [R; 3], [gradient]: [R; 1]) -> [R; 3] {
        let [mean, variance] = self.moments([mean, variance], gradient);
        [self.along(value, &mean, &variance), mean, variance]
    }
}

/// With the largest mean squared distance.
#[derive(Debug, Clone, Copy)]
struct Largest(Moments);

impl Formula<4, 1> for Largest {
    #[inline(always)]
    fn apply<R: Real>(&self, written: [R; 4], [gradient]: [R; 1]) -> [R; 4] {
        let [value, mean, variance, largest] = written;
        let [mean, variance] = self.0.moments([mean, variance], gradient);
        let largest = largest.max(variance.clone());
        let value = self.0.along(value, &mean, &largest);
        [value, mean, variance, largest]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::about::Optimize;
    use crate::rule::tests::{assert_near, descend, kept};

    const PLAIN: AdaBelief = AdaBelief {
        lr: 0.1,
        beta1: 0.5,
        beta2: 0.75,
        eps: 0.25,
        weight_decay: 0.0,
        amsgrad: false,
    };

    #[test]
    fn two_steps_by_hand() {
        // g = 2: m = 1, s = 0.25 · 1² + 0.25 = 0.5; 0.1 / 0.5 · 1 / (√0.5 / 0.5 + 0.25).
        // g = 3: m = 2, s = 0.75 · 0.5 + 0.25 · 1² + 0.25 = 0.875; corrections 3/4 and 7/16:
        // 0.1 / 0.75 · 2 / (√(0.875 / 0.4375) + 0.25).
        let (values, state) = descend(PLAIN.build().unwrap(), 0.1, &[2.0, 3.0]);
        let first = 1.0 - 0.2 / (2.0_f64.sqrt() + 0.25);
        let second = first - 0.2 / 0.75 / (2.0_f64.sqrt() + 0.25);
        assert_near(&values, &[first, second]);
        assert_near(&[kept(&state, MEAN), kept(&state, VARIANCE)], &[2.0, 0.875]);
        let decayed = AdaBelief {
            weight_decay: 1.0,
            ..PLAIN
        };
        let (values, _) = descend(decayed.build().unwrap(), 0.1, &[2.0]);
        assert_near(&values, &[first - 0.1]);
    }

    #[test]
    fn amsgrad_keeps_the_largest() {
        let largest = AdaBelief {
            eps: 1e-3,
            amsgrad: true,
            ..PLAIN
        };
        // m = 1 twice: s = 0.25 · 1² + 0.001, then 0.75 · 0.251 + 0.001.
        let (_, state) = descend(largest.build().unwrap(), 0.1, &[2.0, 1.0]);
        let found = [kept(&state, VARIANCE), kept(&state, MAX_VARIANCE)];
        assert_near(&found, &[0.18925, 0.251]);
    }
}
