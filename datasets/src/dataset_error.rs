//! Why a data set cannot be opened.

use std::path::PathBuf;

use firebrick_types::ConfigError;
use firebrick_types::data::DataError;

/// Why a data set cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatasetError {
    /// An unknown name, option or value.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Files that cannot be read, or not be downloaded.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A known set whose files are not there.
    #[error(
        "the files of `{name}` ({files}) are not in {}: get them with `firebrick datasets fetch \
         {name}`, or name the directory that holds them with --data-dir DIR",
        directory.display()
    )]
    Missing {
        /// The data set.
        name: String,
        /// Where they were looked for.
        directory: PathBuf,
        /// The names of the files.
        files: String,
    },
}
