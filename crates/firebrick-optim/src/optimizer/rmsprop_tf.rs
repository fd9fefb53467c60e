//! `rmsprop_tf`: RMSProp as TensorFlow has it, which is what EfficientNet and MobileNet recipes mean.
//!
//! ```text
//! g ← gradient + weight_decay · θ    or, if decoupled_decay,   θ ← θ - lr · weight_decay · θ
//! s ← alpha · s + (1 - alpha) · g²                        s begins with 1
//! m ← alpha · m + (1 - alpha) · g                         if centered
//! r ← √(s - m² + eps) if centered, else √(s + eps)
//! without momentum         θ ← θ - lr · g / r
//! lr_in_momentum           b ← momentum · b + lr · g / r    θ ← θ - b
//! else                     b ← momentum · b + g / r         θ ← θ - lr · b
//! ```
//!
//! Sources: as of [`rmsprop`](super::rmsprop). Reference: timm's `RMSpropTF`, whose names and defaults
//! these are. The three differences from `rmsprop` are that `eps` is under the root, that the mean
//! square begins with 1, so that the first steps are short, and that the learning rate is inside the
//! buffer.
//!
//! Burn has none. Differs from timm's: a negative `s - m²` counts as 0 (there the step can be NaN),
//! and `eps = 0` is refused.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::rmsprop::{Root, SQUARE, kept, step};
use crate::about::{About, Configure, Field, Range};
use crate::rule::{Rule, StateNames, Stepping, begin_with};

/// The optimizer; see the [module](self).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RmsPropTf {
    /// Base learning rate; [`crate::plan()`] hands it to the schedule.
    pub lr: f64,
    /// Share of the means that is kept at each step.
    pub alpha: f64,
    /// Added to the mean square under the root.
    pub eps: f64,
    /// L2 penalty: adds `weight_decay · θ` to the gradient; with `decoupled_decay` the share of the
    /// value that goes at each step, times the learning rate.
    pub weight_decay: f64,
    /// Share of the buffer that is kept at each step.
    pub momentum: f64,
    /// Divides by the deviation from the mean gradient.
    pub centered: bool,
    /// Decays the values apart from the gradient.
    pub decoupled_decay: bool,
    /// Scales what joins the buffer by the learning rate, not what leaves it.
    pub lr_in_momentum: bool,
}

impl Default for RmsPropTf {
    fn default() -> Self {
        Self {
            lr: 1e-2,
            alpha: 0.9,
            eps: 1e-10,
            weight_decay: 0.0,
            momentum: 0.0,
            centered: false,
            decoupled_decay: false,
            lr_in_momentum: true,
        }
    }
}

impl Configure for RmsPropTf {
    const ABOUT: About = About {
        name: "rmsprop_tf",
        aliases: &["rmsproptf"],
        summary: "TensorFlow's RMSProp: eps inside the square root, the mean square starts at 1, the learning rate is inside the momentum",
        source: "Tieleman & Hinton 2012, lecture 6.5; timm's RMSpropTF",
        fields: &[
            Field::LR,
            Field::new("alpha", Range::Share),
            Field::EPS,
            Field::WEIGHT_DECAY,
            Field::new("momentum", Range::Share),
            Field::new("centered", Range::Flag),
            Field::new("decoupled_decay", Range::Flag),
            Field::new("lr_in_momentum", Range::Flag),
        ],
        cost: "one pass over the parameters",
    };
}

impl Rule for RmsPropTf {
    fn state(&self) -> StateNames {
        kept(self.centered, self.momentum)
    }

    fn step(&self, mut tensors: Vec<Stepping<'_>>) -> Vec<Tensor<1>> {
        begin_with(&mut tensors, SQUARE, 1.0);
        step(tensors, self.centered, self.momentum, |one| {
            let lr = one.now.lr;
            let (take, rate) = if self.lr_in_momentum {
                (lr, 1.0)
            } else {
                (1.0, lr)
            };
            Root {
                decay: one.now.decay(self.weight_decay, self.decoupled_decay),
                alpha: self.alpha,
                inside: self.eps,
                outside: 0.0,
                momentum: one.now.momentum(self.momentum),
                take,
                rate,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::about::Optimize;
    use crate::optimizer::rmsprop::{BUFFER, MEAN};
    use crate::rule::tests::{assert_near, descend, descend_at, kept};

    const HEAVY: RmsPropTf = RmsPropTf {
        lr: 0.1,
        alpha: 0.75,
        eps: 2.25,
        weight_decay: 0.0,
        momentum: 0.5,
        centered: false,
        decoupled_decay: false,
        lr_in_momentum: true,
    };

    #[test]
    fn two_steps_by_hand() {
        // s = 0.75 + 1 = 1.75: 0.1 · 2 / √4. s = 1.3125 + 1: 0.02 · 2 / √4.5625.
        let second = 0.04 / 4.5625_f64.sqrt();
        let (values, state) = descend_at(HEAVY.build().unwrap(), &[0.1, 0.02], &[2.0, 2.0]);
        assert_near(&values, &[0.9, 0.85 - second]);
        assert_near(&[kept(&state, SQUARE)], &[2.3125]);
        assert_near(&[kept(&state, BUFFER)], &[0.05 + second]);
        // Outside, the new rate scales the whole buffer.
        let outside = RmsPropTf {
            lr_in_momentum: false,
            ..HEAVY
        };
        let (values, _) = descend_at(outside.build().unwrap(), &[0.1, 0.02], &[2.0, 2.0]);
        assert_near(&values, &[0.9, 0.89 - second]);
    }

    #[test]
    fn decay_joins_the_gradient_or_leaves_the_value() {
        let coupled = RmsPropTf {
            weight_decay: 1.0,
            ..HEAVY
        };
        let (values, _) = descend(coupled.build().unwrap(), 0.1, &[1.0]);
        assert_near(&values, &[0.9]);
        let decoupled = RmsPropTf {
            decoupled_decay: true,
            ..coupled
        };
        let (values, _) = descend(decoupled.build().unwrap(), 0.1, &[2.0]);
        assert_near(&values, &[0.8]);
    }

    #[test]
    fn centered_by_hand() {
        // s = 1.75, m = 0.5: √(1.5 + 2.25).
        let centered = RmsPropTf {
            centered: true,
            momentum: 0.0,
            ..HEAVY
        };
        let (values, state) = descend(centered.build().unwrap(), 0.1, &[2.0]);
        assert_near(&values, &[1.0 - 0.2 / 3.75_f64.sqrt()]);
        assert_near(&[kept(&state, MEAN)], &[0.5]);
    }
}
