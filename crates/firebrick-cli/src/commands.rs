//! One file for each command.

pub(crate) mod completions;
pub(crate) mod datasets;
pub(crate) mod devices;
pub(crate) mod eval;
pub(crate) mod groups;
pub(crate) mod lr_find;
pub(crate) mod man;
pub(crate) mod models;
pub(crate) mod optim;
pub(crate) mod predict;
pub(crate) mod recipes;
pub(crate) mod report;
pub(crate) mod runs;
pub(crate) mod schedule;
pub(crate) mod search;
pub(crate) mod train;

use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// Turns the CPU kernels off, or on, as `FIREBRICK_KERNELS` says.
pub(crate) fn switch_kernels() -> Result<(), Failure> {
    const NAME: &str = "FIREBRICK_KERNELS";
    let Some(value) = std::env::var_os(NAME).filter(|value| !value.is_empty()) else {
        return Ok(());
    };
    let on = match value.to_str() {
        Some("on" | "1") => true,
        Some("off" | "0") => false,
        _ => {
            let value = value.display();
            return Err(Failure::Usage(format!(
                "{NAME} is `{value}`; it must be `on` or `off`"
            )));
        }
    };
    firebrick::core::kernels::enable(on);
    Ok(())
}

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
