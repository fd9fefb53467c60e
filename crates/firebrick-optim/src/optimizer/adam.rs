//! `adam`: adaptive moments.
//!
//! ```text
//! t ← t + 1
//! g ← gradient + weight_decay · θ
//! m ← beta1 · m + (1 - beta1) · g
//! v ← beta2 · v + (1 - beta2) · g²
//! v̂ ← max(v̂, v)   if amsgrad,   else v
//! θ ← θ - lr / (1 - beta1ᵗ) · m / (√v̂ / √(1 - beta2ᵗ) + eps)
//! θ ← θ - lr · m / (√v̂ + eps)   if bias_correction = false
//! ```
//!
//! Without the bias correction (the lecture's "almost Adam") the first step is not small: it is
//! `lr · (1 - beta1) / √(1 - beta2)` in the direction of the gradient's sign, 3.16 · lr at the
//! defaults, 1 · lr at beta2 = 0.99 and 0.32 · lr at beta2 = 0.9. With it the first step is `lr`.
//!
//! Sources: Kingma & Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015, algorithm 1;
//! `amsgrad` from Reddi et al., "On the Convergence of Adam and Beyond", ICLR 2018, algorithm 2.
//! Reference: PyTorch's `torch.optim.Adam`, which takes the maximum before the bias correction.
//!
//! Differs from burn's: `eps` is 1e-8 by default (burn: 1e-5), scalars are f64, and `beta1` can
//! follow the schedule. Differs from PyTorch's: `eps = 0` is refused, since a zero gradient would
//! give 0 / 0.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use crate::about::{About, Configure, Field, Range};
use crate::rule::{Formula, Moment, Real, Rule, StateNames, Stepping, elementwise};
use crate::weight_decay::WeightDecay;

pub(super) const MEAN: &str = "exp_avg";
pub(super) const SQUARE: &str = "exp_avg_sq";
pub(super) const MAX_SQUARE: &str = "max_exp_avg_sq";

/// The optimizer; see the [module](self).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Adam {
    /// Base learning rate; [`crate::plan()`] hands it to the schedule.
    pub lr: f64,
    /// Share of the mean gradient that is kept at each step.
    pub beta1: f64,
    /// Share of the mean square that is kept at each step.
    pub beta2: f64,
    /// Added to the root of the mean square.
    pub eps: f64,
    /// L2 penalty: adds `weight_decay · θ` to the gradient, so it is scaled like the gradient;
    /// `adamw` decays apart from it.
    pub weight_decay: f64,
    /// Divides by the largest mean square so far.
    pub amsgrad: bool,
    /// Makes up for moments that begin with 0.
    pub bias_correction: bool,
}

impl Default for Adam {
    fn default() -> Self {
        Self {
            lr: 1e-3,
            beta1: 0.9,
            beta2: 0.999,
            eps: 1e-8,
            weight_decay: 0.0,
            amsgrad: false,
            bias_correction: true,
        }
    }
}

impl Configure for Adam {
    const ABOUT: About = About {
        name: "adam",
        aliases: &[],
        summary: "momentum and a learning rate for each element, from the moments of the gradients; weight decay as L2",
        source: "Kingma & Ba 2015, arXiv:1412.6980, algorithm 1",
        fields: &[
            Field::LR.lecture("1e-3 or 5e-4"),
            Field::new("beta1", Range::Share).lecture("0.9"),
            Field::new("beta2", Range::Share).lecture("0.999"),
            Field::EPS.lecture("1e-7"),
            Field::WEIGHT_DECAY,
            Field::new("amsgrad", Range::Flag),
            Field::new("bias_correction", Range::Flag)
                .lecture("true; false is the lecture's \"almost Adam\""),
        ],
        cost: "one pass over the parameters",
    };
}

impl Adam {
    /// What happens to an element with this weight decay.
    pub(super) fn moments(&self, now: Moment, decay: WeightDecay) -> Moments {
        let (beta1, beta2) = (now.momentum(self.beta1), self.beta2);
        let correction = |beta: f64| {
            if self.bias_correction {
                1.0 - beta.powf(now.step as f64)
            } else {
                1.0
            }
        };
        Moments {
            decay,
            beta1,
            beta2,
            root: 1.0 / correction(beta2).sqrt(),
            eps: self.eps,
            rate: now.lr / correction(beta1),
        }
    }

    /// A step with the `moments` of each tensor.
    pub(super) fn step_by(
        &self,
        tensors: Vec<Stepping<'_>>,
        moments: impl Fn(&Stepping<'_>) -> Moments,
    ) -> Vec<Tensor<1>> {
        if self.amsgrad {
            let names = [MEAN, SQUARE, MAX_SQUARE];
            elementwise(tensors, &names, |one| Largest(moments(one)))
        } else {
            elementwise(tensors, &[MEAN, SQUARE], moments)
        }
    }
}

/// One step of one element.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moments {
    decay: WeightDecay,
    beta1: f64,
    beta2: f64,
    /// Corrects the root of the mean square.
    root: f64,
    eps: f64,
    /// The learning rate, corrected for the mean.
    rate: f64,
}

