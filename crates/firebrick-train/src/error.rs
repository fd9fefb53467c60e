//! What can stop a training run.

use std::path::PathBuf;

use firebrick_core::ConfigError;
use firebrick_core::data::DataError;
use firebrick_core::state_dict::WeightsError;
use firebrick_core::update::UpdateError;

/// Why training stopped, could not start, or could not resume.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// A setting that cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A batch could not be made.
    #[error(transparent)]
    Data(#[from] DataError),
    /// Weights that do not fit.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// The optimizer could not go on, or its state does not fit.
    #[error(transparent)]
    Update(#[from] UpdateError),
    /// The loss or a gradient is not a finite number.
    #[error(
        "update {step}: {what} is NaN or infinite{}. Try a lower learning rate, gradient clipping (--clip-norm 1) or a warm-up; `--on-non-finite skip` leaves out such updates",
        .layer.as_ref().map_or(String::new(), |path| format!(", first in the gradient of `{path}`"))
    )]
    NonFinite {
        /// The update, from 0.
        step: u64,
        /// `the loss (NaN)` or `the gradient norm`.
        what: String,
        /// Path of the first parameter whose gradient is not finite.
        layer: Option<String>,
    },
    /// More updates were skipped than allowed.
    #[error(
        "update {step}: {skipped} updates had a NaN or infinite loss or gradient, more than the limit of {limit}; lower the learning rate"
    )]
    TooManySkipped {
        /// The update, from 0.
        step: u64,
        /// Updates skipped so far.
        skipped: u64,
        /// The limit.
        limit: u64,
    },
    /// A run directory that cannot be used.
    #[error("{}: {problem}", path.display())]
    RunDir {
        /// The directory or file.
        path: PathBuf,
        /// What is wrong and how to mend it.
        problem: String,
    },
    /// A checkpoint that cannot be used.
    #[error("checkpoint {}: {problem}", path.display())]
    Checkpoint {
        /// The checkpoint.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A hook failed.
    #[error("hook `{hook}`: {problem}")]
    Hook {
        /// The hook's name.
        hook: String,
        /// What went wrong.
        problem: String,
    },
}

impl TrainError {
    pub(crate) fn run_dir(path: impl Into<PathBuf>, problem: impl Into<String>) -> Self {
        Self::RunDir {
            path: path.into(),
            problem: problem.into(),
        }
    }

    /// A hook that failed.
    pub fn hook(hook: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Hook {
            hook: hook.into(),
            problem: problem.into(),
        }
    }

    pub(crate) fn checkpoint(path: impl Into<PathBuf>, problem: impl Into<String>) -> Self {
        Self::Checkpoint {
            path: path.into(),
            problem: problem.into(),
        }
    }
}
