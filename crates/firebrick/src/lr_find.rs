//! The learning-rate range test of a recipe.

use std::path::Path;

use firebrick_core::spec::Spec;
use firebrick_core::{Recipe, error};
use firebrick_train::lr_find::{LrCurve, Sweep};

use crate::Error;
use crate::lone_image::train_loader;
use crate::memory;
use crate::prepared::Prepared;
use crate::settings::{loss, planned, run_length, train_config};
use crate::start::initial_model;

/// Runs the test with the model, data, optimizer and groups of a recipe; its schedule does not count.
/// `cache` is where data sets lie when the recipe does not say; `notice` is told what a person should
/// know. Where the free memory is known, in bytes, a recipe that cannot fit is refused. Nothing is written.
///
/// # Errors
/// [`Error`] naming the setting or file.
pub fn lr_find(
    recipe: &Recipe,
    cache: &Path,
    free_memory: Option<u64>,
    sweep: Sweep,
    notice: &mut dyn FnMut(&str),
) -> Result<LrCurve, Error> {
    sweep.check()?;
    let device = firebrick_core::device(&recipe.device)?.autodiff();
    let mut recipe = recipe.clone();
    recipe.model = firebrick_zoo::canonical(&recipe.model)?;
    // However short the recipe's own run, the sweep has its updates.
    error::check("recipe", "accumulate", recipe.accumulate, 1..)?;
    let config = train_config(&recipe)?;
    config.check()?;
    let loss = loss(&recipe)?;
    let prepared = Prepared::open(&recipe, cache)?;
    loss.check_classes(prepared.splits.train.classes().len())?;
    memory::check(&recipe, &prepared.input(), free_memory)?;
    let (mut loader, _) = train_loader(&recipe, &prepared, &device)?;
    recipe.schedule = Spec::new("constant");
    (recipe.momentum_schedule, recipe.weight_decay_schedule) = (None, None);
    let planned = planned(&recipe, run_length(&recipe, &loader))?;
    let model = initial_model(&recipe, &prepared, &device, notice)?;
    let (curve, _) =
        firebrick_train::lr_find(&model, planned.update, &*loss, &mut loader, &config, sweep)?;
    Ok(curve)
}
