//! `ema`: the exponential moving average of the weights.
//!
//! ```text
//! average ← average + (1 - d) (weights - average)
//! d = decay,  or with warm-up  min(decay, 1 - (1 + t / gamma)^-power),  t = step - start - 1
//! ```
//!
//! Reference: timm's `ModelEmaV3`, whose `update_after_step` is `start`; PyTorch's `AveragedModel` with
//! `get_ema_multi_avg_fn(decay)`. As in both, the first weights are copied. Differs from timm in that batch norm
//! statistics are recomputed instead of averaged.

use firebrick_core::ConfigError;
use firebrick_core::about::{About, Field, Range};
use firebrick_core::length::{Length, RunLength};
use serde::{Deserialize, Serialize};

use super::definition::{
    Average, AverageConfig, EVERY, RECOUNT, RECOUNT_BATCHES, START, Weighting,
};
use super::pace::Pace;

/// Configuration of the exponential moving average.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Ema {
    /// The share of the average that stays at each step, in [0, 1).
    pub decay: f64,
    /// Whether the decay rises from 0 to `decay`, so that early weights are soon forgotten.
    pub warmup: bool,
    /// The number of updates by which the warm-up is stretched, above 0.
    pub gamma: f64,
    /// How fast the warm-up is, above 0: 2/3 for long runs, 3/4 for shorter ones.
    pub power: f64,
    /// The updates before the average begins.
    pub start: Length,
    /// The updates from one step of the average to the next.
    pub every: Length,
    /// The training batches from which batch norm statistics are recomputed.
    pub recount: usize,
}

impl Default for Ema {
    fn default() -> Self {
        Self {
            decay: 0.999,
            warmup: false,
            gamma: 1.0,
            power: 2.0 / 3.0,
            start: Length::Updates(0),
            every: Length::Updates(1),
            recount: RECOUNT_BATCHES,
        }
    }
}

impl AverageConfig for Ema {
    const ABOUT: About = About::new(
        "ema",
        "exponential moving average of the weights",
        &[
            Field::new("decay", Range::Share),
            Field::new("warmup", Range::Flag),
            Field::new("gamma", Range::Positive),
            Field::new("power", Range::Positive),
            START,
            EVERY,
            RECOUNT,
        ],
    )
    .source("timm's ModelEmaV3; PyTorch's AveragedModel with get_ema_multi_avg_fn");

    fn average(&mut self, run: RunLength) -> Result<Average, ConfigError> {
        let pace = Pace::resolve(Self::ABOUT.name, &mut self.start, &mut self.every, run)?;
        let ema = self.clone();
        Ok(Average {
            pace,
            weighting: Weighting::Share(Box::new(move |step| ema.share(pace.start, step))),
            recount: self.recount,
            begins_epochs: false,
        })
    }
}

impl Ema {
    fn share(&self, start: u64, step: u64) -> f64 {
        if !self.warmup {
            return 1.0 - self.decay;
        }
        let since = step.saturating_sub(start + 1) as f64;
        let rising = 1.0 - (1.0 + since / self.gamma).powf(-self.power);
        1.0 - rising.min(self.decay)
    }
}
