//! `radam`: rectified Adam: it divides by the second moment only once that estimate has little variance.
//!
//! ```text
//! t ← t + 1
//! g ← gradient + weight_decay · θ   or, if decoupled_weight_decay,   θ ← θ - lr · weight_decay · θ
//! m ← beta1 · m + (1 - beta1) · g
//! v ← beta2 · v + (1 - beta2) · g²
//! ρ∞ = 2 / (1 - beta2) - 1
//! ρ = ρ∞ - 2 t beta2ᵗ / (1 - beta2ᵗ)
//! if ρ > 5:   r = √((ρ - 4)(ρ - 2) ρ∞ / ((ρ∞ - 4)(ρ∞ - 2) ρ))
//!             θ ← θ - lr / (1 - beta1ᵗ) · m · r · √(1 - beta2ᵗ) / (√v + eps)
//! else        θ ← θ - lr / (1 - beta1ᵗ) · m
//! ```
//!
//! Source: Liu et al., "On the Variance of the Adaptive Learning Rate and Beyond", ICLR 2020,
//! algorithm 2. Reference: PyTorch's `torch.optim.RAdam`, which asks for ρ > 5 (the paper: 4) and adds
//! `eps` before the bias correction.
//!
//! The first steps (five at beta2 = 0.999) are those of momentum, in proportion to the gradient:
//! huge gradients make huge steps there.
//!
//! Burn has none. Differs from PyTorch's: `eps = 0` is refused, since a zero gradient would give
//! 0 / 0.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use crate::about::{About, Configure, Field, Range};
use crate::rule::{Formula, Real, Rule, StateNames, Stepping, elementwise};
use crate::weight_decay::WeightDecay;

const NAMES: [&str; 2] = ["exp_avg", "exp_avg_sq"];

/// The optimizer; see the [module](self).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RAdam {
    /// Base learning rate; [`crate::plan()`] hands it to the schedule.
    pub lr: f64,
    /// Share of the mean gradient that is kept at each step.
    pub beta1: f64,
    /// Share of the mean square that is kept at each step.
    pub beta2: f64,
    /// Added to the root of the mean square.
    pub eps: f64,
    /// L2 penalty: adds `weight_decay · θ` to the gradient; with `decoupled_weight_decay` the share of
    /// the value that goes at each step, times the learning rate.
    pub weight_decay: f64,
    /// Decays the values apart from the gradient.
    pub decoupled_weight_decay: bool,
}

impl Default for RAdam {
    fn default() -> Self {
        Self {
            lr: 1e-3,
            beta1: 0.9,
            beta2: 0.999,
            eps: 1e-8,
            weight_decay: 0.0,
            decoupled_weight_decay: false,
        }
    }
}

impl Configure for RAdam {
    const ABOUT: About = About {
        name: "radam",
        aliases: &[],
        summary: "Adam that rectifies the variance of its first updates, in place of a warmup",
        source: "Liu et al. 2020, arXiv:1908.03265, algorithm 2",
        fields: &[
            Field::LR,
            Field::new("beta1", Range::Share),
            Field::new("beta2", Range::Share),
            Field::EPS,
            Field::WEIGHT_DECAY,
            Field::new("decoupled_weight_decay", Range::Flag),
        ],
        cost: "one pass over the parameters",
    };
}

impl RAdam {
    /// What the corrected mean is scaled by at this step, once the mean square counts.
    fn rectified(&self, step: f64) -> Option<f64> {
        let decayed = self.beta2.powf(step);
        let correction = 1.0 - decayed;
        let longest = 2.0 / (1.0 - self.beta2) - 1.0;
        let length = longest - 2.0 * step * decayed / correction;
        (length > 5.0).then(|| {
            let ratio = (length - 4.0) * (length - 2.0) * longest
                / ((longest - 4.0) * (longest - 2.0) * length);
            (ratio * correction).sqrt()
        })
    }
}

impl Rule for RAdam {
    fn state(&self) -> StateNames {
        StateNames::tensors(&NAMES)
    }

