//! The error type of all jobs.

use firebrick_core::data::DataError;
use firebrick_core::state_dict::WeightsError;
use firebrick_core::{ConfigError, DeviceError};
use firebrick_datasets::registry::DatasetError;
use firebrick_ensemble::EnsembleError;
use firebrick_ensemble::manifest::ManifestError;
use firebrick_optim::race::RaceError;
use firebrick_train::TrainError;
use firebrick_transfer::TransferError;

/// Why a job failed. The message is one paragraph for a person.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting that cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A device that is not there.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// Data that cannot be read.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A data set that cannot be opened or fetched.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// Weights that cannot be read or do not fit.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// Training stopped, could not start, or could not resume.
    #[error(transparent)]
    Train(TrainError),
    /// A directory that is no ensemble.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// Members that cannot be read, combined or scored together.
    #[error(transparent)]
    Ensemble(EnsembleError),
    /// Features that cannot be read, kept or used.
    #[error(transparent)]
    Transfer(TransferError),
    /// An optimizer gave up in a race.
    #[error(transparent)]
    Race(RaceError),
    /// A model file without what evaluation and prediction need.
    #[error("{path}: {problem}")]
    ModelFile {
        /// The file.
        path: String,
        /// What is wrong.
        problem: String,
    },
}

impl From<TrainError> for Error {
    fn from(error: TrainError) -> Self {
        match error {
            TrainError::Config(error) => Self::Config(error),
            TrainError::Data(error) => Self::Data(error),
            TrainError::Weights(error) => Self::Weights(error),
            error => Self::Train(error),
        }
    }
}

impl From<EnsembleError> for Error {
    fn from(error: EnsembleError) -> Self {
        match error {
            EnsembleError::Config(error) => Self::Config(error),
            error => Self::Ensemble(error),
        }
    }
}

impl From<TransferError> for Error {
    fn from(error: TransferError) -> Self {
        match error {
            TransferError::Config(error) => Self::Config(error),
            error => Self::Transfer(error),
        }
    }
}

impl From<RaceError> for Error {
    fn from(error: RaceError) -> Self {
        match error {
            RaceError::Config(error) => Self::Config(error),
            error => Self::Race(error),
        }
    }
}

impl Error {
    /// Whether the settings are at fault, rather than the work.
    #[must_use]
    pub fn is_usage(&self) -> bool {
        matches!(
            self,
            Self::Config(_) | Self::Device(_) | Self::Dataset(DatasetError::Config(_))
        )
    }
}
