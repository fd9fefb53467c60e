//! `lawa`: the mean of the latest weights, taken in once an epoch.
//!
//! Each of them is kept in memory and in checkpoints.
//!
//! Source: Kaddour, "Stop Wasting My Time! Saving Days of ImageNet and BERT Training with Latest Weight Averaging",
//! 2022, section 3.

use firebrick_core::ConfigError;
use firebrick_core::about::{About, Field, Range};
use firebrick_core::length::{Length, RunLength};
use serde::{Deserialize, Serialize};

use super::definition::{
    Average, AverageConfig, EVERY, RECOUNT, RECOUNT_BATCHES, START, Weighting,
};
use super::pace::Pace;

/// Configuration of latest weight averaging.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Lawa {
    /// The number of weights of which it is the mean, in [1, 100].
    pub k: usize,
    /// The updates before the average begins.
    pub start: Length,
    /// The updates from one time that weights are taken in to the next.
    pub every: Length,
    /// The training batches from which batch norm statistics are recomputed.
    pub recount: usize,
}

impl Default for Lawa {
    fn default() -> Self {
        Self {
            k: 6,
            start: Length::Updates(0),
            every: Length::Epochs(1.0),
            recount: RECOUNT_BATCHES,
        }
    }
}

impl AverageConfig for Lawa {
    const ABOUT: About = About::new(
        "lawa",
        "mean of the latest k weights (latest weight averaging)",
        &[Field::new("k", Range::Whole(1, 100)), START, EVERY, RECOUNT],
    )
    .source("Kaddour 2022");

    fn average(&mut self, run: RunLength) -> Result<Average, ConfigError> {
        Ok(Average {
            pace: Pace::resolve(Self::ABOUT.name, &mut self.start, &mut self.every, run)?,
            weighting: Weighting::Latest(self.k),
            recount: self.recount,
            begins_epochs: false,
        })
    }
}
