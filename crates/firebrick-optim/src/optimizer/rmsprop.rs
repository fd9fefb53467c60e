//! `rmsprop`: divides by the root of a running mean of squared gradients.
//!
//! ```text
//! g ← gradient + weight_decay · θ
//! s ← alpha · s + (1 - alpha) · g²
//! m ← alpha · m + (1 - alpha) · g                         if centered
//! r ← √(s - m²) if centered, else √s
//! b ← momentum · b + g / (r + eps)                        if momentum > 0
//! θ ← θ - lr · b   if momentum > 0,   else   θ - lr · g / (r + eps)
//! ```
//!
//! Sources: Tieleman & Hinton, lecture 6.5 of "Neural Networks for Machine Learning", 2012;
//! `centered` from Graves, "Generating Sequences With Recurrent Neural Networks", 2013, equations 38
//! to 45. Reference: PyTorch's `torch.optim.RMSprop`. TensorFlow's is `rmsprop_tf`.
//!
//! Differs from burn's: `eps` is 1e-8 by default (burn: 1e-5), `momentum` 0 (burn: 0.9), scalars are
//! f64, and momentum can follow the schedule. Differs from both: where rounding makes `s - m²`
//! negative it counts as 0 (there the step is NaN), and `eps = 0` is refused, since a zero gradient
//! would give 0 / 0.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use crate::about::{About, Configure, Field, Range};
use crate::rule::{Formula, Real, Rule, StateNames, Stepping, elementwise};
use crate::weight_decay::WeightDecay;

pub(super) const SQUARE: &str = "square_avg";
pub(super) const MEAN: &str = "grad_avg";
pub(super) const BUFFER: &str = "momentum_buffer";

/// The optimizer; see the [module](self).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RmsProp {
    /// Base learning rate; [`crate::plan()`] hands it to the schedule.
    pub lr: f64,
    /// Share of the means that is kept at each step.
    pub alpha: f64,
    /// Added to the root.
    pub eps: f64,
    /// L2 penalty: adds `weight_decay · θ` to the gradient.
    pub weight_decay: f64,
    /// Share of the buffer that is kept at each step.
    pub momentum: f64,
    /// Divides by the deviation from the mean gradient.
    pub centered: bool,
}

impl Default for RmsProp {
    fn default() -> Self {
        Self {
            lr: 1e-2,
            alpha: 0.99,
            eps: 1e-8,
            weight_decay: 0.0,
            momentum: 0.0,
            centered: false,
        }
    }
}

impl Configure for RmsProp {
    const ABOUT: About = About {
        name: "rmsprop",
        aliases: &[],
        summary: "divides by the root mean square of recent gradients; optionally with momentum, or centered",
        source: "Tieleman & Hinton 2012, lecture 6.5; Graves 2013, arXiv:1308.0850, equations 38 to 45",
        fields: &[
            Field::LR,
            Field::new("alpha", Range::Share),
            Field::EPS.lecture("1e-7"),
            Field::WEIGHT_DECAY,
            Field::new("momentum", Range::Share),
            Field::new("centered", Range::Flag),
        ],
        cost: "one pass over the parameters",
    };
}

impl Rule for RmsProp {
    fn state(&self) -> StateNames {
        kept(self.centered, self.momentum)
    }

    fn step(&self, tensors: Vec<Stepping<'_>>) -> Vec<Tensor<1>> {
        step(tensors, self.centered, self.momentum, |one| Root {
            decay: one.now.l2(self.weight_decay),
            alpha: self.alpha,
            inside: 0.0,
            outside: self.eps,
            momentum: one.now.momentum(self.momentum),
            take: 1.0,
            rate: one.now.lr,
        })
    }
}

/// What is kept. Without momentum of its own a rule has a buffer only when the schedule brings
/// momentum.
pub(super) fn kept(centered: bool, momentum: f64) -> StateNames {
    let (tensors, optional): (&[_], &[_]) = match (centered, momentum == 0.0) {
        (false, true) => (&[SQUARE], &[BUFFER]),
        (false, false) => (&[SQUARE, BUFFER], &[]),
        (true, true) => (&[SQUARE, MEAN], &[BUFFER]),
        (true, false) => (&[SQUARE, MEAN, BUFFER], &[]),
    };
    StateNames {
        tensors,
        optional,
        ..StateNames::NONE
    }
}

