//! `batch_scaled`: another schedule, times what the batch is to a reference batch.
//!
//! ```text
//! lr(k) = then(k) · batch / base_batch      (linear)
//! lr(k) = then(k) · √(batch / base_batch)   (sqrt)
//! ```
//!
//! The batch is all images of one update, over all batches that are accumulated. Momentum and weight
//! decay that the schedule gives are not scaled.
//!
//! Source: linear, Goyal et al., "Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour", 2017,
//! section 2.1; square root, Krizhevsky, "One weird trick for parallelizing convolutional neural
//! networks", 2014, section 5, which adaptive rules keep to (Malladi et al., 2022). Reference: timm's
//! `--lr-base`, `--lr-base-size`, `--lr-base-scale`.

use firebrick_core::about::{About, Field, Range};
use firebrick_core::schedule::Observation;
use firebrick_core::spec::Spec;
use firebrick_core::{ConfigError, Schedule};
use serde::{Deserialize, Serialize};

use super::outlook::{BuiltSchedule, Outlook, ScheduleConfig};

/// The name in spec strings.
pub const NAME: &str = "batch_scaled";

/// How the rate follows the batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scaling {
    /// As it is.
    #[default]
    Linear,
    /// By its square root.
    Sqrt,
}

/// Configuration of [`BatchScaled`]: `batch_scaled(256, then=cosine(0.1))`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BatchScaledConfig {
    /// The batch at which the rate is that of `then`, at least 1.
    pub base_batch: u64,
    /// How the rate follows the batch.
    pub rule: Scaling,
    /// The schedule that is scaled.
    pub then: Spec,
}

impl Default for BatchScaledConfig {
    fn default() -> Self {
        Self {
            base_batch: 256,
            rule: Scaling::Linear,
            then: Spec::new("constant"),
        }
    }
}

impl BatchScaledConfig {
    /// The schedule.
    ///
    /// # Errors
    /// [`ConfigError`] naming the field, here or in what is scaled; [`ConfigError::Conflict`] where the
    /// batch is not known.
    pub fn build(&self, outlook: &Outlook) -> Result<BatchScaled, ConfigError> {
        self.parts(outlook).map(|(scaled, _)| scaled)
    }

    /// The schedule, and what is scaled with everything filled in.
    fn parts(&self, outlook: &Outlook) -> Result<(BatchScaled, BuiltSchedule), ConfigError> {
        Self::ABOUT.check(self)?;
        let mut then = (outlook.build)(&self.then, outlook)?;
        let Some(batch) = outlook.batch.filter(|batch| *batch > 0) else {
            return Err(ConfigError::Conflict(format!(
                "{NAME} needs the batch size: give it with `--batch-size`, or in a program as `batch` of the `Request`"
            )));
        };
        let ratio = batch as f64 / self.base_batch as f64;
        let factor = match self.rule {
            Scaling::Linear => ratio,
            Scaling::Sqrt => ratio.sqrt(),
        };
        let schedule = std::mem::replace(&mut then.schedule, Box::new(0.0));
        Ok((BatchScaled { factor, schedule }, then))
    }
}

impl ScheduleConfig for BatchScaledConfig {
    const ABOUT: About = About::new(
        NAME,
        "another schedule, scaled by batch size / base_batch or its square root",
        &[
            Field::new("base_batch", Range::Count(1)),
            Field::new("rule", Range::Choice(&["linear", "sqrt"])),
            Field::new("then", Range::Unit("schedule")),
        ],
    );

    fn plan(&self, outlook: &Outlook) -> Result<BuiltSchedule, ConfigError> {
        let (scaled, then) = self.parts(outlook)?;
        let resolved = Self {
            then: then.spec,
            ..self.clone()
        };
        Ok(BuiltSchedule {
            lasts: then.lasts,
            ..BuiltSchedule::new(scaled, &resolved)
        })
    }
}

/// A schedule times a factor.
#[derive(Debug)]
pub struct BatchScaled {
    factor: f64,
    schedule: Box<dyn Schedule>,
}

impl Schedule for BatchScaled {
    fn lr(&self, step: u64) -> f64 {
        (self.factor * self.schedule.lr(step)).min(f64::MAX)
    }

    fn ends_cycle(&self, step: u64) -> bool {
        self.schedule.ends_cycle(step)
    }

    fn momentum(&self, step: u64) -> Option<f64> {
        self.schedule.momentum(step)
    }

    fn weight_decay(&self, step: u64) -> Option<f64> {
        self.schedule.weight_decay(step)
    }

    fn length(&self) -> Option<u64> {
        self.schedule.length()
    }

    fn observe(&mut self, epoch: Observation) {
        self.schedule.observe(epoch);
    }
}

#[cfg(test)]
mod tests {
    use firebrick_core::length::RunLength;

    use super::*;

    #[test]
    fn the_batch_must_be_known() {
        let run = RunLength::new(1, 10, 1, 1);
        let config = BatchScaledConfig {
            base_batch: 64,
            ..BatchScaledConfig::default()
        };
        let rate = |config: &BatchScaledConfig, batch| {
            let outlook = Outlook {
                batch,
                ..Outlook::new(run, 0.5)
            };
            config.build(&outlook).map(|schedule| schedule.lr(3))
        };
        assert_eq!(rate(&config, Some(256)).unwrap(), 2.0);
        let sqrt = BatchScaledConfig {
            rule: Scaling::Sqrt,
            ..config.clone()
        };
        assert_eq!(rate(&sqrt, Some(256)).unwrap(), 1.0);
        let error = rate(&config, None).unwrap_err().to_string();
        assert!(error.contains("--batch-size"), "{error}");
    }
}