    fn step(&self, tensors: Vec<Stepping<'_>>) -> Vec<Tensor<1>> {
        elementwise(tensors, &NAMES, |one| {
            let now = one.now;
            let (step, beta1) = (now.step as f64, now.momentum(self.beta1));
            let rectified = self.rectified(step);
            Moments {
                decay: now.decay(self.weight_decay, self.decoupled_weight_decay),
                beta1,
                beta2: self.beta2,
                divided: rectified.is_some(),
                eps: self.eps,
                rate: now.lr / (1.0 - beta1.powf(step)) * rectified.unwrap_or(1.0),
            }
        })
    }
}

/// One step of one element.
#[derive(Debug, Clone, Copy)]
struct Moments {
    decay: WeightDecay,
    beta1: f64,
    beta2: f64,
    /// Whether the mean square counts.
    divided: bool,
    eps: f64,
    rate: f64,
}

impl Formula<3, 1> for Moments {
    #[inline(always)]
    fn apply<R: Real>(&self, [value, mean, square]: [R; 3], [gradient]: [R; 1]) -> [R; 3] {
        let gradient = self.decay.penalize(gradient, &value);
        let value = self.decay.shrink(value);
        let mean = mean * self.beta1 + gradient.clone() * (1.0 - self.beta1);
        let square = square * self.beta2 + gradient.clone() * gradient * (1.0 - self.beta2);
        let step = if self.divided {
            mean.clone() / (square.clone().sqrt() + self.eps)
        } else {
            mean.clone()
        };
        [value - step * self.rate, mean, square]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::about::Optimize;
    use crate::rule::tests::{assert_near, descend, kept};

    const PLAIN: RAdam = RAdam {
        lr: 0.1,
        beta1: 0.5,
        beta2: 0.75,
        eps: 1.0,
        weight_decay: 0.0,
        decoupled_weight_decay: false,
    };

    #[test]
    fn two_steps_by_hand() {
        // ρ∞ = 7, ρ = 7 - 1.5 / 0.25 = 1: 0.1 / 0.5 · 1. ρ = 7 - 2.25 / (7/16): 0.1 / 0.75 · 1.
        let (values, state) = descend(PLAIN.build().unwrap(), 0.1, &[2.0, 1.0]);
        assert_near(&values, &[0.8, 0.8 - 0.1 / 0.75]);
        assert_near(&NAMES.map(|what| kept(&state, what)), &[1.0, 1.0]);
        let decayed = RAdam {
            weight_decay: 1.0,
            ..PLAIN
        };
        let (values, _) = descend(decayed.build().unwrap(), 0.1, &[1.0]);
        assert_near(&values, &[0.8]);
        let decoupled = RAdam {
            decoupled_weight_decay: true,
            ..decayed
        };
        let (values, _) = descend(decoupled.build().unwrap(), 0.1, &[2.0]);
        assert_near(&values, &[0.7]);
    }

    #[test]
    fn the_divisor_joins_once_the_mean_square_can_be_trusted() {
        assert_eq!(RAdam::default().rectified(5.0), None);
        assert!(RAdam::default().rectified(6.0).is_some());
        // Eight gradients of 1: q is what v still lacks of 1, and ρ∞ = 7.
        let (values, state) = descend(PLAIN.build().unwrap(), 0.1, &[1.0; 8]);
        let q = 0.75_f64.powi(8);
        let rho = 7.0 - 16.0 * q / (1.0 - q);
        assert!(rho > 5.0);
        let r = ((rho - 4.0) * (rho - 2.0) * 7.0 / (3.0 * 5.0 * rho)).sqrt();
        // The corrected mean is 1, and v is 1 - q.
        let step = 0.1 * r * (1.0 - q).sqrt() / ((1.0 - q).sqrt() + 1.0);
        assert_near(&[values[6] - values[7]], &[step]);
        assert_near(&[kept(&state, NAMES[1])], &[1.0 - q]);
    }
}
