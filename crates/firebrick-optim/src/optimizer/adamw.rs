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
use serde::{Deserialize, Serialize};

use super::adam::AdamConfig;
use crate::rule::{Moment, PerTensor, Rule, StateNames, Stepping};

/// The name in spec strings.
pub const NAME: &str = "adamw";

/// Configuration of [`AdamW`].
///
/// | field | default | range |
/// |---|---|---|
/// | `lr` | 1e-3 | finite, ≥ 0 |
/// | `beta1` | 0.9 | [0, 1) |
/// | `beta2` | 0.999 | [0, 1) |
/// | `eps` | 1e-8 | finite, > 0 |
/// | `weight_decay` | 1e-2 | finite, ≥ 0 |
/// | `amsgrad` | false | |
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdamWConfig {
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

impl Default for AdamWConfig {
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

impl AdamWConfig {
    /// The optimizer, without state.
    ///
    /// # Errors
    /// [`ConfigError::OutOfRange`] naming the field.
    pub fn build(&self) -> Result<PerTensor<AdamW>, ConfigError> {
        let Self {
            lr,
            beta1,
            beta2,
            eps,
            weight_decay,
            amsgrad,
        } = *self;
        let moments = AdamConfig {
            lr,
            beta1,
            beta2,
            eps,
            weight_decay,
            amsgrad,
        };
        moments.check(NAME)?;
        Ok(PerTensor::new(AdamW(moments)))
    }
}

/// The rule; see the [module](self).
#[derive(Debug, Clone, PartialEq)]
pub struct AdamW(AdamConfig);

impl Rule for AdamW {
    fn name(&self) -> &'static str {
        NAME
    }

    fn state(&self) -> StateNames {
        self.0.state()
    }

    fn step(&self, tensors: Vec<Stepping<'_>>) -> Vec<Tensor<1>> {
        let decay = |now: Moment| (0.0, now.lr * self.0.weight_decay * now.weight_decay);
        self.0.step(tensors, decay)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::tests::{assert_near, descend};

    #[test]
    fn two_steps_by_hand() {
        let adamw = AdamWConfig {
            beta1: 0.5,
            beta2: 0.75,
            eps: 0.5,
            weight_decay: 1.0,
            ..AdamWConfig::default()
        };
        // θ = 1 · (1 - 0.1 · 1) - 0.08; then 0.82 · 0.9 less the step of Adam, whose moments are 1.
        let (values, _) = descend(adamw.build().unwrap(), 0.1, &[2.0, 1.0]);
        let second = 0.1 / 0.75 / (1.0 / 0.4375_f64.sqrt() + 0.5);
        assert_near(&values, &[0.82, 0.738 - second]);
    }
}
