//! `switch_ema`: an exponential moving average from which each epoch begins.
//!
//! At the end of each epoch the weights in training become the average, which goes on from there. The state of the
//! optimizer and the running statistics of batch norm stay.
//!
//! Source: Li, Liu, Tian, Wang et al., "Switch EMA: A Free Lunch for Better Flatness and Sharpness", 2024, algorithm 1.

use firebrick_core::ConfigError;
use firebrick_core::about::{About, Field, Range};
use firebrick_core::length::{Length, RunLength};
use serde::{Deserialize, Serialize};

use super::definition::{
    Average, AverageConfig, EVERY, RECOUNT, RECOUNT_BATCHES, START, Weighting,
};
use super::pace::Pace;

/// Configuration of the switch EMA.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SwitchEma {
    /// The share of the average that stays at each step, in [0, 1).
    pub decay: f64,
    /// The updates before the average begins.
    pub start: Length,
    /// The updates from one step of the average to the next.
    pub every: Length,
    /// The training batches from which batch norm statistics are recomputed.
    pub recount: usize,
}

impl Default for SwitchEma {
    fn default() -> Self {
        Self {
            decay: 0.999,
            start: Length::Updates(0),
            every: Length::Updates(1),
            recount: RECOUNT_BATCHES,
        }
    }
}

impl AverageConfig for SwitchEma {
    const ABOUT: About = About::new(
        "switch_ema",
        "exponential moving average from which each epoch begins",
        &[Field::new("decay", Range::Share), START, EVERY, RECOUNT],
    )
    .source("Li et al. 2024, Switch EMA, algorithm 1");

    fn average(&mut self, run: RunLength) -> Result<Average, ConfigError> {
        let share = 1.0 - self.decay;
        Ok(Average {
            pace: Pace::resolve(Self::ABOUT.name, &mut self.start, &mut self.every, run)?,
            weighting: Weighting::Share(Box::new(move |_| share)),
            recount: self.recount,
            begins_epochs: true,
        })
    }
}
