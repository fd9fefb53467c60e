//! `exponential`: the rate shrinks by a constant factor in every interval of a given length.
//!
//! ```text
//! lr(k) = lr · gamma^t   or   lr · e^(-k·t),   gamma = e^(-k),   t = update / every
//! ```
//!
//! Reference: PyTorch's `ExponentialLR` in its closed form, stepped at each update; with `every=1ep`
//! and `staircase=true`, stepped at each epoch. `staircase` is that of TensorFlow's
//! `ExponentialDecay`. Differs from PyTorch's in that `gamma` may not raise the rate.

use firebrick_core::about::{About, Field, Range};
use firebrick_core::error::check_not_negative;
use firebrick_core::length::Length;
use firebrick_core::{ConfigError, Schedule};
use serde::{Deserialize, Serialize};

use super::outlook::{BuiltSchedule, Outlook, ScheduleConfig};

/// The name in spec strings.
pub const NAME: &str = "exponential";

/// Configuration of [`Exponential`]: `exponential(0.1, gamma=0.95, every=1ep)`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ExponentialConfig {
    /// The first rate, finite and ≥ 0; the plan's where it is left out.
    pub lr: Option<f64>,
    /// The factor in one unit of time, in [0, 1]. Either this or `k` is given.
    pub gamma: Option<f64>,
    /// The decay in one unit of time, finite and ≥ 0: `gamma` = e^(-k).
    pub k: Option<f64>,
    /// The unit of time, at least one update.
    pub every: Length,
    /// Whole units of time only.
    pub staircase: bool,
}

impl Default for ExponentialConfig {
    fn default() -> Self {
        Self {
            lr: None,
            gamma: None,
            k: None,
            every: Length::Updates(1),
            staircase: false,
        }
    }
}

impl ExponentialConfig {
    /// The schedule.
    ///
    /// # Errors
    /// [`ConfigError`] naming the field; [`ConfigError::Conflict`] unless one of `gamma` and `k` is
    /// given.
    pub fn build(&self, outlook: &Outlook) -> Result<Exponential, ConfigError> {
        Self::ABOUT.check(self)?;
        let lr = self.lr.unwrap_or(outlook.lr);
        check_not_negative(NAME, "lr", lr)?;
        let decay = match (self.gamma, self.k) {
            (Some(gamma), None) => Decay::Gamma(gamma),
            (None, Some(k)) => Decay::K(k),
            (Some(gamma), Some(k)) => {
                return Err(ConfigError::Conflict(format!(
                    "{NAME}: gamma = {gamma} and k = {k} are both given, but each determines the other, gamma = e^(-k); remove one of them"
                )));
            }
            (None, None) => {
                return Err(ConfigError::Conflict(format!(
                    "{NAME}: gamma is missing; give gamma or k, for example {NAME}(gamma=0.95, every=1ep)"
                )));
            }
        };
        Ok(Exponential {
            lr,
            decay,
            time: Time::new(NAME, self.every, self.staircase, outlook)?,
        })
    }
}

impl ScheduleConfig for ExponentialConfig {
    const ABOUT: About = About::new(
        NAME,
        "exponential decay: lr · gamma^t, or lr · e^(−k·t)",
        &[
            Field::new("lr", Range::NotNegative),
            Field::new("gamma", Range::Within(0.0, 1.0)),
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

/// Exponential decay. It has no cycles and no end.
#[derive(Debug, Clone, PartialEq)]
pub struct Exponential {
    lr: f64,
    decay: Decay,
    time: Time,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Decay {
    Gamma(f64),
    K(f64),
}

impl Schedule for Exponential {
    fn lr(&self, step: u64) -> f64 {
        let t = self.time.at(step);
        match self.decay {
            Decay::Gamma(gamma) => self.lr * gamma.powf(t),
            Decay::K(k) => self.lr * (-k * t).exp(),
        }
    }
}

/// The time of decays: updates, in units of `every`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Time {
    pub(super) every: u64,
    staircase: bool,
}

impl Time {
    pub(super) fn new(
        unit: &str,
        every: Length,
        staircase: bool,
        outlook: &Outlook,
    ) -> Result<Self, ConfigError> {
        Ok(Self {
            every: outlook.at_least_one(unit, "every", every)?,
            staircase,
        })
    }

    pub(super) fn at(self, step: u64) -> f64 {
        if self.staircase {
            (step / self.every) as f64
        } else {
            step as f64 / self.every as f64
        }
    }
}

#[cfg(test)]
mod tests {
    use firebrick_core::length::RunLength;

    use super::*;

    fn build(config: &ExponentialConfig) -> Exponential {
        let outlook = Outlook::new(RunLength::new(10, 10, 1, 1), 2.0);
        config.build(&outlook).unwrap()
    }

    #[test]
    fn k_is_another_spelling_of_gamma() {
        let gamma = build(&ExponentialConfig {
            gamma: Some((-0.05_f64).exp()),
            ..ExponentialConfig::default()
        });
        let k = build(&ExponentialConfig {
            k: Some(0.05),
            ..ExponentialConfig::default()
        });
        assert_eq!(k.lr(0), 2.0);
        for step in 0..200 {
            assert!((gamma.lr(step) / k.lr(step) - 1.0).abs() < 1e-13, "{step}");
        }
    }

    #[test]
    fn time_goes_on_within_an_epoch_or_waits() {
        let config = ExponentialConfig {
            gamma: Some(0.25),
            every: Length::Epochs(1.0),
            ..ExponentialConfig::default()
        };
        let rates = [0, 5, 10, 15].map(|step| build(&config).lr(step));
        assert_eq!(rates, [2.0, 1.0, 0.5, 0.25]);
        let stairs = build(&ExponentialConfig {
            staircase: true,
            ..config
        });
        assert_eq!(
            [0, 9, 10, 15].map(|step| stairs.lr(step)),
            [2.0, 2.0, 0.5, 0.5]
        );
    }
}
