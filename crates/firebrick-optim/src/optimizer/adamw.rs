//! `adamw`: Adam with weight decay that does not pass through the moments.
//!
//! ```text
//! θ ← θ - lr · weight_decay · θ
//! then as `adam` with weight_decay = 0
//! ```
//!
//! Source: Loshchilov & Hutter, "Decoupled Weight Decay Regularization", ICLR 2019, algorithm 2.
//! Reference: PyTorch's `torch.optim.AdamW`, where the decay follows the learning rate of the
//! schedule (the paper's schedule multiplier times `lr`).
//!
//! Differs from burn's: `weight_decay` is 1e-2 by default (burn: 1e-4), `eps` 1e-8 (burn: 1e-5),
//! scalars are f64, and `beta1` can follow the schedule. Differs from PyTorch's: `eps = 0` is
//! refused, since a zero gradient would give 0 / 0.

use burn::tensor::Tensor;
use firebrick_core::ConfigError;
use firebrick_core::update::Update;
use serde::{Deserialize, Serialize};

use super::adam::Adam;
use crate::about::{About, Configure, Field, Range};
use crate::rule::{PerTensor, Rule, StateNames, Stepping};

/// The optimizer; see the [module](self).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdamW {
    /// Base learning rate; [`crate::plan()`] hands it to the schedule.
    pub lr: f64,
    /// Share of the mean gradient that is kept at each step.
    pub beta1: f64,
    /// Share of the mean square that is kept at each step.
    pub beta2: f64,
    /// Added to the root of the mean square.
    pub eps: f64,
    /// Share of the value that goes at each step, times the learning rate.
    pub weight_decay: f64,
    /// Divides by the largest mean square so far.
    pub amsgrad: bool,
}

impl Default for AdamW {
    fn default() -> Self {
        Self {
            lr: 1e-3,
            beta1: 0.9,
            beta2: 0.999,
            eps: 1e-8,
            weight_decay: 1e-2,
            amsgrad: false,
        }
    }
}

impl AdamW {
    /// Adam with the same fields.
    fn adam(&self) -> Adam {
        let Self {
            lr,
            beta1,
            beta2,
            eps,
            weight_decay,
            amsgrad,
        } = *self;
        Adam {
            lr,
            beta1,
            beta2,
            eps,
            weight_decay,
            amsgrad,
        }
    }
}

impl Configure for AdamW {
    const ABOUT: About = About {
        name: "adamw",
        aliases: &[],
        summary: "adaptive moments, decoupled weight decay",
        source: "Loshchilov & Hutter 2019, arXiv:1711.05101, algorithm 2",
        fields: &[
            Field::LR,
            Field::new("beta1", Range::Share),
            Field::new("beta2", Range::Share),
            Field::EPS,
            Field::WEIGHT_DECAY,
            Field::new("amsgrad", Range::Flag),
        ],
        cost: "one pass",
    };

    fn update(&self) -> Result<Box<dyn Update>, ConfigError> {
        Ok(Box::new(PerTensor::new(self.clone())))
    }

    fn memory(&self, shape: &[usize]) -> usize {
        self.adam().memory(shape)
    }
}

impl Rule for AdamW {
    fn name(&self) -> &'static str {
        Self::ABOUT.name
    }

    fn state(&self) -> StateNames {
        self.adam().state()
    }

    fn step(&self, tensors: Vec<Stepping<'_>>) -> Vec<Tensor<1>> {
        let decay = |now: crate::Moment| (0.0, now.lr * now.weight_decay(self.weight_decay));
        self.adam().moments(tensors, decay)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::tests::{assert_near, descend};

    #[test]
    fn two_steps_by_hand() {
        let adamw = AdamW {
            beta1: 0.5,
            beta2: 0.75,
            eps: 0.5,
            weight_decay: 1.0,
            ..AdamW::default()
        };
        // θ = 1 · (1 - 0.1 · 1) - 0.08; then 0.82 · 0.9 less the step of Adam, whose moments are 1.
        let (values, _) = descend(adamw.build().unwrap(), 0.1, &[2.0, 1.0]);
        let second = 0.1 / 0.75 / (1.0 / 0.4375_f64.sqrt() + 0.5);
        assert_near(&values, &[0.82, 0.738 - second]);
    }
}
