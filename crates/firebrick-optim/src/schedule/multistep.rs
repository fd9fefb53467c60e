//! `multistep`: times `gamma` at each of the `milestones`.
//!
//! ```text
//! lr(k) = lr · gamma^(number of milestones ≤ k)
//! ```
//!
//! Source: He et al., "Deep Residual Learning for Image Recognition", 2016, section 4.2 (CIFAR-10: at
//! 32k and 48k of 64k iterations). Reference: PyTorch's `MultiStepLR` in its closed form. Differs from
//! it in that milestones must rise, count updates unless they are written as `30ep` or `50%`, and in
//! that `gamma` may not raise the rate.

use firebrick_core::about::{About, Field, Range};
use firebrick_core::error::check_not_negative;
use firebrick_core::length::Length;
use firebrick_core::{ConfigError, Schedule};
use serde::{Deserialize, Serialize};

use super::outlook::{BuiltSchedule, Outlook, ScheduleConfig, required};

/// The name in spec strings.
pub const NAME: &str = "multistep";

/// Configuration of [`Multistep`]: `multistep(0.1, milestones=[50%, 75%])`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MultistepConfig {
    /// The first rate, finite and ≥ 0; the plan's where it is left out.
    pub lr: Option<f64>,
    /// The updates at which the rate falls, at least one, rising. They have no default.
    pub milestones: Option<Vec<Length>>,
    /// The factor at each milestone, in [0, 1].
    pub gamma: f64,
}

impl Default for MultistepConfig {
    fn default() -> Self {
        Self {
            lr: None,
            milestones: None,
            gamma: 0.1,
        }
    }
}

impl MultistepConfig {
    /// The schedule.
    ///
    /// # Errors
    /// [`ConfigError`] naming the field.
    pub fn build(&self, outlook: &Outlook) -> Result<Multistep, ConfigError> {
        Self::ABOUT.check(self)?;
        let lr = self.lr.unwrap_or(outlook.lr);
        check_not_negative(NAME, "lr", lr)?;
        let such_as = "milestones=[50%, 75%]";
        let written = required(NAME, "milestones", self.milestones.as_ref(), such_as)?;
        Ok(Multistep {
            lr,
            milestones: milestones(NAME, &written, outlook)?,
            gamma: self.gamma,
        })
    }
}

/// The updates of milestones, which must rise.
pub(super) fn milestones(
    unit: &str,
    written: &[Length],
    outlook: &Outlook,
) -> Result<Vec<u64>, ConfigError> {
    let updates: Vec<u64> = written
        .iter()
        .map(|milestone| milestone.resolve(outlook.run))
        .collect();
    let rises = updates.windows(2).all(|pair| pair[0] < pair[1]);
    if rises && updates.first().is_some_and(|first| *first > 0) {
        return Ok(updates);
    }
    let texts: Vec<_> = written.iter().map(ToString::to_string).collect();
    let mut range = "one or more updates after the first, in rising order".to_string();
    if !updates.is_empty() {
        range += &format!(", but these come to {updates:?}");
    }
    Err(ConfigError::out_of_range(
        unit,
        "milestones",
        format!("[{}]", texts.join(", ")),
        range,
    ))
}

impl ScheduleConfig for MultistepConfig {
    const ABOUT: About = About::new(
        NAME,
        "multiplies the rate by gamma at each milestone",
        &[
            Field::new("lr", Range::NotNegative),
            Field::new("milestones", Range::Each(&Range::Length)),
            Field::new("gamma", Range::Within(0.0, 1.0)),
        ],
    );

    fn plan(&self, outlook: &Outlook) -> Result<BuiltSchedule, ConfigError> {
        let schedule = self.build(outlook)?;
        let updates = schedule.milestones.iter().copied();
        let resolved = Self {
            lr: Some(schedule.lr),
            milestones: Some(updates.map(Length::Updates).collect()),
            gamma: schedule.gamma,
        };
        Ok(BuiltSchedule::new(schedule, &resolved))
    }
}

/// A staircase with steps of any length. No step of it is a cycle.
#[derive(Debug, Clone, PartialEq)]
pub struct Multistep {
    lr: f64,
    milestones: Vec<u64>,
    gamma: f64,
}

impl Schedule for Multistep {
    fn lr(&self, step: u64) -> f64 {
        let passed = self.milestones.partition_point(|at| *at <= step);
        self.lr * self.gamma.powf(passed as f64)
    }

    fn length(&self) -> Option<u64> {
        self.milestones.last().copied()
    }
}

#[cfg(test)]
mod tests {
    use firebrick_core::length::RunLength;

    use super::*;

    fn build(milestones: &[Length]) -> Result<Multistep, ConfigError> {
        let config = MultistepConfig {
            lr: Some(8.0),
            milestones: Some(milestones.to_vec()),
            gamma: 0.5,
        };
        config.build(&Outlook::new(RunLength::new(10, 10, 1, 1), 9.0))
    }

    #[test]
    fn the_rate_falls_with_the_milestone() {
        let schedule = build(&[Length::Updates(3), Length::Epochs(2.0), Length::Share(0.5)]);
        let schedule = schedule.unwrap();
        let rates = [0, 2, 3, 19, 20, 50, u64::MAX].map(|k| schedule.lr(k));
        assert_eq!(rates, [8.0, 8.0, 4.0, 4.0, 2.0, 1.0, 1.0]);
        assert_eq!(schedule.length(), Some(50));
    }

    #[test]
    fn milestones_rise() {
        for milestones in [
            &[][..],
            &[Length::Updates(0)],
            &[Length::Updates(30), Length::Epochs(3.0)],
        ] {
            let error = build(milestones).unwrap_err().to_string();
            assert!(error.contains("multistep: milestones = ["), "{error}");
        }
    }
}