impl Moments {
    /// The decayed value and the new moments.
    #[inline(always)]
    pub(super) fn moments<R: Real>(&self, [value, mean, square]: [R; 3], gradient: R) -> [R; 3] {
        let gradient = self.decay.penalize(gradient, &value);
        let mean = mean * self.beta1 + gradient.clone() * (1.0 - self.beta1);
        let square = square * self.beta2 + gradient.clone() * gradient * (1.0 - self.beta2);
        [self.decay.shrink(value), mean, square]
    }

    /// The way to go.
    #[inline(always)]
    pub(super) fn along<R: Real>(&self, mean: &R, square: &R) -> R {
        let divisor = square.clone().sqrt() * self.root + self.eps;
        mean.clone() / divisor * self.rate
    }
}

impl Formula<3, 1> for Moments {
    #[inline(always)]
    fn apply<R: Real>(&self, written: [R; 3], [gradient]: [R; 1]) -> [R; 3] {
        let [value, mean, square] = self.moments(written, gradient);
        [value - self.along(&mean, &square), mean, square]
    }
}

/// With the largest mean square.
#[derive(Debug, Clone, Copy)]
struct Largest(Moments);

impl Formula<4, 1> for Largest {
    #[inline(always)]
    fn apply<R: Real>(&self, [value, mean, square, largest]: [R; 4], [gradient]: [R; 1]) -> [R; 4] {
        let [value, mean, square] = self.0.moments([value, mean, square], gradient);
        let largest = largest.max(square.clone());
        [value - self.0.along(&mean, &largest), mean, square, largest]
    }
}

impl Rule for Adam {
    fn state(&self) -> StateNames {
        StateNames::tensors(if self.amsgrad {
            &[MEAN, SQUARE, MAX_SQUARE]
        } else {
            &[MEAN, SQUARE]
        })
    }

    fn step(&self, tensors: Vec<Stepping<'_>>) -> Vec<Tensor<1>> {
        self.step_by(tensors, |one| {
            self.moments(one.now, one.now.l2(self.weight_decay))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::about::Optimize;
    use crate::rule::tests::{assert_near, descend, kept};

    const PLAIN: Adam = Adam {
        lr: 0.1,
        beta1: 0.5,
        beta2: 0.75,
        eps: 0.5,
        weight_decay: 0.0,
        amsgrad: false,
        bias_correction: true,
    };

    /// The second step where m and the mean square are 1: corrections 3/4 and 7/16.
    fn second() -> f64 {
        0.1 / 0.75 / (1.0 / 0.4375_f64.sqrt() + 0.5)
    }

    #[test]
    fn two_steps_by_hand() {
        // g = 2: m = 1, v = 1; 0.1 / 0.5 · 1 / (1 / 0.5 + 0.5) = 0.08. g = 1: m = 1, v = 1.
        let (values, state) = descend(PLAIN.build().unwrap(), 0.1, &[2.0, 1.0]);
        assert_near(&values, &[0.92, 0.92 - second()]);
        assert_near(&[kept(&state, MEAN), kept(&state, SQUARE)], &[1.0, 1.0]);
        assert_eq!(state.numbers["step"], 2.0);
        assert_eq!(state.tensors.len(), 2);
    }

    #[test]
    fn weight_decay_joins_the_gradient() {
        let adam = Adam {
            weight_decay: 1.0,
            ..PLAIN
        };
        // 1 + 1 · 1 = 2 and 0.08 + 1 · 0.92 = 1: the gradients of the test above.
        let (values, _) = descend(adam.build().unwrap(), 0.1, &[1.0, 0.08]);
        assert_near(&values, &[0.92, 0.92 - second()]);
    }

    #[test]
    fn amsgrad_keeps_the_largest_square() {
        let adam = Adam {
            amsgrad: true,
            ..PLAIN
        };
        // g = 0: m = 0.5, v = 0.75, but v̂ = 1.
        let (values, state) = descend(adam.build().unwrap(), 0.1, &[2.0, 0.0]);
        assert_near(&values, &[0.92, 0.92 - 0.5 * second()]);
        assert_near(
            &[kept(&state, SQUARE), kept(&state, MAX_SQUARE)],
            &[0.75, 1.0],
        );
    }

    #[test]
    fn the_first_step_without_bias_correction() {
        for (beta2, first) in [(0.999, 10.0_f64.sqrt()), (0.99, 1.0), (0.9, 0.1_f64.sqrt())] {
            for gradient in [1e-3, -20.0] {
                let step = |bias_correction| {
                    let adam = Adam {
                        beta2,
                        eps: 1e-300,
                        bias_correction,
                        ..Adam::default()
                    };
                    let (values, _) = descend(adam.build().unwrap(), 0.1, &[gradient]);
                    (1.0 - values[0]) * gradient.signum() / 0.1
                };
                // 3.16, 1 and 0.32 times the learning rate, and 1 times with the correction.
                assert!(
                    (step(false) - first).abs() < 1e-9,
                    "{beta2}: {}",
                    step(false)
                );
                assert!((step(true) - 1.0).abs() < 1e-9, "{beta2}: {}", step(true));
            }
        }
    }

    #[test]
    fn two_steps_by_hand_without_bias_correction() {
        let almost = Adam {
            bias_correction: false,
            ..PLAIN
        };
        // m = 1, v = 1 at both: 0.1 / 1.5.
        let (values, _) = descend(almost.build().unwrap(), 0.1, &[2.0, 1.0]);
        assert_near(&values, &[1.0 - 0.1 / 1.5, 1.0 - 0.2 / 1.5]);
    }
}
