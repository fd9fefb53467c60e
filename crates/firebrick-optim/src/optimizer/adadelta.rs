//! `adadelta`: step sizes from running averages of squared gradients and squared steps.
//!
//! ```text
//! g ← gradient + weight_decay · θ
//! s ← rho · s + (1 - rho) · g²
//! d ← √(a + eps) / √(s + eps) · g
//! a ← rho · a + (1 - rho) · d²
//! θ ← θ - lr · d
//! ```
//!
//! Source: Zeiler, "ADADELTA: An Adaptive Learning Rate Method", 2012, algorithm 1 (which has
//! `lr = 1`). Reference: PyTorch's `torch.optim.Adadelta`.
//!
//! Burn has none. Differs from PyTorch's: `eps = 0`, with which nothing would ever move, and
//! `rho = 1` are refused.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use crate::about::{About, Configure, Field, Range};
use crate::rule::{Formula, Real, Rule, StateNames, Stepping, elementwise};
use crate::weight_decay::penalized;

const NAMES: [&str; 2] = ["square_avg", "acc_delta"];

/// The optimizer; see the [module](self).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Adadelta {
    /// Base learning rate; [`crate::plan()`] hands it to the schedule.
    pub lr: f64,
    /// Share of both means that is kept at each step.
    pub rho: f64,
    /// Added to both means under the root; its root is the size of the first steps.
    pub eps: f64,
    /// L2 penalty: adds `weight_decay · θ` to the gradient.
    pub weight_decay: f64,
}

impl Default for Adadelta {
    fn default() -> Self {
        Self {
            lr: 1.0,
            rho: 0.9,
            eps: 1e-6,
            weight_decay: 0.0,
        }
    }
}

impl Configure for Adadelta {
    const ABOUT: About = About {
        name: "adadelta",
        aliases: &[],
        summary: "step sizes from running averages of squared gradients and squared updates, without a learning rate to tune",
        source: "Zeiler 2012, arXiv:1212.5701, algorithm 1",
        fields: &[
            Field::LR,
            Field::new("rho", Range::Share),
            Field::EPS,
            Field::WEIGHT_DECAY,
        ],
        cost: "one pass over the parameters",
    };
}

impl Rule for Adadelta {
    fn state(&self) -> StateNames {
        StateNames::tensors(&NAMES)
    }

    fn step(&self, tensors: Vec<Stepping<'_>>) -> Vec<Tensor<1>> {
        elementwise(tensors, &NAMES, |one| Delta {
            decay: one.now.weight_decay(self.weight_decay),
            rho: self.rho,
            eps: self.eps,
            lr: one.now.lr,
        })
    }
}

/// One step of one element.
#[derive(Debug, Clone, Copy)]
struct Delta {
    decay: f64,
    rho: f64,
    eps: f64,
    lr: f64,
}

impl Formula<3, 1> for Delta {
    #[inline(always)]
    fn apply<R: Real>(&self, [value, square, steps]: [R; 3], [gradient]: [R; 1]) -> [R; 3] {
        let gradient = penalized(gradient, &value, self.decay);
        let mean = |mean: R, new: R| mean * self.rho + new.clone() * new * (1.0 - self.rho);
        let square = mean(square, gradient.clone());
        let ratio = (steps.clone() + self.eps).sqrt() / (square.clone() + self.eps).sqrt();
        let delta = ratio * gradient;
        let steps = mean(steps, delta.clone());
        [value - delta * self.lr, square, steps]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::about::Optimize;
    use crate::rule::tests::{assert_near, descend, kept};

    #[test]
    fn two_steps_by_hand() {
        let adadelta = Adadelta {
            rho: 0.5,
            eps: 1.0,
            ..Adadelta::default()
        };
        // s = 8, d = 1 / 3 · 4, a = 8/9. Then g = 0: s = 4, d = 0, a = 4/9.
        let (values, state) = descend(adadelta.build().unwrap(), 0.3, &[4.0, 0.0]);
        assert_near(&values, &[0.6, 0.6]);
        assert_near(&NAMES.map(|what| kept(&state, what)), &[4.0, 4.0 / 9.0]);
        // s = 8, then 4 + 8 = 12 and d = √(17/9) / √13 · -4.
        let (values, _) = descend(adadelta.build().unwrap(), 0.3, &[4.0, -4.0]);
        assert_near(&values, &[0.6, 0.6 + 1.2 * (17.0 / 117.0_f64).sqrt()]);
    }

    #[test]
    fn the_penalty_joins_the_gradient() {
        let adadelta = Adadelta {
            rho: 0.5,
            eps: 1.0,
            weight_decay: 3.0,
            ..Adadelta::default()
        };
        let (values, _) = descend(adadelta.build().unwrap(), 0.3, &[1.0]);
        assert_near(&values, &[0.6]);
    }
}
