//! What can be wrong with features, their cache, and what is made of them.

use std::path::PathBuf;

use firebrick_types::ConfigError;
use firebrick_types::error::visible;

/// Why features cannot be read or used. The message says what is wrong, where, and how to mend it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransferError {
    /// A setting that cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The file system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file of features that cannot be used.
    #[error("{}: {problem}", path.display())]
    Cache {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        problem: String,
    },
    /// Features or labels that do not go together.
    #[error("{0}")]
    Features(String),
    /// A feature that is no number.
    #[error(
        "the features of `{}` are not finite ({value} in column {column}): its image or the weights of the model are damaged",
        visible(.image)
    )]
    NotFinite {
        /// The image.
        image: String,
        /// The column, from 0.
        column: usize,
        /// What stands there.
        value: f32,
    },
    /// Something that cannot be fitted.
    #[error("{what} cannot be fitted: {problem}")]
    Fit {
        /// What.
        what: &'static str,
        /// Why not.
        problem: String,
    },
}

impl TransferError {
    pub(crate) fn io(path: impl Into<PathBuf>, source: std::io::Error) -> Self {
        Self::Io {
            path: path.into(),
            source,
        }
    }

    pub(crate) fn cache(path: impl Into<PathBuf>, problem: impl Into<String>) -> Self {
        Self::Cache {
            path: path.into(),
            problem: problem.into(),
        }
    }

    pub(crate) fn fit(what: &'static str, problem: impl Into<String>) -> Self {
        Self::Fit {
            what,
            problem: problem.into(),
        }
    }
}
