//! `linear`: a straight line from one rate to another.
//!
//! ```text
//! lr(k) = from + (to - from) · k / steps   for k < steps
//! lr(k) = to                               afterwards
//! ```
//!
//! `lr` and `min_lr` are other names for `from` and `to`, for a line that falls. Reference: PyTorch's
//! `LinearLR` in its closed form, with the rates themselves in place of factors of one; TensorFlow's
//! `PolynomialDecay` with power 1. Differs from PyTorch's in `steps`, there 5, here the run.

use firebrick_core::about::{About, Field, Range};
use firebrick_core::error::{check, check_not_negative};
use firebrick_core::length::Length;
use firebrick_core::{ConfigError, Schedule};
use serde::{Deserialize, Serialize};

use super::outlook::{BuiltSchedule, Outlook, ScheduleConfig};

/// The name in spec strings.
pub const NAME: &str = "linear";

/// Configuration of [`Linear`]: `linear(0.1)`, `linear(from=0.5, to=0.99, steps=10ep)`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LinearConfig {
    /// The first rate, finite and ≥ 0; the plan's where neither this nor `from` is given.
    pub lr: Option<f64>,
    /// The length, at least one update; the rest of the run where it is left out.
    pub steps: Option<Length>,
    /// The last rate, in [0, lr]; 0 where neither this nor `to` is given.
    pub min_lr: Option<f64>,
    /// Another name for `lr`.
    pub from: Option<f64>,
    /// The last rate, finite and ≥ 0; it may lie above the first.
    pub to: Option<f64>,
}

impl LinearConfig {
    /// The schedule.
    ///
    /// # Errors
    /// [`ConfigError::OutOfRange`] naming the field; [`ConfigError::Conflict`] for two names of one
    /// rate.
    pub fn build(&self, outlook: &Outlook) -> Result<Linear, ConfigError> {
        Self::ABOUT.check(self)?;
        for (name, value, other, too) in [
            ("lr", self.lr, "from", self.from),
            ("min_lr", self.min_lr, "to", self.to),
        ] {
            if let (Some(value), Some(too)) = (value, too) {
                return Err(ConfigError::Conflict(format!(
                    "{NAME}: {name} = {value} and {other} = {too} are both given, but they are names of the same rate; remove one of them"
                )));
            }
        }
        let name = self.from.map_or("lr", |_| "from");
        let from = self.from.or(self.lr).unwrap_or(outlook.lr);
        check_not_negative(NAME, name, from)?;
        let to = match (self.to, self.min_lr) {
            (Some(to), _) => to,
            (None, min_lr) => {
                let min_lr = min_lr.unwrap_or(0.0);
                check(NAME, "min_lr", min_lr, 0.0..=from)?;
                min_lr
            }
        };
        Ok(Linear {
            from,
            to,
            steps: outlook.updates(NAME, self.steps)?,
        })
    }
}

impl ScheduleConfig for LinearConfig {
    const ABOUT: About = About::new(
        NAME,
        "a straight line from one rate to another",
        &[
            Field::new("lr", Range::NotNegative),
            Field::new("steps", Range::Length),
            Field::new("min_lr", Range::UpTo("lr")),
            Field::new("from", Range::NotNegative),
            Field::new("to", Range::NotNegative),
        ],
    );

    fn plan(&self, outlook: &Outlook) -> Result<BuiltSchedule, ConfigError> {
        let schedule = self.build(outlook)?;
        let steps = schedule.steps;
        let resolved = Self {
            lr: self.from.map_or(Some(schedule.from), |_| None),
            steps: Some(Length::Updates(steps)),
            min_lr: self.to.map_or(Some(schedule.to), |_| None),
            ..self.clone()
        };
        Ok(BuiltSchedule::new(schedule, &resolved).lasting(steps))
    }
}

/// A line; its one cycle ends with its last update.
#[derive(Debug, Clone, PartialEq)]
pub struct Linear {
    from: f64,
    to: f64,
    steps: u64,
}

impl Schedule for Linear {
    fn lr(&self, step: u64) -> f64 {
        if step >= self.steps {
            return self.to;
        }
        let share = step as f64 / self.steps as f64;
        self.from + (self.to - self.from) * share
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
    use firebrick_core::spec::Spec;

    use super::*;

    fn plan(text: &str) -> Result<BuiltSchedule, ConfigError> {
        let outlook = Outlook::new(RunLength::new(1, 10, 1, 1), 4.0);
        text.parse::<Spec>()?
            .resolve::<LinearConfig>()?
            .plan(&outlook)
    }

    #[test]
    fn it_falls_and_rises() {
        let rates = |text: &str| [0, 5, 10, 99].map(|step| plan(text).unwrap().schedule.lr(step));
        assert_eq!(rates("linear"), [4.0, 2.0, 0.0, 0.0]);
        assert_eq!(rates("linear(2, min_lr=1)"), [2.0, 1.5, 1.0, 1.0]);
        assert_eq!(rates("linear(from=0.5, to=1.5)"), [0.5, 1.0, 1.5, 1.5]);
        assert_eq!(rates("linear(to=8, steps=5)"), [4.0, 8.0, 8.0, 8.0]);
    }

    #[test]
    fn the_names_given_are_kept_and_one_is_enough() {
        let canonical = |text: &str| plan(text).unwrap().spec.to_string();
        assert_eq!(canonical("linear"), "linear(lr=4.0, steps=10, min_lr=0.0)");
        assert_eq!(
            canonical("linear(from=0.5, to=1.5)"),
            "linear(steps=10, from=0.5, to=1.5)"
        );
        for (text, needle) in [
            ("linear(lr=1, from=2)", "names of the same rate"),
            ("linear(min_lr=1, to=2)", "names of the same rate"),
            ("linear(1, min_lr=2)", "min_lr = 2 is out of range"),
            ("linear(to=-1)", "linear: to = -1"),
        ] {
            let error = plan(text).unwrap_err().to_string();
            assert!(error.contains(needle), "{text}: {error}");
        }
    }
}