/// A step with as many state tensors as are needed.
pub(super) fn step(
    tensors: Vec<Stepping<'_>>,
    centered: bool,
    momentum: f64,
    root: impl Fn(&Stepping<'_>) -> Root,
) -> Vec<Tensor<1>> {
    let still = |one: &Stepping<'_>| one.now.momentum(momentum) == 0.0;
    match (centered, momentum == 0.0 && tensors.iter().all(still)) {
        (false, true) => elementwise::<_, 2>(tensors, &[SQUARE], root),
        (false, false) => elementwise::<_, 3>(tensors, &[SQUARE, BUFFER], root),
        (true, true) => elementwise::<_, 3>(tensors, &[SQUARE, MEAN], |one| Centered(root(one))),
        (true, false) => {
            elementwise::<_, 4>(tensors, &[SQUARE, MEAN, BUFFER], |one| Centered(root(one)))
        }
    }
}

/// One step of one element, PyTorch's or TensorFlow's.
#[derive(Debug, Clone, Copy)]
pub(super) struct Root {
    pub(super) decay: WeightDecay,
    pub(super) alpha: f64,
    /// Added under the root, and to the root.
    pub(super) inside: f64,
    pub(super) outside: f64,
    pub(super) momentum: f64,
    /// What joins the buffer, and what the buffer is applied with. Their product is the rate.
    pub(super) take: f64,
    pub(super) rate: f64,
}

impl Root {
    #[inline(always)]
    fn decayed<R: Real>(&self, value: R, gradient: R) -> (R, R) {
        let gradient = self.decay.penalize(gradient, &value);
        (self.decay.shrink(value), gradient)
    }

    #[inline(always)]
    fn mean<R: Real>(&self, mean: R, new: R) -> R {
        mean * self.alpha + new * (1.0 - self.alpha)
    }

    #[inline(always)]
    fn divided<R: Real>(&self, gradient: R, square: R) -> R {
        gradient / ((square + self.inside).sqrt() + self.outside)
    }

    #[inline(always)]
    fn buffered<R: Real>(&self, value: R, buffer: R, step: R) -> [R; 2] {
        let buffer = buffer * self.momentum + step * self.take;
        [value - buffer.clone() * self.rate, buffer]
    }

    #[inline(always)]
    fn moved<R: Real>(&self, value: R, step: R) -> R {
        value - step * (self.take * self.rate)
    }
}

impl Formula<2, 1> for Root {
    #[inline(always)]
    fn apply<R: Real>(&self, [value, square]: [R; 2], [gradient]: [R; 1]) -> [R; 2] {
        let (value, gradient) = self.decayed(value, gradient);
        let square = self.mean(square, gradient.clone() * gradient.clone());
        let step = self.divided(gradient, square.clone());
        [self.moved(value, step), square]
    }
}

impl Formula<3, 1> for Root {
    #[inline(always)]
    fn apply<R: Real>(&self, [value, square, buffer]: [R; 3], [gradient]: [R; 1]) -> [R; 3] {
        let (value, gradient) = self.decayed(value, gradient);
        let square = self.mean(square, gradient.clone() * gradient.clone());
        let step = self.divided(gradient, square.clone());
        let [value, buffer] = self.buffered(value, buffer, step);
        [value, square, buffer]
    }
}

/// With the mean gradient.
#[derive(Debug, Clone, Copy)]
pub(super) struct Centered(Root);

impl Centered {
    /// The gradient over its deviation, and the new means.
    #[inline(always)]
    fn divided<R: Real>(&self, gradient: R, square: R, mean: R) -> [R; 3] {
        let square = self.0.mean(square, gradient.clone() * gradient.clone());
        let mean = self.0.mean(mean, gradient.clone());
        let variance = square.clone() - mean.clone() * mean.clone();
        let variance = variance.clamp(0.0, f64::INFINITY);
        [self.0.divided(gradient, variance), square, mean]
    }
}

impl Formula<3, 1> for Centered {
    #[inline(always)]
    fn apply<R: Real>(&self, [value, square, mean]: [R; 3], [gradient]: [R; 1]) -> [R; 3] {
        let (value, gradient) = self.0.decayed(value, gradient);
        let [step, square, mean] = self.divided(gradient, square, mean);
        [self.0.moved(value, step), square, mean]
    }
}

impl Formula<4, 1> for Centered {
    #[inline(always)]
    fn apply<R: Real>(&self, [value, square, mean, buffer]: [R; 4], [gradient]: [R; 1]) -> [R; 4] {
        let (value, gradient) = self.0.decayed(value, gradient);
        let [step, square, mean] = self.divided(gradient, square, mean);
        let [value, buffer] = self.0.buffered(value, buffer, step);
        [value, square, mean, buffer]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::about::Optimize;
    use crate::rule::tests::{assert_near, descend, kept};

    const PLAIN: RmsProp = RmsProp {
        lr: 0.1,
        alpha: 0.75,
        eps: 1.0,
        weight_decay: 0.0,
        momentum: 0.0,
        centered: false,
    };

    #[test]
    fn two_steps_by_hand() {
        // s = 1: 0.1 · 2 / (1 + 1) = 0.1. s = 0.75 + 1 = 1.75: 0.1 · 2 / (√1.75 + 1).
        let (values, state) = descend(PLAIN.build().unwrap(), 0.1, &[2.0, 2.0]);
        let second = 0.2 / (1.75_f64.sqrt() + 1.0);
        assert_near(&values, &[0.9, 0.9 - second]);
        assert_near(&[kept(&state, SQUARE)], &[1.75]);
        assert_eq!(state.tensors.len(), 1);
        // b = 1, then 0.5 + the same.
        let heavy = RmsProp {
            momentum: 0.5,
            ..PLAIN
        };
        let (values, state) = descend(heavy.build().unwrap(), 0.1, &[2.0, 2.0]);
        assert_near(&values, &[0.9, 0.85 - second]);
        assert_near(&[kept(&state, BUFFER)], &[0.5 + 10.0 * second]);
    }

    #[test]
    fn two_centered_steps_by_hand() {
        // s = 1, m = 0.5: √0.75. s = 1.75, m = 0.375 + 0.5 = 0.875: √0.984375.
        let centered = RmsProp {
            centered: true,
            ..PLAIN
        };
        let first = 1.0 - 0.2 / (0.75_f64.sqrt() + 1.0);
        let second = 0.2 / (0.984375_f64.sqrt() + 1.0);
        let (values, state) = descend(centered.build().unwrap(), 0.1, &[2.0, 2.0]);
        assert_near(&values, &[first, first - second]);
        assert_near(&[kept(&state, SQUARE), kept(&state, MEAN)], &[1.75, 0.875]);
        let heavy = RmsProp {
            momentum: 0.5,
            ..centered
        };
        let (values, _) = descend(heavy.build().unwrap(), 0.1, &[2.0, 2.0]);
        assert_near(&values, &[first, first - second - 0.5 * (1.0 - first)]);
    }

    #[test]
    fn the_penalty_joins_the_gradient() {
        let decayed = RmsProp {
            weight_decay: 1.0,
            ..PLAIN
        };
        let (values, _) = descend(decayed.build().unwrap(), 0.1, &[1.0]);
        assert_near(&values, &[0.9]);
    }

    #[test]
    fn a_constant_gradient_has_no_negative_variance() {
        let centered = RmsProp {
            alpha: 0.1,
            centered: true,
            ..PLAIN
        };
        // s - m² is -2.8e-17 from the 17th step on.
        let (values, _) = descend(centered.build().unwrap(), 0.1, &[0.3; 60]);
        assert!(values.iter().all(|value| value.is_finite()), "{values:?}");
    }
}
