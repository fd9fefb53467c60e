//! `inverse_time`: the rate falls as one over the number of updates.
//!
//! ```text
//! lr(k) = lr / (1 + k · t),   t = update / every
//! ```
//!
//! Source: Robbins & Monro, "A Stochastic Approximation Method", 1951: rates of this kind sum to
//! infinity and their squares do not. Reference: TensorFlow's `InverseTimeDecay` with `decay_rate` =
//! `k` and `decay_steps` = `every`; PyTorch has none.

use firebrick_core::about::{About, Field, Range};
use firebrick_core::error::check_not_negative;
use firebrick_core::length::Length;
use firebrick_core::{ConfigError, Schedule};
use serde::{Deserialize, Serialize};

use super::exponential::Time;
use super::outlook::{BuiltSchedule, Outlook, ScheduleConfig, required};

/// The name in spec strings.
pub const NAME: &str = "inverse_time";

/// Configuration of [`InverseTime`]: `inverse_time(0.1, k=0.5, every=1ep)`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct InverseTimeConfig {
    /// The first rate, finite and ≥ 0; the plan's where it is left out.
    pub lr: Option<f64>,
    /// How fast it falls: after 1 / `k` units of time it has halved. Finite and ≥ 0, without default.
    pub k: Option<f64>,
    /// The unit of time, at least one update.
    pub every: Length,
    /// Whole units of time only.
    pub staircase: bool,
}

impl Default for InverseTimeConfig {
    fn default() -> Self {
        Self {
            lr: None,
            k: None,
            every: Length::Updates(1),
            staircase: false,
        }
    }
}

impl InverseTimeConfig {
    /// The schedule.
    ///
    /// # Errors
    /// [`ConfigError`] naming the field.
    pub fn build(&self, outlook: &Outlook) -> Result<InverseTime, ConfigError> {
        Self::ABOUT.check(self)?;
        let lr = self.lr.unwrap_or(outlook.lr);
        check_not_negative(NAME, "lr", lr)?;
        let time = Time::new(NAME, self.every, self.staircase, outlook)?;
        let k = required(NAME, "k", self.k.as_ref(), "k=0.5, every=1ep")?;
        Ok(InverseTime { lr, k, time })
    }
}

impl ScheduleConfig for InverseTimeConfig {
    const ABOUT: About = About::new(
        NAME,
        "inverse time decay: lr / (1 + k·t)",
        &[
            Field::new("lr", Range::NotNegative),
            Field::new("k", Range::NotNegative),
            Field::new("every", Range::Length),
            Field::new("staircase", Range::Flag),
        ],
    );

    fn plan(&self, outlook: &Outlook) -> Result<BuiltSchedule, ConfigError> {
        let schedule = self.build(outlook)?;
        let resolved = Self {
            lr: Some(schedule.lr),
            every: Length::Updates(schedule.time.every),
            ..self.clone()
        };
        Ok(BuiltSchedule::new(schedule, &resolved))
    }
}

/// One over time. It has no cycles and no end.
#[derive(Debug, Clone, PartialEq)]
pub struct InverseTime {
    lr: f64,
    k: f64,
    time: Time,
}

impl Schedule for InverseTime {
    fn lr(&self, step: u64) -> f64 {
        self.lr / (1.0 + self.k * self.time.at(step))
    }
}

#[cfg(test)]
mod tests {
    use firebrick_core::length::RunLength;

    use super::*;

    #[test]
    fn it_halves_after_one_over_k() {
        let config = InverseTimeConfig {
            k: Some(0.5),
            every: Length::Epochs(1.0),
            ..InverseTimeConfig::default()
        };
        let outlook = Outlook::new(RunLength::new(10, 10, 1, 1), 6.0);
        let rates = [0, 10, 20, 40].map(|step| config.build(&outlook).unwrap().lr(step));
        assert_eq!(rates, [6.0, 4.0, 3.0, 2.0]);
    }
}
