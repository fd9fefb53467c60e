//! `polyak`: the mean of the weights after every update.
//!
//! Source: Polyak and Juditsky, "Acceleration of Stochastic Approximation by Averaging", SIAM Journal on Control and
//! Optimization 30, 1992; Ruppert 1988. The lecture's "Polyak averaging", an average that forgets, is [`ema`](super::ema)
//! with a decay of 0.995.
//! Reference: PyTorch's `AveragedModel`.

use firebrick_core::ConfigError;
use firebrick_core::about::About;
use firebrick_core::length::{Length, RunLength};
use serde::{Deserialize, Serialize};

use super::definition::{
    Average, AverageConfig, EVERY, RECOUNT, RECOUNT_BATCHES, START, Weighting,
};
use super::pace::Pace;

/// Configuration of Polyak–Ruppert averaging.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Polyak {
    /// The updates before the average begins.
    pub start: Length,
    /// The updates from one time that weights are taken in to the next.
    pub every: Length,
    /// The training batches from which batch norm statistics are recomputed.
    pub recount: usize,
}

impl Default for Polyak {
    fn default() -> Self {
        Self {
            start: Length::Updates(0),
            every: Length::Updates(1),
            recount: RECOUNT_BATCHES,
        }
    }
}

impl AverageConfig for Polyak {
    const ABOUT: About = About::new(
        "polyak",
        "mean of the weights after every update (Polyak-Ruppert averaging)",
        &[START, EVERY, RECOUNT],
    )
    .source("Polyak and Juditsky 1992; PyTorch's AveragedModel");

    fn average(&mut self, run: RunLength) -> Result<Average, ConfigError> {
        Ok(Average {
            pace: Pace::resolve(Self::ABOUT.name, &mut self.start, &mut self.every, run)?,
            weighting: Weighting::Mean,
            recount: self.recount,
            begins_epochs: false,
        })
    }
}
