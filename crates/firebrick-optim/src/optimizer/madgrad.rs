//! `madgrad`: dual averaging with momentum, divided by a cube root.
//!
//! ```text
//! t ← t + 1
//! g ← gradient + weight_decay · θ
//! θ ← θ - lr · weight_decay · θ                if decoupled_decay, in place of the line above
//! λ ← (lr + eps) · √t
//! s ← s + λ · g
//! v ← v + λ · g²
//! z ← x₀ - s / (∛v + eps)
//! θ ← momentum · θ + (1 - momentum) · z
//! ```
//!
//! x₀ is the value before the first step. The rate is not comparable to that of SGD or Adam.
//!
//! Source: Defazio & Jelassi, "Adaptivity without Compromise: A Momentumized, Adaptive, Dual
//! Averaged Gradient Method for Stochastic Optimization", JMLR 2022, algorithm 1. Reference: timm's
//! `MADGRAD`, which is the authors' code with `decoupled_decay`; as there, `eps` is added to `lr`.
//!
//! Differs from the reference: a rate of 0 leaves the values alone (there `eps` still moves them);
//! x₀ is kept without momentum too (there it is computed again), so that a schedule may bring
//! momentum; `eps = 0` is refused, since a zero gradient would give 0 / 0. Burn has none.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use crate::about::{About, Configure, Field, Range};
use crate::rule::{Formula, Real, Rule, StateNames, Stepping, elementwise};
use crate::weight_decay::WeightDecay;

const SQUARES: &str = "grad_sum_sq";
const SUM: &str = "s";
const START: &str = "x0";

/// The optimizer; see the [module](self).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MadGrad {
    /// Base learning rate; [`crate::plan()`] hands it to the schedule.
    pub lr: f64,
    /// Share of the value that is kept at each step.
    pub momentum: f64,
    /// L2 penalty: adds `weight_decay · θ` to the gradient.
    pub weight_decay: f64,
    /// Added to the cube root and to the learning rate.
    pub eps: f64,
    /// Takes the weight decay from the value in place of adding it to the gradient.
    pub decoupled_decay: bool,
}

impl Default for MadGrad {
    fn default() -> Self {
        Self {
            lr: 1e-2,
            momentum: 0.9,
            weight_decay: 0.0,
            eps: 1e-6,
            decoupled_decay: false,
        }
    }
}

impl Configure for MadGrad {
    const ABOUT: About = About {
        name: "madgrad",
        aliases: &[],
        summary: "momentum and adaptive learning rates by dual averaging",
        source: "Defazio & Jelassi 2022, arXiv:2101.11075, algorithm 1",
        fields: &[
            Field::LR,
            Field::new("momentum", Range::Share),
            Field::WEIGHT_DECAY,
            Field::EPS,
            Field::new("decoupled_decay", Range::Flag),
        ],
        cost: "one pass with a cube root",
    };
}

impl Rule for MadGrad {
    fn state(&self) -> StateNames {
        StateNames::tensors(&[SQUARES, SUM, START])
    }

    fn step(&self, mut tensors: Vec<Stepping<'_>>) -> Vec<Tensor<1>> {
        for one in &mut tensors {
            let start = one.state.tensors.entry(START.into());
            start.or_insert_with(|| one.value.clone());
        }
        elementwise(tensors, &[SQUARES, SUM, START], |one| {
            let now = one.now;
            let decay = now.decay(self.weight_decay, self.decoupled_decay);
            let still = now.lr == 0.0;
            let momentum = now.momentum(self.momentum);
            Average {
                decay,
                keep: if still { 1.0 } else { momentum * decay.keep() },
                take: if still { 0.0 } else { 1.0 - momentum },
                rate: if still {
                    0.0
                } else {
                    (now.lr + self.eps) * (now.step as f64).sqrt()
                },
                eps: self.eps,
            }
        })
    }
}

/// One step of one element.
#[derive(Debug, Clone, Copy)]
struct Average {
    /// Only the penalty; what decoupled decay takes is not in `keep` any more.
    decay: WeightDecay,
    /// Share of the value that is kept, and of z that joins it.
    keep: f64,
    take: f64,
    /// Weight of the gradient in the sums.
    rate: f64,
    eps: f64,
}

impl Formula<4, 1> for Average {
    #[inline(always)]
    fn apply<R: Real>(&self, written: [R; 4], [gradient]: [R; 1]) -> [R; 4] {
        let [value, squares, sum, start] = written;
        let gradient = self.decay.penalize(gradient, &value);
        let weighted = gradient.clone() * self.rate;
        let squares = squares + weighted.clone() * gradient;
        let sum = sum + weighted;
        let z = start.clone() - sum.clone() / (squares.clone().cbrt() + self.eps);
        [value * self.keep + z * self.take, squares, sum, start]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::about::Optimize;
    use crate::rule::tests::{assert_near, descend, kept};

    const PLAIN: MadGrad = MadGrad {
        lr: 0.5,
        momentum: 0.5,
        weight_decay: 0.0,
        eps: 0.5,
        decoupled_decay: false,
    };

    #[test]
    fn two_steps_by_hand() {
        // λ = 1, g = 2: s = 2, v = 4, z = 1 - 2 / (∛4 + 0.5); θ halfway from 1.
        // λ = √2, g = -1: s = 2 - √2, v = 4 + √2.
        let (values, state) = descend(PLAIN.build().unwrap(), 0.5, &[2.0, -1.0]);
        let root = 2.0_f64.sqrt();
        let first = 1.0 - 1.0 / (4.0_f64.cbrt() + 0.5);
        let second = 1.0 - (2.0 - root) / ((4.0 + root).cbrt() + 0.5);
        assert_near(&values, &[first, 0.5 * first + 0.5 * second]);
        let found = [SQUARES, SUM, START].map(|name| kept(&state, name));
        assert_near(&found, &[4.0 + root, 2.0 - root, 1.0]);
    }

    #[test]
    fn weight_decay_joins_the_gradient_or_leaves_the_value() {
        let coupled = MadGrad {
            weight_decay: 1.0,
            ..PLAIN
        };
        let (values, _) = descend(coupled.build().unwrap(), 0.5, &[1.0]);
        let first = 1.0 / (4.0_f64.cbrt() + 0.5);
        assert_near(&values, &[1.0 - first]);
        let decoupled = MadGrad {
            decoupled_decay: true,
            ..coupled
        };
        // Half of 1 · (1 - 0.5 · 1), and half of z.
        let (values, _) = descend(decoupled.build().unwrap(), 0.5, &[2.0]);
        assert_near(&values, &[0.75 - first]);
    }

    #[test]
    fn rate_zero_stays_where_it_is_also_halfway() {
        let (values, _) = descend(PLAIN.build().unwrap(), 0.0, &[2.0, -1.0]);
        assert_eq!(values, [1.0, 1.0]);
    }
}
