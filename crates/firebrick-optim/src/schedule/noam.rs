//! `noam`: linear warmup, then decay with the square root of the number of updates.
//!
//! ```text
//! lr(k) = lr · min(t / warmup, √(warmup / t)),                        t = k + 1
//! lr(k) = lr · d_model^-0.5 · min(t^-0.5, t · warmup^-1.5)            with d_model
//! ```
//!
//! The two differ by a constant: without `d_model`, `lr` is the highest rate.
//!
//! Source: Vaswani et al., "Attention Is All You Need", 2017, equation 3; named after Noam Shazeer.
//! Reference: that equation, as the `rate` of "The Annotated Transformer" has it with `factor` = `lr`
//! (give `lr=1` for the paper's). PyTorch has none.

use firebrick_core::about::{About, Field, Range};
use firebrick_core::error::check_not_negative;
use firebrick_core::length::Length;
use firebrick_core::{ConfigError, Schedule};
use serde::{Deserialize, Serialize};

use super::outlook::{BuiltSchedule, Outlook, ScheduleConfig};

/// The name in spec strings.
pub const NAME: &str = "noam";

/// Configuration of [`Noam`]: `noam(0.001, warmup=4000)`, `noam(1, 4000, d_model=512)`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NoamConfig {
    /// The highest rate or, with `d_model`, the factor of the paper's; finite and ≥ 0. The plan's where
    /// it is left out.
    pub lr: Option<f64>,
    /// The length of the rise, at least one update and at most the run.
    pub warmup: Length,
    /// The width of the model, at least 1.
    pub d_model: Option<u64>,
}

impl Default for NoamConfig {
    fn default() -> Self {
        Self {
            lr: None,
            warmup: Length::Updates(4000),
            d_model: None,
        }
    }
}

impl NoamConfig {
    /// The schedule.
    ///
    /// # Errors
    /// [`ConfigError::OutOfRange`] naming the field.
    pub fn build(&self, outlook: &Outlook) -> Result<Noam, ConfigError> {
        Self::ABOUT.check(self)?;
        let lr = self.lr.unwrap_or(outlook.lr);
        check_not_negative(NAME, "lr", lr)?;
        let warmup = outlook.at_least_one(NAME, "warmup", self.warmup)?;
        let warmup = outlook.within_run(NAME, "warmup", &self.warmup.to_string(), warmup)?;
        let width = |d_model: u64| lr / (d_model as f64).sqrt() / (warmup as f64).sqrt();
        Ok(Noam {
            lr,
            peak: self.d_model.map_or(lr, width),
            warmup,
        })
    }
}

impl ScheduleConfig for NoamConfig {
    const ABOUT: About = About::new(
        NAME,
        "linear warmup, then decay as 1 / sqrt(t), as in the original Transformer",
        &[
            Field::new("lr", Range::NotNegative),
            Field::new("warmup", Range::Length),
            Field::new("d_model", Range::Count(1)),
        ],
    );

    fn plan(&self, outlook: &Outlook) -> Result<BuiltSchedule, ConfigError> {
        let schedule = self.build(outlook)?;
        let resolved = Self {
            lr: Some(schedule.lr),
            warmup: Length::Updates(schedule.warmup),
            d_model: self.d_model,
        };
        Ok(BuiltSchedule::new(schedule, &resolved))
    }
}

/// A rise, then one over the square root of time. It has no cycles and no end.
#[derive(Debug, Clone, PartialEq)]
pub struct Noam {
    lr: f64,
    peak: f64,
    warmup: u64,
}

impl Schedule for Noam {
    fn lr(&self, step: u64) -> f64 {
        let (t, warmup) = (step as f64 + 1.0, self.warmup as f64);
        self.peak * (t / warmup).min((warmup / t).sqrt())
    }
}

#[cfg(test)]
mod tests {
    use firebrick_core::length::RunLength;

    use super::*;

    #[test]
    fn the_peak_is_the_last_update_of_the_rise() {
        let outlook = Outlook::new(RunLength::new(10, 10, 1, 1), 2.0);
        let config = NoamConfig {
            warmup: Length::Updates(4),
            ..NoamConfig::default()
        };
        let noam = config.build(&outlook).unwrap();
        assert_eq!(
            [0, 1, 3, 15].map(|step| noam.lr(step)),
            [0.5, 1.0, 2.0, 1.0]
        );
        let papers = NoamConfig {
            d_model: Some(16),
            ..config
        };
        // 2 · 16^-0.5 · 4^-0.5 at the peak.
        assert_eq!(papers.build(&outlook).unwrap().lr(3), 0.25);
        let error = NoamConfig::default()
            .build(&outlook)
            .unwrap_err()
            .to_string();
        assert!(error.contains("noam: warmup = 4000") && error.contains("at most 100"));
    }
}
