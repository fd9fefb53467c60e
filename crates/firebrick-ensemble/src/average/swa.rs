//! `swa`: stochastic weight averaging, the mean of the weights at the ends of the last epochs.
//!
//! The rate that the paper advises for the averaged part is constant and high, or cyclic:
//! `sequence([cosine(0.1, steps=75%, min_lr=0.05), constant(0.05)], [75%])`, or with `cyclic` in place of `constant` and
//! `every` as long as a cycle.
//!
//! Source: Izmailov et al., "Averaging Weights Leads to Wider Optima and Better Generalization", UAI 2018, algorithm 1.
//! Reference: PyTorch's `AveragedModel` and `update_bn`.

use firebrick_core::ConfigError;
use firebrick_core::about::About;
use firebrick_core::length::{Length, RunLength};
use serde::{Deserialize, Serialize};

use super::definition::{
    Average, AverageConfig, EVERY, RECOUNT, RECOUNT_BATCHES, START, Weighting,
};
use super::pace::Pace;

/// Configuration of stochastic weight averaging.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Swa {
    /// The updates before the average begins.
    pub start: Length,
    /// The updates from one time that weights are taken in to the next.
    pub every: Length,
    /// The training batches from which batch norm statistics are recomputed.
    pub recount: usize,
}

impl Default for Swa {
    fn default() -> Self {
        Self {
            start: Length::Share(0.75),
            every: Length::Epochs(1.0),
            recount: RECOUNT_BATCHES,
        }
    }
}

impl AverageConfig for Swa {
    const ABOUT: About = About::new(
        "swa",
        "mean of the weights at the ends of the last epochs (stochastic weight averaging)",
        &[START, EVERY, RECOUNT],
    )
    .source("Izmailov et al. 2018; PyTorch's AveragedModel");

    fn average(&mut self, run: RunLength) -> Result<Average, ConfigError> {
        Ok(Average {
            pace: Pace::resolve(Self::ABOUT.name, &mut self.start, &mut self.every, run)?,
            weighting: Weighting::Mean,
            recount: self.recount,
            begins_epochs: false,
        })
    }
}
