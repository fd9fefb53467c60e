//! `lamb`: Adam with a trust ratio: the step in each tensor is scaled to the norm of its values.
//!
//! ```text
//! t ← t + 1
//! m ← beta1 · m + (1 - beta1) · g                 beta1 · m + g   without grad_averaging
//! v ← beta2 · v + (1 - beta2) · g²
//! u ← m / (1 - beta1ᵗ) / (√v / √(1 - beta2ᵗ) + eps)    without the corrections if not bias_correction
//! u ← u + weight_decay · θ,   or θ ← θ - lr · weight_decay · θ   if decoupled_decay
//! r ← |θ| / |u|,   1 where either is 0;   min(r, 1)   if trust_clip
//! θ ← θ - lr · r · u
//! ```
//!
//! r is 1 for a tensor without weight decay, such as a bias in a group without it, unless
//! `always_adapt`.
//!
//! Source: You et al., "Large Batch Optimization for Deep Learning: Training BERT in 76 minutes",
//! ICLR 2020, algorithm 2. Reference: timm's `Lamb`.
//!
//! Differs from timm's: gradients are not clipped (`max_grad_norm` is 1 there): clipping by the
//! global norm is the trainer's; `eps = 0` is refused, since a zero gradient would give 0 / 0.
//! Burn has none.

use burn::tensor::Tensor;
use firebrick_core::kernels::step::{Tensors, apply};
use serde::{Deserialize, Serialize};

use super::trust::{norm, trusted};
use crate::about::{About, Configure, Field, Range};
use crate::rule::{Formula, Real, Rule, StateNames, Stepping};
use crate::weight_decay::WeightDecay;

const MEAN: &str = "exp_avg";
const SQUARE: &str = "exp_avg_sq";

/// The optimizer; see the [module](self).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
// Each is a switch of the reference.
#[allow(clippy::struct_excessive_bools)]
pub struct Lamb {
    /// Base learning rate; [`crate::plan()`] hands it to the schedule.
    pub lr: f64,
    /// Divides the moments by what they lack at first.
    pub bias_correction: bool,
    /// Share of the mean gradient that is kept at each step.
    pub beta1: f64,
    /// Share of the mean square that is kept at each step.
    pub beta2: f64,
    /// Added to the root of the mean square.
    pub eps: f64,
    /// Adds `weight_decay · θ` to the direction.
    pub weight_decay: f64,
    /// The gradient joins the mean by the share that the mean loses, not whole.
    pub grad_averaging: bool,
    /// The trust ratio is 1 at most (LAMBC).
    pub trust_clip: bool,
    /// Takes the trust ratio without weight decay too.
    pub always_adapt: bool,
    /// Takes the weight decay from the value, times the learning rate, in place of adding it to the
    /// direction.
    pub decoupled_decay: bool,
}

impl Default for Lamb {
    fn default() -> Self {
        Self {
            lr: 1e-3,
            bias_correction: true,
            beta1: 0.9,
            beta2: 0.999,
            eps: 1e-6,
            weight_decay: 0.01,
            grad_averaging: true,
            trust_clip: false,
            always_adapt: false,
            decoupled_decay: false,
        }
    }
}

impl Configure for Lamb {
    const ABOUT: About = About {
        name: "lamb",
        aliases: &[],
        summary: "Adam with a trust ratio for each tensor, for large batches",
        source: "You et al. 2020, arXiv:1904.00962, algorithm 2",
        fields: &[
            Field::LR,
            Field::new("bias_correction", Range::Flag),
            Field::new("beta1", Range::Share),
            Field::new("beta2", Range::Share),
            Field::EPS,
            Field::WEIGHT_DECAY,
            Field::new("grad_averaging", Range::Flag),
            Field::new("trust_clip", Range::Flag),
            Field::new("always_adapt", Range::Flag),
            Field::new("decoupled_decay", Range::Flag),
        ],
        cost: "two passes and two norms",
    };
}

impl Lamb {
    fn direction(&self, one: &Stepping<'_>) -> Direction {
        let now = one.now;
        let (beta1, beta2) = (now.momentum(self.beta1), self.beta2);
        let correction = |beta: f64| {
            if self.bias_correction {
                1.0 - beta.powf(now.step as f64)
            } else {
                1.0
            }
        };
        Direction {
            decay: now.decay(self.weight_decay, self.decoupled_decay),
            beta1,
            take: if self.grad_averaging {
                1.0 - beta1
            } else {
                1.0
            },
            beta2,
            root: 1.0 / correction(beta2).sqrt(),
            eps: self.eps,
            rate: 1.0 / correction(beta1),
        }
    }

