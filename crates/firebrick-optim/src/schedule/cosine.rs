//! `cosine`: half a cosine from `lr` down to `min_lr`.
//!
//! ```text
//! lr(k) = min_lr + (lr - min_lr) / 2 · (1 + cos(π · k / steps))   for k < steps
//! lr(k) = min_lr                                                  afterwards
//! ```
//!
//! Source: Loshchilov & Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", ICLR 2017,
//! equation 5, without restarts. Reference: the closed form of PyTorch's `CosineAnnealingLR`.
//! Differs from PyTorch's, and burn's, in what comes after `steps`: they climb again.

use std::f64::consts::PI;

use firebrick_core::about::{About, Field, Range};
use firebrick_core::error::{check, check_not_negative};
use firebrick_core::length::Length;
use firebrick_core::{ConfigError, Schedule};
use serde::{Deserialize, Serialize};

use super::outlook::{BuiltSchedule, Outlook, ScheduleConfig};

/// The name in spec strings.
pub const NAME: &str = "cosine";

/// Configuration of [`Cosine`].
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CosineConfig {
    /// The first rate, finite and ≥ 0; the plan's where it is left out.
    pub lr: Option<f64>,
    /// The length, at least one update; the rest of the run where it is left out. A longer one
    /// than the run ends above `min_lr`.
    pub steps: Option<Length>,
    /// The last rate, in [0, lr].
    pub min_lr: f64,
}

impl CosineConfig {
    /// The schedule.
    ///
    /// # Errors
    /// [`ConfigError::OutOfRange`] naming the field.
    pub fn build(&self, outlook: &Outlook) -> Result<Cosine, ConfigError> {
        Self::ABOUT.check(self)?;
        let lr = self.lr.unwrap_or(outlook.lr);
        check_not_negative(NAME, "lr", lr)?;
        check(NAME, "min_lr", self.min_lr, 0.0..=lr)?;
        Ok(Cosine {
            lr,
            steps: outlook.updates(NAME, self.steps)?,
            min_lr: self.min_lr,
        })
    }
}

impl ScheduleConfig for CosineConfig {
    const ABOUT: About = About::new(
        NAME,
        "cosine decay from lr down to min_lr",
        &[
            Field::new("lr", Range::NotNegative),
            Field::new("steps", Range::Length),
            Field::new("min_lr", Range::UpTo("lr")),
        ],
    );

    fn plan(&self, outlook: &Outlook) -> Result<BuiltSchedule, ConfigError> {
        let schedule = self.build(outlook)?;
        let resolved = Self {
            lr: Some(schedule.lr),
            steps: Some(Length::Updates(schedule.steps)),
            min_lr: schedule.min_lr,
        };
        let steps = schedule.steps;
        Ok(BuiltSchedule::new(schedule, &resolved).lasting(steps))
    }
}

/// Half a cosine; its one cycle ends with its last update.
#[derive(Debug, Clone, PartialEq)]
pub struct Cosine {
    lr: f64,
    steps: u64,
    min_lr: f64,
}

impl Schedule for Cosine {
    fn lr(&self, step: u64) -> f64 {
        if step >= self.steps {
            return self.min_lr;
        }
        let phase = PI * step as f64 / self.steps as f64;
        self.min_lr + (self.lr - self.min_lr) / 2.0 * (1.0 + phase.cos())
    }

    fn ends_cycle(&self, step: u64) -> bool {
        step == self.steps - 1
    }

    fn length(&self) -> Option<u64> {
        Some(self.steps)
    }
}

#[cfg(test)]
mod tests {
    use firebrick_core::length::RunLength;

    use super::*;

    #[test]
    fn the_ends_and_the_middle_are_what_one_expects() {
        let run = RunLength::new(2, 20, 1, 1);
        let config = CosineConfig {
            lr: Some(1.0),
            steps: Some(Length::Epochs(1.0)),
            min_lr: 0.5,
        };
        let cosine = config.build(&Outlook::new(run, 9.0)).unwrap();
        assert_eq!(
            (cosine.lr(0), cosine.lr(20), cosine.lr(u64::MAX)),
            (1.0, 0.5, 0.5)
        );
        assert!((cosine.lr(10) - 0.75).abs() < 1e-15);
        let ends: Vec<_> = (0..40).filter(|step| cosine.ends_cycle(*step)).collect();
        assert_eq!(ends, [19]);
    }
}
