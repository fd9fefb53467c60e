//! `polynomial`: a power of what is left, from `lr` down to `min_lr`.
//!
//! ```text
//! lr(k) = min_lr + (lr - min_lr) · (1 - k / steps)^power   for k < steps
//! lr(k) = min_lr                                           afterwards
//! ```
//!
//! Source: Liu et al., "ParseNet: Looking Wider to See Better", 2015, section 3.1 ("poly"). Reference:
//! PyTorch's `PolynomialLR` in its closed form, which has no `min_lr`; with it, TensorFlow's
//! `PolynomialDecay`. Differs from PyTorch's in `steps`, there 5, here the run.

use firebrick_core::about::{About, Field, Range};
use firebrick_core::error::{check, check_not_negative};
use firebrick_core::length::Length;
use firebrick_core::{ConfigError, Schedule};
use serde::{Deserialize, Serialize};

use super::outlook::{BuiltSchedule, Outlook, ScheduleConfig};

/// The name in spec strings.
pub const NAME: &str = "polynomial";

/// Configuration of [`Polynomial`]: `polynomial(0.1, power=0.9)`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PolynomialConfig {
    /// The first rate, finite and ≥ 0; the plan's where it is left out.
    pub lr: Option<f64>,
    /// The length, at least one update; the rest of the run where it is left out.
    pub steps: Option<Length>,
    /// The power, finite and > 0; 1 is a line.
    pub power: f64,
    /// The last rate, in [0, lr].
    pub min_lr: f64,
}

impl Default for PolynomialConfig {
    fn default() -> Self {
        Self {
            lr: None,
            steps: None,
            power: 1.0,
            min_lr: 0.0,
        }
    }
}

impl PolynomialConfig {
    /// The schedule.
    ///
    /// # Errors
    /// [`ConfigError::OutOfRange`] naming the field.
    pub fn build(&self, outlook: &Outlook) -> Result<Polynomial, ConfigError> {
        Self::ABOUT.check(self)?;
        let lr = self.lr.unwrap_or(outlook.lr);
        check_not_negative(NAME, "lr", lr)?;
        check(NAME, "min_lr", self.min_lr, 0.0..=lr)?;
        Ok(Polynomial {
            lr,
            steps: outlook.updates(NAME, self.steps)?,
            power: self.power,
            min_lr: self.min_lr,
        })
    }
}

impl ScheduleConfig for PolynomialConfig {
    const ABOUT: About = About::new(
        NAME,
        "polynomial decay from lr down to min_lr",
        &[
            Field::new("lr", Range::NotNegative),
            Field::new("steps", Range::Length),
            Field::new("power", Range::Positive),
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

/// A power of what is left; its one cycle ends with its last update.
#[derive(Debug, Clone, PartialEq)]
pub struct Polynomial {
    lr: f64,
    steps: u64,
    power: f64,
    min_lr: f64,
}

impl Schedule for Polynomial {
    fn lr(&self, step: u64) -> f64 {
        let left = self.steps.saturating_sub(step) as f64 / self.steps as f64;
        self.min_lr + (self.lr - self.min_lr) * left.powf(self.power)
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
    fn half_way_it_is_a_power_of_a_half() {
        let config = PolynomialConfig {
            power: 3.0,
            min_lr: 1.0,
            ..PolynomialConfig::default()
        };
        let outlook = Outlook::new(RunLength::new(1, 10, 1, 1), 9.0);
        let schedule = config.build(&outlook).unwrap();
        let rates = [0, 5, 10, u64::MAX].map(|step| schedule.lr(step));
        assert_eq!(rates, [9.0, 2.0, 1.0, 1.0]);
    }
}
