//! `snapshot_cosine`: equal cycles of half a cosine; a model of the ensemble at the end of each.
//!
//! ```text
//! lr(k) = lr / 2 · (cos(π · (k mod c) / c) + 1),   c = ⌈steps / cycles⌉
//! ```
//!
//! Source: Huang et al., "Snapshot Ensembles: Train 1, Get M for Free", ICLR 2017, equation 2, with
//! t = k + 1. Reference: that equation. It says nothing of what comes after `steps`; here the rate
//! stays at that of the last update.

use std::f64::consts::PI;

use firebrick_core::about::{About, Field, Range};
use firebrick_core::error::{check, check_not_negative};
use firebrick_core::length::Length;
use firebrick_core::{ConfigError, Schedule};
use serde::{Deserialize, Serialize};

use super::outlook::{BuiltSchedule, Outlook, ScheduleConfig};

/// The name in spec strings.
pub const NAME: &str = "snapshot_cosine";

/// Configuration of [`SnapshotCosine`]: `snapshot_cosine(0.2, cycles=5)`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SnapshotCosineConfig {
    /// The rate at the beginning of each cycle, finite and ≥ 0; the plan's where it is left out.
    pub lr: Option<f64>,
    /// The number of cycles (M), at least 1 and at most the number of updates.
    pub cycles: u64,
    /// The whole length (T), at least one update; the rest of the run where it is left out.
    pub steps: Option<Length>,
}

impl Default for SnapshotCosineConfig {
    fn default() -> Self {
        Self {
            lr: None,
            cycles: 5,
            steps: None,
        }
    }
}

impl SnapshotCosineConfig {
    /// The schedule.
    ///
    /// # Errors
    /// [`ConfigError::OutOfRange`] naming the field.
    pub fn build(&self, outlook: &Outlook) -> Result<SnapshotCosine, ConfigError> {
        Self::ABOUT.check(self)?;
        let lr = self.lr.unwrap_or(outlook.lr);
        check_not_negative(NAME, "lr", lr)?;
        let steps = outlook.updates(NAME, self.steps)?;
        check(NAME, "cycles", self.cycles, 1..=steps)?;
        Ok(SnapshotCosine {
            lr,
            cycle: steps.div_ceil(self.cycles),
            steps,
        })
    }
}

impl ScheduleConfig for SnapshotCosineConfig {
    const ABOUT: About = About::new(
        NAME,
        "cosine cycles of equal length, for snapshot ensembles",
        &[
            Field::new("lr", Range::NotNegative),
            Field::new("cycles", Range::Count(1)),
            Field::new("steps", Range::Length),
        ],
    );

    fn plan(&self, outlook: &Outlook) -> Result<BuiltSchedule, ConfigError> {
        let schedule = self.build(outlook)?;
        let steps = schedule.steps;
        let resolved = Self {
            lr: Some(schedule.lr),
            cycles: self.cycles,
            steps: Some(Length::Updates(steps)),
        };
        Ok(BuiltSchedule::new(schedule, &resolved).lasting(steps))
    }
}

/// Equal cycles. One ends with the last update before each restart, and with the last of all, where
/// the last cycle may be shorter.
#[derive(Debug, Clone, PartialEq)]
pub struct SnapshotCosine {
    lr: f64,
    cycle: u64,
    steps: u64,
}

impl Schedule for SnapshotCosine {
    fn lr(&self, step: u64) -> f64 {
        let at = step.min(self.steps - 1) % self.cycle;
        let phase = PI * at as f64 / self.cycle as f64;
        self.lr / 2.0 * (phase.cos() + 1.0)
    }

    fn ends_cycle(&self, step: u64) -> bool {
        step < self.steps && (step % self.cycle == self.cycle - 1 || step == self.steps - 1)
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
    fn the_last_cycle_may_be_short_and_ends_all_the_same() {
        let config = SnapshotCosineConfig {
            cycles: 3,
            ..SnapshotCosineConfig::default()
        };
        let outlook = Outlook::new(RunLength::new(1, 10, 1, 1), 2.0);
        let schedule = config.build(&outlook).unwrap();
        assert_eq!([0, 4, 8].map(|step| schedule.lr(step)), [2.0; 3]);
        assert!((schedule.lr(2) - 1.0).abs() < 1e-15);
        assert_eq!(schedule.lr(u64::MAX), schedule.lr(9));
        let ends: Vec<_> = (0..40).filter(|step| schedule.ends_cycle(*step)).collect();
        assert_eq!(ends, [3, 7, 9]);
    }
}
