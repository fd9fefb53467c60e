//! `novograd`: momentum over gradients that are normalized tensor by tensor.
//!
//! ```text
//! v ← |g|²   while v is 0,   beta2 · v + (1 - beta2) · |g|²   later
//! v̂ ← max(v̂, v)   if amsgrad,   else v
//! u ← g / (√v̂ + eps) + weight_decay · θ
//! m ← beta1 · m + u                                  + (1 - beta1) · u   if grad_averaging
//! θ ← θ - lr · m
//! ```
//!
//! With `decoupled_decay`, θ loses lr · weight_decay · θ first in place of the term in u. v is one
//! number for a whole tensor.
//!
//! Source: Ginsburg et al., "Stochastic Gradient Methods with Layer-wise Adaptive Moments for
//! Training of Deep Networks", 2019, algorithm 1. Reference: timm's `NvNovoGrad`, Nvidia's code.
//!
//! Differs from timm's: `eps = 0` is refused, since a zero gradient would give 0 / 0. Burn has none.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use crate::about::{About, Configure, Field, Range};
use crate::rule::{Formula, Real, Rule, StateNames, Stepping, elementwise};
use crate::weight_decay::WeightDecay;

const MEAN: &str = "exp_avg";
const SQUARE: &str = "exp_avg_sq";
const MAX_SQUARE: &str = "max_exp_avg_sq";

/// The optimizer; see the [module](self).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NovoGrad {
    /// Base learning rate; [`crate::plan()`] hands it to the schedule.
    pub lr: f64,
    /// Share of the momentum that is kept at each step.
    pub beta1: f64,
    /// Share of the mean squared norm that is kept at each step.
    pub beta2: f64,
    /// Added to the root of the mean squared norm.
    pub eps: f64,
    /// Adds `weight_decay · θ` to the normalized gradient.
    pub weight_decay: f64,
    /// The normalized gradient joins the momentum by the share that it loses, not whole.
    pub grad_averaging: bool,
    /// Divides by the largest mean squared norm so far.
    pub amsgrad: bool,
    /// Takes the weight decay from the value, times the learning rate, in place of adding it to the
    /// normalized gradient.
    pub decoupled_decay: bool,
}

impl Default for NovoGrad {
    fn default() -> Self {
        Self {
            lr: 1e-3,
            beta1: 0.95,
            beta2: 0.98,
            eps: 1e-8,
            weight_decay: 0.0,
            grad_averaging: false,
            amsgrad: false,
            decoupled_decay: false,
        }
    }
}

impl Configure for NovoGrad {
    const ABOUT: About = About {
        name: "novograd",
        aliases: &["nvnovograd"],
        summary: "momentum over gradients that are normalized tensor by tensor",
        source: "Ginsburg et al. 2019, arXiv:1905.11286, algorithm 1",
        fields: &[
            Field::LR,
            Field::new("beta1", Range::Share),
            Field::new("beta2", Range::Share),
            Field::EPS,
            Field::WEIGHT_DECAY,
            Field::new("grad_averaging", Range::Flag),
            Field::new("amsgrad", Range::Flag),
            Field::new("decoupled_decay", Range::Flag),
        ],
        cost: "two passes and one norm",
    };
}

impl NovoGrad {
    /// The gradient over its mean norm.
    fn normalized(&self, one: &mut Stepping<'_>) -> Tensor<1> {
        let square = (one.gradient.clone() * one.gradient.clone()).sum();
        let tensors = &mut one.state.tensors;
        let square = match tensors.remove(SQUARE) {
            None => square,
            Some(mean) => {
                let none = mean.clone().equal_elem(0);
                let next = mean * self.beta2 + square.clone() * (1.0 - self.beta2);
                next.mask_where(none, square)
            }
        };
        tensors.insert(SQUARE.into(), square.clone());
        let square = if self.amsgrad {
            let largest = match tensors.remove(MAX_SQUARE) {
                None => square,
                Some(largest) => largest.max_pair(square),
            };
            tensors.insert(MAX_SQUARE.into(), largest.clone());
            largest
        } else {
            square
        };
        one.gradient.clone() / (square.sqrt() + self.eps)
    }
}

