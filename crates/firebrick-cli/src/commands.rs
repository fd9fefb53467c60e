//! The commands, one file for each.

pub(crate) mod augment;
pub(crate) mod average;
pub(crate) mod completions;
pub(crate) mod datasets;
pub(crate) mod devices;
pub(crate) mod dropout;
pub(crate) mod ensemble;
pub(crate) mod eval;
pub(crate) mod export;
pub(crate) mod groups;
mod listing;
pub(crate) mod loss;
pub(crate) mod lr_find;
pub(crate) mod man;
pub(crate) mod mix;
pub(crate) mod models;
pub(crate) mod optim;
pub(crate) mod penalty;
mod picture_name;
mod plain_weights;
pub(crate) mod predict;
pub(crate) mod recipes;
pub(crate) mod report;
pub(crate) mod runs;
pub(crate) mod sampling;
pub(crate) mod schedule;
pub(crate) mod search;
pub(crate) mod serve;
pub(crate) mod train;
pub(crate) mod tta;

use std::path::{Path, PathBuf};

use firebrick::Sources;
use firebrick::core::Recipe;

use crate::failure::Failure;
use crate::free_memory::free_memory;
use crate::home;

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

/// The recipe with this name, or in this file.
fn recipe(name: &str) -> Result<Recipe, Failure> {
    home::in_recipe(firebrick::recipe(name)?)
}

/// Where the data and the models of recipes come from, and how much memory there is for them.
fn sources() -> Sources {
    Sources {
        free_memory: free_memory(),
        ..Sources::in_cache(data_cache())
    }
}

/// Writes a file that was asked for.
fn write_file(path: &Path, content: impl AsRef<[u8]>) -> Result<(), Failure> {
    std::fs::write(path, content)
        .map_err(|error| Failure::Work(format!("cannot write {}: {error}", path.display())))
}

/// Where data sets lie when no flag says: `FIREBRICK_DATA`, else the user's cache directory.
fn data_cache() -> PathBuf {
    let directory = |name: &str| {
        let value = std::env::var_os(name).filter(|value| !value.is_empty())?;
        let whole = value.to_str().map(home::in_text);
        Some(match whole {
            Some(Ok(path)) => path.into(),
            _ => PathBuf::from(value),
        })
    };
    directory("FIREBRICK_DATA")
        .or_else(|| directory("XDG_CACHE_HOME").map(|cache| cache.join("firebrick")))
        .or_else(|| directory("HOME").map(|home| home.join(".cache").join("firebrick")))
        .or_else(|| directory("LOCALAPPDATA").map(|cache| cache.join("firebrick")))
        .unwrap_or_else(|| Path::new("data").into())
}
