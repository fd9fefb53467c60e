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
pub(crate) mod features;
pub(crate) mod groups;
mod listing;
pub(crate) mod loss;
pub(crate) mod lr_find;
pub(crate) mod man;
pub(crate) mod mix;
pub(crate) mod models;
mod nearest_images;
mod new_model;
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
pub(crate) mod transfer;
pub(crate) mod tta;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use clap::builder::{PossibleValuesParser, TypedValueParser};
use firebrick::Sources;
use firebrick::core::Recipe;
use firebrick::datasets::OnBadImage;
use firebrick::weights::WeightsPlace;
use indicatif::ProgressBar;

use crate::failure::Failure;
use crate::free_memory::free_memory;
use crate::{home, terminal};

/// Reads the value of `--on-bad-image`.
fn on_bad_image() -> impl TypedValueParser<Value = OnBadImage> {
    PossibleValuesParser::new(["fail", "skip"]).map(|text| match text.as_str() {
        "skip" => OnBadImage::Skip,
        _ => OnBadImage::Fail,
    })
}

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
        weights: weights_place(),
        ..Sources::in_cache(data_cache())
    }
}

/// Where published weights lie and come from: the directory `weights` in the cache directory, and the hub that `HF_ENDPOINT` names.
fn weights_place() -> WeightsPlace {
    let place = WeightsPlace::at(data_cache().join("weights"));
    let endpoint = std::env::var("HF_ENDPOINT").ok();
    let bar: Mutex<Option<(String, ProgressBar)>> = Mutex::new(None);
    WeightsPlace {
        hub: endpoint.filter(|hub| !hub.is_empty()).unwrap_or(place.hub),
        progress: Some(Arc::new(move |name, done, total| {
            let Ok(mut bar) = bar.lock() else { return };
            if bar.as_ref().is_none_or(|(shown, _)| shown != name) {
                terminal::notice(&format!("downloading {name}"));
                *bar = Some((name.to_string(), ProgressBar::new(total.unwrap_or(0))));
            }
            if let Some((_, bar)) = &*bar {
                bar.set_position(done);
            }
        })),
        ..place
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
