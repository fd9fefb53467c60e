//! `adamax`: Adam with the largest recent gradient in place of the root mean square.
//!
//! ```text
//! t ← t + 1
//! g ← gradient + weight_decay · θ
//! m ← beta1 · m + (1 - beta1) · g
//! u ← max(beta2 · u, |g| + eps)
//! θ ← θ - lr / (1 - beta1ᵗ) · m / u
//! ```
//!
//! Source: Kingma & Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015, algorithm 2.
//! Reference: PyTorch's `torch.optim.Adamax`, where `eps` is inside the maximum (the paper has none).
//!
//! Burn has none. Differs from PyTorch's: `eps = 0` is refused, since a zero gradient would give
//! 0 / 0.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use crate::about::{About, Configure, Field, Range};
use crate::rule::{Formula, Real, Rule, StateNames, Stepping, elementwise};
use crate::weight_decay::penalized;

const NAMES: [&str; 2] = ["exp_avg", "exp_inf"];

/// The optimizer; see the [module](self).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Adamax {
    /// Base learning rate; [`crate::plan()`] hands it to the schedule.
    pub lr: f64,
    /// Share of the mean gradient that is kept at each step.
    pub beta1: f64,
    /// Share of the largest gradient that is kept at each step.
    pub beta2: f64,
    /// Added to the size of the gradient.
    pub eps: f64,
    /// L2 penalty: adds `weight_decay · θ` to the gradient.
    pub weight_decay: f64,
}

impl Default for Adamax {
    fn default() -> Self {
        Self {
            lr: 2e-3,
            beta1: 0.9,
            beta2: 0.999,
            eps: 1e-8,
            weight_decay: 0.0,
        }
    }
}

impl Configure for Adamax {
    const ABOUT: About = About {
        name: "adamax",
        aliases: &[],
        summary: "Adam that divides by the largest recent gradient",
        source: "Kingma & Ba 2015, arXiv:1412.6980, algorithm 2",
        fields: &[
            Field::LR,
            Field::new("beta1", Range::Share),
            Field::new("beta2", Range::Share),
            Field::EPS,
            Field::WEIGHT_DECAY,
        ],
        cost: "one pass over the parameters",
    };
}

impl Rule for Adamax {
    fn state(&self) -> StateNames {
        StateNames::tensors(&NAMES)
    }

    fn step(&self, tensors: Vec<Stepping<'_>>) -> Vec<Tensor<1>> {
        elementwise(tensors, &NAMES, |one| {
            let beta1 = one.now.momentum(self.beta1);
            Largest {
                decay: one.now.weight_decay(self.weight_decay),
                beta1,
                beta2: self.beta2,
                eps: self.eps,
                rate: one.now.lr / (1.0 - beta1.powf(one.now.step as f64)),
            }
        })
    }
}

/// One step of one element.
#[derive(Debug, Clone, Copy)]
struct Largest {
    decay: f64,
    beta1: f64,
    beta2: f64,
    eps: f64,
    /// The learning rate, corrected for the mean.
    rate: f64,
}

impl Formula<3, 1> for Largest {
    #[inline(always)]
    fn apply<R: Real>(&self, [value, mean, largest]: [R; 3], [gradient]: [R; 1]) -> [R; 3] {
        let gradient = penalized(gradient, &value, self.decay);
        let mean = mean * self.beta1 + gradient.clone() * (1.0 - self.beta1);
        let largest = (largest * self.beta2).max(gradient.abs() + self.eps);
        let step = mean.clone() / largest.clone();
        [value - step * self.rate, mean, largest]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::about::Optimize;
    use crate::rule::tests::{assert_near, descend, kept};

    #[test]
    fn two_steps_by_hand() {
        let adamax = Adamax {
            beta1: 0.5,
            beta2: 0.75,
            eps: 1.0,
            ..Adamax::default()
        };
        // m = 1.5, u = 4: 0.1 / 0.5 · 1.5 / 4. g = -1: m = 0.25, u = max(3, 2): 0.1 / 0.75 · 0.25 / 3.
        let (values, state) = descend(adamax.build().unwrap(), 0.1, &[3.0, -1.0]);
        assert_near(&values, &[0.925, 0.925 - 0.1 / 9.0]);
        assert_near(&NAMES.map(|what| kept(&state, what)), &[0.25, 3.0]);
        let decayed = Adamax {
            weight_decay: 2.0,
            ..adamax
        };
        let (values, _) = descend(decayed.build().unwrap(), 0.1, &[1.0]);
        assert_near(&values, &[0.925]);
    }
}
