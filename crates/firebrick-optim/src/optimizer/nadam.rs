//! `nadam`: Adam with Nesterov's momentum, which grows over the first steps.
//!
//! ```text
//! t ← t + 1
//! g ← gradient + weight_decay · θ   or, if decoupled_weight_decay,   θ ← θ - lr · weight_decay · θ
//! μₜ = beta1 · (1 - 0.96^(t · momentum_decay) / 2)
//! p ← p · μₜ                                              p begins with 1
//! m ← beta1 · m + (1 - beta1) · g
//! v ← beta2 · v + (1 - beta2) · g²
//! r ← √(v / (1 - beta2ᵗ)) + eps
//! θ ← θ - lr · (1 - μₜ) / (1 - p) · g / r - lr · μₜ₊₁ / (1 - p · μₜ₊₁) · m / r
//! ```
//!
//! Source: Dozat, "Incorporating Nesterov Momentum into Adam", ICLR 2016 workshop, algorithm 2.
//! Reference: PyTorch's `torch.optim.NAdam`.
//!
//! Burn has none. Differs from PyTorch's: the product `p` is f64 (there a float32), and `eps = 0` is
//! refused, since a zero gradient would give 0 / 0.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use crate::about::{About, Configure, Field, Range};
use crate::rule::{Formula, Real, Rule, StateNames, Stepping, elementwise};
use crate::weight_decay::WeightDecay;

const NAMES: [&str; 2] = ["exp_avg", "exp_avg_sq"];
const PRODUCT: &str = "mu_product";

/// The optimizer; see the [module](self).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NAdam {
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
    /// How fast the momentum grows from `beta1` / 2 to `beta1`.
    pub momentum_decay: f64,
    /// Decays the values apart from the gradient.
    pub decoupled_weight_decay: bool,
}

impl Default for NAdam {
    fn default() -> Self {
        Self {
            lr: 2e-3,
            beta1: 0.9,
            beta2: 0.999,
            eps: 1e-8,
            weight_decay: 0.0,
            momentum_decay: 4e-3,
            decoupled_weight_decay: false,
        }
    }
}

impl Configure for NAdam {
    const ABOUT: About = About {
        name: "nadam",
        aliases: &[],
        summary: "Adam with Nesterov momentum; weight decay as L2 or decoupled",
        source: "Dozat 2016, ICLR workshop, algorithm 2",
        fields: &[
            Field::LR,
            Field::new("beta1", Range::Share),
            Field::new("beta2", Range::Share),
            Field::EPS,
            Field::WEIGHT_DECAY,
            Field::new("momentum_decay", Range::NotNegative),
            Field::new("decoupled_weight_decay", Range::Flag),
        ],
        cost: "one pass over the parameters",
    };
}

impl Rule for NAdam {
    fn state(&self) -> StateNames {
        StateNames {
            tensors: &NAMES,
            numbers: &[PRODUCT],
            ..StateNames::NONE
        }
    }

    fn step(&self, mut tensors: Vec<Stepping<'_>>) -> Vec<Tensor<1>> {
        let grown = |beta1: f64, step: u64| {
            beta1 * (1.0 - 0.5 * 0.96_f64.powf(step as f64 * self.momentum_decay))
        };
        for one in &mut tensors {
            let now = one.now;
            let product = one.state.numbers.entry(PRODUCT.into()).or_insert(1.0);
            *product *= grown(now.momentum(self.beta1), now.step);
        }
        elementwise(tensors, &NAMES, |one| {
            let now = one.now;
            let beta1 = now.momentum(self.beta1);
            let (mu, next) = (grown(beta1, now.step), grown(beta1, now.step + 1));
            let product = one.state.numbers.get(PRODUCT).copied().unwrap_or(mu);
            Moments {
                decay: now.decay(self.weight_decay, self.decoupled_weight_decay),
                beta1,
                beta2: self.beta2,
                root: 1.0 / (1.0 - self.beta2.powf(now.step as f64)).sqrt(),
                eps: self.eps,
                fresh: now.lr * (1.0 - mu) / (1.0 - product),
                rate: now.lr * next / (1.0 - product * next),
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
    /// Corrects the root of the mean square.
    root: f64,
    eps: f64,
    /// The rates of the gradient and of the mean.
    fresh: f64,
    rate: f64,
}

impl Formula<3, 1> for Moments {
    #[inline(always)]
    fn apply<R: Real>(&self, [value, mean, square]: [R; 3], [gradient]: [R; 1]) -> [R; 3] {
        let gradient = self.decay.penalize(gradient, &value);
        let value = self.decay.shrink(value);
        let mean = mean * self.beta1 + gradient.clone() * (1.0 - self.beta1);
        let square = square * self.beta2 + gradient.clone() * gradient.clone() * (1.0 - self.beta2);
        let divisor = square.clone().sqrt() * self.root + self.eps;
        let step = (gradient * self.fresh + mean.clone() * self.rate) / divisor;
        [value - step, mean, square]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::about::Optimize;
    use crate::rule::tests::{assert_near, descend, kept};

    const PLAIN: NAdam = NAdam {
        lr: 0.1,
        beta1: 0.5,
        beta2: 0.75,
        eps: 1.0,
        weight_decay: 0.0,
        momentum_decay: 0.0,
        decoupled_weight_decay: false,
    };

    #[test]
    fn two_steps_by_hand() {
        // μ is 1/4 throughout. p = 1/4: m = 1, v = 1, r = 2 + 1:
        // 0.1 · (3/4 · 4/3 · 2 + 1/4 · 16/15 · 1) / 3 = 0.1 · (34/15) / 3.
        let first = 3.4 / 45.0;
        // p = 1/16: g = -1: m = 0, v = 1, r = √(16/7) + 1: 0.1 · 3/4 · 16/15 · -1 / r.
        let second = 0.08 / ((16.0 / 7.0_f64).sqrt() + 1.0);
        let (values, state) = descend(PLAIN.build().unwrap(), 0.1, &[2.0, -1.0]);
        assert_near(&values, &[1.0 - first, 1.0 - first + second]);
        assert_near(&NAMES.map(|what| kept(&state, what)), &[0.0, 1.0]);
        assert_near(&[state.numbers[PRODUCT]], &[1.0 / 16.0]);
        let decayed = NAdam {
            weight_decay: 1.0,
            ..PLAIN
        };
        let (values, _) = descend(decayed.build().unwrap(), 0.1, &[1.0]);
        assert_near(&values, &[1.0 - first]);
        let decoupled = NAdam {
            decoupled_weight_decay: true,
            ..decayed
        };
        let (values, _) = descend(decoupled.build().unwrap(), 0.1, &[2.0]);
        assert_near(&values, &[0.9 - first]);
    }

    #[test]
    fn the_momentum_grows() {
        let growing = NAdam {
            momentum_decay: 1.0,
            ..PLAIN
        };
        // μ₁ = 0.5 · (1 - 0.48), μ₂ = 0.5 · (1 - 0.4608).
        let (_, state) = descend(growing.build().unwrap(), 0.1, &[2.0, -1.0]);
        assert_near(&[state.numbers[PRODUCT]], &[0.26 * 0.2696]);
    }
}