impl Rule for NovoGrad {
    fn state(&self) -> StateNames {
        StateNames {
            tensors: &[MEAN],
            other: if self.amsgrad {
                &[SQUARE, MAX_SQUARE]
            } else {
                &[SQUARE]
            },
            ..StateNames::NONE
        }
    }

    fn state_size(&self, shape: &[usize]) -> usize {
        shape.iter().product::<usize>() + 1 + usize::from(self.amsgrad)
    }

    fn step(&self, tensors: Vec<Stepping<'_>>) -> Vec<Tensor<1>> {
        let normalized = tensors.into_iter().map(|mut one| Stepping {
            gradient: self.normalized(&mut one),
            ..one
        });
        elementwise(normalized.collect(), &[MEAN], |one| {
            let now = one.now;
            let beta1 = now.momentum(self.beta1);
            Momentum {
                lr: now.lr,
                decay: now.decay(self.weight_decay, self.decoupled_decay),
                beta1,
                take: if self.grad_averaging {
                    1.0 - beta1
                } else {
                    1.0
                },
            }
        })
    }
}

#[derive(Debug, Clone, Copy)]
struct Momentum {
    lr: f64,
    decay: WeightDecay,
    beta1: f64,
    /// Share of the gradient that joins the momentum.
    take: f64,
}

impl Formula<2, 1> for Momentum {
    #[inline(always)]
    fn apply<R: Real>(&self, [value, mean]: [R; 2], [gradient]: [R; 1]) -> [R; 2] {
        let gradient = self.decay.penalize(gradient, &value);
        let mean = mean * self.beta1 + gradient * self.take;
        [self.decay.shrink(value) - mean.clone() * self.lr, mean]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::about::Optimize;
    use crate::rule::tests::{assert_near, descend, kept};

    const PLAIN: NovoGrad = NovoGrad {
        lr: 0.1,
        beta1: 0.5,
        beta2: 0.75,
        eps: 0.5,
        weight_decay: 0.0,
        grad_averaging: false,
        amsgrad: false,
        decoupled_decay: false,
    };

    #[test]
    fn three_steps_by_hand() {
        // g = 0: v stays 0 and is not averaged. g = 2: v = 4, m = 2 / 2.5.
        // g = 4: v = 0.75 · 4 + 0.25 · 16 = 7, m = 0.4 + 4 / (√7 + 0.5).
        let (values, state) = descend(PLAIN.build().unwrap(), 0.1, &[0.0, 2.0, 4.0]);
        let mean = 0.4 + 4.0 / (7.0_f64.sqrt() + 0.5);
        assert_near(&values, &[1.0, 0.92, 0.92 - 0.1 * mean]);
        assert_near(&[kept(&state, MEAN), kept(&state, SQUARE)], &[mean, 7.0]);
    }

    #[test]
    fn options_by_hand() {
        let run = |novograd: NovoGrad, gradients: &[f64]| {
            descend(novograd.build().unwrap(), 0.1, gradients)
        };
        let coupled = NovoGrad {
            weight_decay: 1.0,
            grad_averaging: true,
            ..PLAIN
        };
        assert_near(&run(coupled.clone(), &[2.0]).0, &[1.0 - 0.05 * 1.8]);
        let decoupled = NovoGrad {
            decoupled_decay: true,
            ..coupled
        };
        assert_near(&run(decoupled, &[2.0]).0, &[0.9 - 0.05 * 0.8]);
        let largest = NovoGrad {
            amsgrad: true,
            ..PLAIN
        };
        let (_, state) = run(largest, &[2.0, 0.0]);
        let found = [kept(&state, SQUARE), kept(&state, MAX_SQUARE)];
        assert_near(&found, &[3.0, 4.0]);
    }
}
