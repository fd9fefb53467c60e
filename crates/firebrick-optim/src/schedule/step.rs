//! `step`: times `gamma` every `step_size` updates.
//!
//! ```text
//! lr(k) = lr · gamma^⌊k / step_size⌋
//! ```
//!
//! Source: step decay of the ImageNet recipes, He et al., "Deep Residual Learning for Image
//! Recognition", 2016, section 3.4. Reference: PyTorch's `StepLR` in its closed form. Differs from it
//! in that `step_size` counts updates unless it is written in epochs (`30ep`), and in that `gamma`
//! may not raise the rate.

use firebrick_core::about::{About, Field, Range};
use firebrick_core::error::check_not_negative;
use firebrick_core::length::Length;
use firebrick_core::{ConfigError, Schedule};
use serde::{Deserialize, Serialize};

use super::outlook::{BuiltSchedule, Outlook, ScheduleConfig, required};

/// The name in spec strings.
pub const NAME: &str = "step";

/// Configuration of [`Step`]: `step(0.1, step_size=30ep)`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StepConfig {
    /// The first rate, finite and ≥ 0; the plan's where it is left out.
    pub lr: Option<f64>,
    /// The length of a step, at least one update. It has no default.
    pub step_size: Option<Length>,
    /// The factor from one step to the next, in [0, 1].
    pub gamma: f64,
}

impl Default for StepConfig {
    fn default() -> Self {
        Self {
            lr: None,
            step_size: None,
            gamma: 0.1,
        }
    }
}

impl StepConfig {
    /// The schedule.
    ///
    /// # Errors
    /// [`ConfigError`] naming the field.
    pub fn build(&self, outlook: &Outlook) -> Result<Step, ConfigError> {
        Self::ABOUT.check(self)?;
        let lr = self.lr.unwrap_or(outlook.lr);
        check_not_negative(NAME, "lr", lr)?;
        let step_size = required(NAME, "step_size", self.step_size.as_ref(), "step_size=30ep")?;
        Ok(Step {
            lr,
            step_size: outlook.at_least_one(NAME, "step_size", step_size)?,
            gamma: self.gamma,
        })
    }
}

impl ScheduleConfig for StepConfig {
    const ABOUT: About = About::new(
        NAME,
        "multiplies the rate by gamma after every step_size",
        &[
            Field::new("lr", Range::NotNegative),
            Field::new("step_size", Range::Length),
            Field::new("gamma", Range::Within(0.0, 1.0)),
        ],
    );

    fn plan(&self, outlook: &Outlook) -> Result<BuiltSchedule, ConfigError> {
        let schedule = self.build(outlook)?;
        let resolved = Self {
            lr: Some(schedule.lr),
            step_size: Some(Length::Updates(schedule.step_size)),
            gamma: schedule.gamma,
        };
        Ok(BuiltSchedule::new(schedule, &resolved))
    }
}

/// A staircase. No step of it is a cycle.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    lr: f64,
    step_size: u64,
    gamma: f64,
}

impl Schedule for Step {
    fn lr(&self, step: u64) -> f64 {
        self.lr * self.gamma.powf((step / self.step_size) as f64)
    }
}

#[cfg(test)]
mod tests {
    use firebrick_core::length::RunLength;

    use super::*;

    #[test]
    fn the_rate_falls_with_the_first_update_of_a_step() {
        let config = StepConfig {
            lr: Some(8.0),
            step_size: Some(Length::Epochs(2.0)),
            gamma: 0.5,
        };
        let outlook = Outlook::new(RunLength::new(10, 10, 1, 1), 9.0);
        let step = config.build(&outlook).unwrap();
        let rates = [0, 19, 20, 39, 40].map(|k| step.lr(k));
        assert_eq!(rates, [8.0, 8.0, 4.0, 4.0, 2.0]);
    }
}
