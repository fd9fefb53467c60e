//! The images that `predict --nearest` and `serve` look for neighbours among.

use std::path::Path;

use firebrick::core::Recipe;
use firebrick::datasets::Split;
use firebrick::eval::EvalImages;
use firebrick::neighbours::{Among, Neighbours};
use firebrick::{Error, TrainedModel};

use crate::progress;
use crate::terminal;

/// The directory in a run directory that keeps the features of its training images.
const CACHE: &str = "features";

/// The training images of a run, at most `most`, with their features. The run directory keeps those.
pub(super) fn of_run(
    model: &TrainedModel,
    run: &Path,
    most: Option<usize>,
    quiet: bool,
) -> Result<Neighbours, Error> {
    let images = EvalImages {
        recipe: firebrick::run_recipe(run)?,
        held_out: false,
        split: Some(Split::Train),
        run: Some(run.into()),
        cache: super::data_cache(),
    };
    let (mut among, notes) = split(model, &images, most)?;
    let cache = run.join(CACHE);
    // A run directory that cannot be written to is no reason to do without.
    among.cache = std::fs::create_dir_all(&cache).ok().map(|()| cache);
    find(model, &among, &notes, quiet)
}

/// The images of a data set: its training split, or all of a folder without splits.
pub(super) fn of_data(
    model: &TrainedModel,
    dataset: &str,
    quiet: bool,
) -> Result<Neighbours, Error> {
    let images = EvalImages {
        recipe: Recipe {
            dataset: dataset.into(),
            valid_fraction: 0.0,
            ..Recipe::default()
        },
        held_out: false,
        split: Some(Split::Train),
        run: None,
        cache: super::data_cache(),
    };
    let (among, notes) = split(model, &images, None)?;
    find(model, &among, &notes, quiet)
}

fn split(
    model: &TrainedModel,
    images: &EvalImages,
    most: Option<usize>,
) -> Result<(Among, Vec<String>), Error> {
    Among::of_split(images, model.info.preprocessing.channels, most)
}

fn find(
    model: &TrainedModel,
    among: &Among,
    notes: &[String],
    quiet: bool,
) -> Result<Neighbours, Error> {
    let found = Neighbours::find(model, among, &mut progress::images(quiet))?;
    let notes = notes.iter().chain(&found.notes);
    notes.for_each(|note| terminal::notice(note));
    Ok(found)
}
