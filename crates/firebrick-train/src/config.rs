//! The settings of the training loop.

use serde::{Deserialize, Serialize};

use firebrick_core::error::{check, check_positive};
use firebrick_core::run::EpochRow;
use firebrick_core::{Clipping, ConfigError, Groups};

/// The most epochs, and batches of an update: their products are counted in 64 bits.
const MOST: u64 = 1_000_000_000;

/// How to train. Everything here is plain data; [`TrainConfig::check`] is the one door.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainConfig {
    /// Passes over the training data.
    pub epochs: u64,
    /// Micro-batches whose gradients are averaged into one update.
    pub accumulate: u64,
    /// Limits of the gradients.
    pub clipping: Clipping,
    /// Seed of everything random during training.
    pub seed: u64,
    /// What to do about a loss or gradient that is not finite.
    pub on_non_finite: OnNonFinite,
    /// Epochs without improvement of `monitor` after which training stops.
    pub early_stop: Option<u64>,
    /// What "best" means.
    pub monitor: Monitor,
    /// Updates after which training stops, whatever the epoch.
    pub max_updates: Option<u64>,
    /// Seconds of training after which it stops.
    pub max_seconds: Option<f64>,
    /// Updates between checkpoints; one is also written at the start and after each epoch.
    pub checkpoint_every: Option<u64>,
    /// Best checkpoints to keep, beside the last two.
    pub keep: usize,
    /// Rates by parameter. Their optimizers are the update's matter, not the loop's.
    pub groups: Groups,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            epochs: 10,
            accumulate: 1,
            clipping: Clipping::default(),
            seed: 0,
            on_non_finite: OnNonFinite::Stop,
            early_stop: None,
            monitor: Monitor::ValidTop1,
            max_updates: None,
            max_seconds: None,
            checkpoint_every: None,
            keep: 1,
            groups: Groups::default(),
        }
    }
}

/// What to do about a loss or gradient that is not finite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum OnNonFinite {
    /// Stop with the update and the layer.
    #[default]
    Stop,
    /// Leave the update out; stop when `limit` updates have been left out.
    Skip {
        /// The most updates to leave out in one run.
        limit: u64,
    },
}

/// The metric that says which epoch is best.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum Monitor {
    /// Validation accuracy, higher is better.
    #[default]
    ValidTop1,
    /// Validation top-5 accuracy, higher is better.
    ValidTop5,
    /// Validation loss, lower is better.
    ValidLoss,
    /// Validation negative log-likelihood, lower is better.
    ValidNll,
    /// Validation expected calibration error, lower is better.
    ValidEce,
    /// Validation Brier score, lower is better.
    ValidBrier,
    /// Training loss, lower is better.
    TrainLoss,
    /// Training accuracy, higher is better.
    TrainTop1,
}

impl Monitor {
    /// All of them, by name.
    pub const ALL: [(&'static str, Self); 8] = [
        ("valid_top1", Self::ValidTop1),
        ("valid_top5", Self::ValidTop5),
        ("valid_loss", Self::ValidLoss),
        ("valid_nll", Self::ValidNll),
        ("valid_ece", Self::ValidEce),
        ("valid_brier", Self::ValidBrier),
        ("train_loss", Self::TrainLoss),
        ("train_top1", Self::TrainTop1),
    ];

    /// The metric that a name selects.
    ///
    /// # Errors
    /// [`ConfigError::UnknownName`] with the nearest name.
    pub fn from_name(name: &str) -> Result<Self, ConfigError> {
        let found = Self::ALL.iter().find(|(known, _)| *known == name);
        found.map(|(_, monitor)| *monitor).ok_or_else(|| {
            ConfigError::unknown_name("metric", name, Self::ALL.map(|(name, _)| name))
        })
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(_, monitor)| *monitor == self)
            .map_or("", |(name, _)| *name)
    }

    /// Its value in an epoch; the training counterpart where there is no validation split.
    #[must_use]
    pub fn value(self, row: &EpochRow) -> f64 {
        match (self, &row.valid) {
            (Self::ValidTop1, Some(valid)) => valid.top1,
            (Self::ValidTop5, Some(valid)) => valid.top5,
            (Self::ValidLoss, Some(valid)) => valid.loss,
            (Self::ValidNll, Some(valid)) => valid.nll,
            (Self::ValidEce, Some(valid)) => valid.ece,
            (Self::ValidBrier, Some(valid)) => valid.brier,
            (Self::TrainTop1, _) => row.train_top1,
            (Self::TrainLoss, _) => row.train_loss,
            (other, None) => other.without_validation().value(row),
        }
    }

    /// What stands in for it where there are no validation images: the training counterpart.
    #[must_use]
    pub fn without_validation(self) -> Self {
        match self {
            Self::ValidTop1 | Self::ValidTop5 | Self::TrainTop1 => Self::TrainTop1,
            _ => Self::TrainLoss,
        }
    }

    /// Its value in an epoch such that higher is better and what is not a number is worst.
    pub(crate) fn merit(self, row: &EpochRow) -> f64 {
        let value = self.value(row);
        if value.is_nan() {
            f64::NEG_INFINITY
        } else if self.higher_is_better() {
            value
        } else {
            -value
        }
    }

    pub(crate) fn higher_is_better(self) -> bool {
        matches!(self, Self::ValidTop1 | Self::ValidTop5 | Self::TrainTop1)
    }

    /// Whether `new` is better than `old`; a NaN never is.
    #[must_use]
    pub fn improves(self, new: f64, old: f64) -> bool {
        if self.higher_is_better() {
            new > old
        } else {
            new < old
        }
    }
}

impl TrainConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError::OutOfRange`] naming the field.
    pub fn check(&self) -> Result<(), ConfigError> {
        check("train", "epochs", self.epochs, 1..=MOST)?;
        check("train", "accumulate", self.accumulate, 1..=MOST)?;
        check("train", "keep", self.keep, 1..)?;
        self.clipping.check()?;
        self.max_seconds.map_or(Ok(()), |seconds| {
            check_positive("train", "max_seconds", seconds)
        })?;
        for (field, value) in [
            ("early_stop", self.early_stop),
            ("max_updates", self.max_updates),
            ("checkpoint_every", self.checkpoint_every),
        ] {
            value.map_or(Ok(()), |value| check("train", field, value, 1..))?;
        }
        self.groups.check()
    }
}
