//! `flat_cosine`: a constant rate, then cosine decay.
//!
//! ```text
//! lr(k) = lr                                                       for k < pct_start · steps
//! lr(k) = min_lr + (lr - min_lr) / 2 · (1 + cos(π · s))            for k < steps,
//!                                       s = (k / steps - pct_start) / (1 - pct_start)
//! lr(k) = min_lr                                                   afterwards
//! ```
//!
//! Source and reference: fastai's `fit_flat_cos`, made for Ranger (Less Wright & Mikhail Grankin,
//! 2019). Differs from it in `min_lr`, there `lr / div_final` with 1e5, here 0; PyTorch has none.

use std::f64::consts::PI;

use firebrick_core::about::{About, Field, Range};
use firebrick_core::error::{check, check_not_negative};
use firebrick_core::length::Length;
use firebrick_core::{ConfigError, Schedule};
use serde::{Deserialize, Serialize};

use super::outlook::{BuiltSchedule, Outlook, ScheduleConfig};

/// The name in spec strings.
pub const NAME: &str = "flat_cosine";

/// Configuration of [`FlatCosine`]: `flat_cosine(0.01, pct_start=0.75)`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FlatCosineConfig {
    /// The rate of the plain, finite and ≥ 0; the plan's where it is left out.
    pub lr: Option<f64>,
    /// Share of the length that is the plain, in [0, 1).
    pub pct_start: f64,
    /// The whole length, at least one update; the rest of the run where it is left out.
    pub steps: Option<Length>,
    /// The last rate, in [0, lr].
    pub min_lr: f64,
}

impl Default for FlatCosineConfig {
    fn default() -> Self {
        Self {
            lr: None,
            pct_start: 0.75,
            steps: None,
            min_lr: 0.0,
        }
    }
}

impl FlatCosineConfig {
    /// The schedule.
    ///
    /// # Errors
    /// [`ConfigError::OutOfRange`] naming the field.
    pub fn build(&self, outlook: &Outlook) -> Result<FlatCosine, ConfigError> {
        Self::ABOUT.check(self)?;
        let lr = self.lr.unwrap_or(outlook.lr);
        check_not_negative(NAME, "lr", lr)?;
        check(NAME, "min_lr", self.min_lr, 0.0..=lr)?;
        Ok(FlatCosine {
            lr,
            pct_start: self.pct_start,
            steps: outlook.updates(NAME, self.steps)?,
            min_lr: self.min_lr,
        })
    }
}

impl ScheduleConfig for FlatCosineConfig {
    const ABOUT: About = About::new(
        NAME,
        "a constant rate, then cosine decay",
        &[
            Field::new("lr", Range::NotNegative),
            Field::new("pct_start", Range::Share),
            Field::new("steps", Range::Length),
            Field::new("min_lr", Range::UpTo("lr")),
        ],
    );

    fn plan(&self, outlook: &Outlook) -> Result<BuiltSchedule, ConfigError> {
        let schedule = self.build(outlook)?;
        let steps = schedule.steps;
        let resolved = Self {
            lr: Some(schedule.lr),
            steps: Some(Length::Updates(steps)),
            ..self.clone()
        };
        Ok(BuiltSchedule::new(schedule, &resolved).lasting(steps))
    }
}

/// A plain, then half a cosine; its one cycle ends with its last update.
#[derive(Debug, Clone, PartialEq)]
pub struct FlatCosine {
    lr: f64,
    pct_start: f64,
    steps: u64,
    min_lr: f64,
}

impl Schedule for FlatCosine {
    fn lr(&self, step: u64) -> f64 {
        if step >= self.steps {
            return self.min_lr;
        }
        let done = step as f64 / self.steps as f64;
        let share = ((done - self.pct_start) / (1.0 - self.pct_start)).max(0.0);
        self.min_lr + (self.lr - self.min_lr) / 2.0 * (1.0 + (PI * share).cos())
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
    fn the_cosine_begins_where_the_plain_ends() {
        let config = FlatCosineConfig {
            pct_start: 0.5,
            min_lr: 1.0,
            ..FlatCosineConfig::default()
        };
        let outlook = Outlook::new(RunLength::new(10, 10, 1, 1), 3.0);
        let schedule = config.build(&outlook).unwrap();
        let rates = [0, 49, 50, 75, 100, u64::MAX].map(|step| schedule.lr(step));
        for (rate, expected) in rates.iter().zip([3.0, 3.0, 3.0, 2.0, 1.0, 1.0]) {
            assert!((rate - expected).abs() < 1e-15, "{rates:?}");
        }
        assert!(schedule.lr(51) < 3.0);
    }
}