    /// The value after a step along `direction`.
    fn along(&self, one: &Stepping<'_>, direction: Tensor<1>) -> Tensor<1> {
        let (lr, decay) = (one.now.lr, one.now.weight_decay(self.weight_decay));
        let own = one.now.decay(self.weight_decay, self.decoupled_decay);
        let value = own.shrink(one.value.clone());
        if decay == 0.0 && !self.always_adapt {
            return value - direction * lr;
        }
        let norms = [norm(&value), norm(&direction)];
        let ratio = trusted(norms[0].clone() / norms[1].clone(), norms);
        let ratio = if self.trust_clip {
            ratio.clamp_max(1.0)
        } else {
            ratio
        };
        value - direction * (ratio * lr)
    }
}

impl Rule for Lamb {
    fn state(&self) -> StateNames {
        StateNames::tensors(&[MEAN, SQUARE])
    }

    fn step(&self, tensors: Vec<Stepping<'_>>) -> Vec<Tensor<1>> {
        let mut tensors = tensors;
        let entry = |one: &mut Stepping<'_>| {
            // The direction takes the place of the gradient.
            let [mean, square] =
                [MEAN, SQUARE].map(|name| one.state.take_or_zeros(name, &one.value));
            Tensors {
                formula: self.direction(one),
                written: [one.gradient.clone(), mean, square],
                read: [one.value.clone()],
            }
        };
        let entries = tensors.iter_mut().map(entry).collect();
        let moved = tensors.into_iter().zip(apply(entries));
        let moved = moved.map(|(one, [direction, mean, square])| {
            let value = self.along(&one, direction);
            let state = [(MEAN.to_string(), mean), (SQUARE.to_string(), square)];
            one.state.tensors.extend(state);
            value
        });
        moved.collect()
    }
}

/// Adam's direction of one element, and its moments.
#[derive(Debug, Clone, Copy)]
struct Direction {
    /// Its penalty joins the direction.
    decay: WeightDecay,
    beta1: f64,
    /// Share of the gradient that joins the mean.
    take: f64,
    beta2: f64,
    /// Corrects the root of the mean square.
    root: f64,
    eps: f64,
    /// Corrects the mean.
    rate: f64,
}

impl Formula<3, 1> for Direction {
    #[inline(always)]
    fn apply<R: Real>(&self, [gradient, mean, square]: [R; 3], [value]: [R; 1]) -> [R; 3] {
        let mean = mean * self.beta1 + gradient.clone() * self.take;
        let square = square * self.beta2 + gradient.clone() * gradient * (1.0 - self.beta2);
        let divisor = square.clone().sqrt() * self.root + self.eps;
        let direction = mean.clone() * self.rate / divisor;
        [self.decay.penalize(direction, &value), mean, square]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::about::Optimize;
    use crate::rule::tests::{assert_near, descend, kept};

    const PLAIN: Lamb = Lamb {
        lr: 0.1,
        bias_correction: true,
        beta1: 0.5,
        beta2: 0.75,
        eps: 0.5,
        weight_decay: 0.0,
        grad_averaging: true,
        trust_clip: false,
        always_adapt: true,
        decoupled_decay: false,
    };

    fn first(lamb: &Lamb) -> f64 {
        descend(lamb.build().unwrap(), 0.1, &[2.0]).0[0]
    }

    #[test]
    fn two_steps_by_hand() {
        // A single element: its step is its value, whatever the gradient, except for the sign.
        let (values, state) = descend(PLAIN.build().unwrap(), 0.1, &[2.0, -4.0]);
        assert_near(&values, &[0.9, 0.99]);
        assert_near(&[kept(&state, MEAN), kept(&state, SQUARE)], &[-1.5, 4.75]);
    }

    #[test]
    fn the_ratio_is_for_tensors_with_decay_and_can_be_clipped() {
        // u = 2 / (2 + 0.5) = 0.8; the ratio 1 / 0.8 would make it 1.
        let plain = Lamb {
            always_adapt: false,
            ..PLAIN
        };
        assert_near(&[first(&plain)], &[0.92]);
        let clipped = Lamb {
            trust_clip: true,
            ..PLAIN
        };
        assert_near(&[first(&clipped)], &[0.92]);
        let decoupled = Lamb {
            weight_decay: 1.0,
            decoupled_decay: true,
            ..plain
        };
        // From 0.9, by a tenth of it.
        assert_near(&[first(&decoupled)], &[0.81]);
    }
}
