//! `wsd`: warmup, constant rate, decay (warmup-stable-decay).
//!
//! ```text
//! lr(k) = min_lr + (lr - min_lr) · k / warmup               for k < warmup
//! lr(k) = lr                                                for warmup ≤ k < steps - decay
//! lr(k) = min_lr + (lr - min_lr) · f(s)                     for the last decay updates,
//!                                                           s = (k - steps + decay) / decay
//! lr(k) = min_lr                                            afterwards
//! f(s)  = (1 + cos(π s)) / 2 (cos),   1 - s (linear),   1 - √s (sqrt)
//! ```
//!
//! Source: Hu et al., "MiniCPM: Unveiling the Potential of Small Language Models with Scalable Training
//! Strategies", 2024, section 4.2; the square root is that of Hägele et al., "Scaling Laws and
//! Compute-Optimal Training Beyond Fixed Training Durations", 2024. Reference: transformers'
//! `get_wsd_schedule` (`decay_type` `cosine`, `linear`, `1-sqrt`), of which cosine is the default too.
//! Differs from it in that lengths have defaults: no warmup, a tenth of the run for the decay.

use std::f64::consts::PI;

use firebrick_core::about::{About, Field, Range};
use firebrick_core::error::{check, check_not_negative};
use firebrick_core::length::Length;
use firebrick_core::{ConfigError, Schedule};
use serde::{Deserialize, Serialize};

use super::outlook::{BuiltSchedule, Outlook, ScheduleConfig};

/// The name in spec strings.
pub const NAME: &str = "wsd";

/// The shape of the fall.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fall {
    /// Half a cosine.
    #[default]
    Cos,
    /// A line.
    Linear,
    /// One minus a square root: fast at first.
    Sqrt,
}

/// Configuration of [`Wsd`]: `wsd(0.1, warmup=5%, decay=20%)`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WsdConfig {
    /// The rate of the plain, finite and ≥ 0; the plan's where it is left out.
    pub lr: Option<f64>,
    /// The length of the rise; 0 is none.
    pub warmup: Length,
    /// The length of the fall, at least one update.
    pub decay: Length,
    /// The whole length, at least `warmup` and `decay` together; the rest of the run where it is left
    /// out.
    pub steps: Option<Length>,
    /// The first rate of the rise and the last of the fall, in [0, lr].
    pub min_lr: f64,
    /// The shape of the fall.
    pub anneal: Fall,
}

impl Default for WsdConfig {
    fn default() -> Self {
        Self {
            lr: None,
            warmup: Length::Updates(0),
            decay: Length::Share(0.1),
            steps: None,
            min_lr: 0.0,
            anneal: Fall::Cos,
        }
    }
}

impl WsdConfig {
    /// The schedule.
    ///
    /// # Errors
    /// [`ConfigError::OutOfRange`] naming the field.
    pub fn build(&self, outlook: &Outlook) -> Result<Wsd, ConfigError> {
        Self::ABOUT.check(self)?;
        let lr = self.lr.unwrap_or(outlook.lr);
        check_not_negative(NAME, "lr", lr)?;
        check(NAME, "min_lr", self.min_lr, 0.0..=lr)?;
        let steps = outlook.updates(NAME, self.steps)?;
        let warmup = self.warmup.resolve(outlook.run);
        check(NAME, "warmup", warmup, 0..=steps)?;
        let decay = outlook.at_least_one(NAME, "decay", self.decay)?;
        if decay > steps - warmup {
            let range = format!(
                "at most {}, the number of updates that the warmup leaves of {steps}",
                steps - warmup
            );
            return Err(ConfigError::out_of_range(NAME, "decay", self.decay, range));
        }
        Ok(Wsd {
            lr,
            warmup,
            decay,
            steps,
            min_lr: self.min_lr,
            anneal: self.anneal,
        })
    }
}

impl ScheduleConfig for WsdConfig {
    const ABOUT: About = About::new(
        NAME,
        "warmup-stable-decay: warmup, then a constant rate, then decay",
        &[
            Field::new("lr", Range::NotNegative),
            Field::new("warmup", Range::Length),
            Field::new("decay", Range::Length),
            Field::new("steps", Range::Length),
            Field::new("min_lr", Range::UpTo("lr")),
            Field::new("anneal", Range::Choice(&["cos", "linear", "sqrt"])),
        ],
    );

    fn plan(&self, outlook: &Outlook) -> Result<BuiltSchedule, ConfigError> {
        let schedule = self.build(outlook)?;
        let steps = schedule.steps;
        let resolved = Self {
            lr: Some(schedule.lr),
            warmup: Length::Updates(schedule.warmup),
            decay: Length::Updates(schedule.decay),
            steps: Some(Length::Updates(steps)),
            ..self.clone()
        };
        Ok(BuiltSchedule::new(schedule, &resolved).lasting(steps))
    }
}

/// A rise, a plain, a fall; its one cycle ends with its last update.
#[derive(Debug, Clone, PartialEq)]
pub struct Wsd {
    lr: f64,
    warmup: u64,
    decay: u64,
    steps: u64,
    min_lr: f64,
    anneal: Fall,
}

impl Schedule for Wsd {
    fn lr(&self, step: u64) -> f64 {
        let height = if step >= self.steps {
            0.0
        } else if step < self.warmup {
            step as f64 / self.warmup as f64
        } else {
            let fallen = step.saturating_sub(self.steps - self.decay);
            let share = fallen as f64 / self.decay as f64;
            match self.anneal {
                Fall::Cos => (1.0 + (PI * share).cos()) / 2.0,
                Fall::Linear => 1.0 - share,
                Fall::Sqrt => 1.0 - share.sqrt(),
            }
        };
        self.min_lr + (self.lr - self.min_lr) * height
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

    fn build(text: &str) -> Result<Wsd, ConfigError> {
        let config: WsdConfig = text.parse::<Spec>()?.resolve()?;
        config.build(&Outlook::new(RunLength::new(10, 10, 1, 1), 2.0))
    }

    #[test]
    fn the_three_parts_meet() {
        let wsd = build("wsd(warmup=10, decay=40%, min_lr=1, anneal=sqrt)").unwrap();
        let rates = [0, 5, 10, 59, 60, 70, 100].map(|step| wsd.lr(step));
        assert_eq!(rates, [1.0, 1.5, 2.0, 2.0, 2.0, 1.5, 1.0]);
        let ends: Vec<_> = (0..200).filter(|step| wsd.ends_cycle(*step)).collect();
        assert_eq!(ends, [99]);
    }

    #[test]
    fn the_parts_must_fit() {
        for (text, needle) in [
            ("wsd(warmup=101)", "wsd: warmup = 101"),
            ("wsd(warmup=95)", "wsd: decay = 10%"),
            ("wsd(decay=0)", "wsd: decay = 0"),
        ] {
            let error = build(text).unwrap_err().to_string();
            assert!(error.contains(needle), "{text}: {error}");
        }
    }
}
