//! One file for each command.

pub(crate) mod datasets;
pub(crate) mod devices;
pub(crate) mod eval;
pub(crate) mod models;
pub(crate) mod predict;
pub(crate) mod recipes;
pub(crate) mod report;
pub(crate) mod train;

use std::path::{Path, PathBuf};

/// Where data sets lie when no flag says: `FIREBRICK_DATA`, else the user's cache directory.
fn data_cache() -> PathBuf {
    let directory = |name: &str| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    directory("FIREBRICK_DATA")
        .or_else(|| directory("XDG_CACHE_HOME").map(|cache| cache.join("firebrick")))
        .or_else(|| directory("HOME").map(|home| home.join(".cache").join("firebrick")))
        .or_else(|| directory("LOCALAPPDATA").map(|cache| cache.join("firebrick")))
        .unwrap_or_else(|| Path::new("data").into())
}
