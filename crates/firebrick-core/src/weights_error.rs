//! Why weights cannot be loaded.

use std::path::PathBuf;

/// Why weights cannot be read or do not fit a model.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WeightsError {
    /// The file system refused.
    #[error("cannot read the weights {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Not a weights file that can be read.
    #[error("{}: not a readable weights file (safetensors, or what torch.save writes): {reason}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Keys or shapes that are not the model's.
    #[error("the weights do not fit the model: {0}")]
    Mismatch(String),
}
