//! What a run leaves beside its best model: averages of its weights, and snapshots.

use firebrick_core::run::Scores;
use firebrick_core::state_dict::StateDict;
use firebrick_core::{Classifier, ConfigError, Recipe, Schedule};
use firebrick_ensemble::average::{AverageHook, Averaged, NamedAverage};
use firebrick_ensemble::snapshot::{Keep, Snapshots};
use firebrick_train::{Hook, TrainError};
use serde::{Deserialize, Serialize};

use crate::ModelInfo;

/// An average of a run's weights after the last update, or those weights themselves, named `raw`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AverageScores {
    /// The name of its unit, such as `ema`.
    pub name: String,
    /// Its model file, relative to the run directory.
    pub file: String,
    /// Its scores on the validation split.
    pub valid: Option<Scores>,
    /// Its scores on the test split.
    pub test: Option<Scores>,
}

/// The averages of a run with their names, filled when training is over.
pub(crate) type Averages = Vec<(String, Averaged)>;

/// Adds the hooks of averages to those of a run.
pub(crate) fn average<'a, M: Classifier>(
    averages: Vec<NamedAverage>,
    hooks: &mut Vec<Box<dyn Hook<M> + 'a>>,
) -> Averages {
    let hooked = averages.into_iter().map(|average| {
        let name = average.name.clone();
        let hook = AverageHook::new(average);
        let averaged = hook.averaged();
        hooks.push(Box::new(hook));
        (name, averaged)
    });
    hooked.collect()
}

/// The hook that saves snapshots, where the recipe asks for them. `updates` are those of the run.
///
/// # Errors
/// [`ConfigError`] for a schedule that ends no cycle, or fewer than are to be kept.
pub(crate) fn snapshots(
    recipe: &Recipe,
    info: ModelInfo,
    schedule: &dyn Schedule,
    updates: u64,
) -> Result<Option<Snapshots<'static>>, ConfigError> {
    let Some(keep) = &recipe.snapshots else {
        return Ok(None);
    };
    let keep: Keep = keep.parse()?;
    let ends = (0..updates).filter(|step| schedule.ends_cycle(*step));
    let cycles = ends.count();
    let least = match keep {
        Keep::All => 1,
        Keep::Last(count) => count,
    };
    if cycles < least {
        return Err(ConfigError::Conflict(format!(
            "snapshots = {keep}: the schedule `{}` ends {cycles} cycles in the {updates} updates of this run, but a snapshot is taken at the end of each; use one with more, such as snapshot_cosine(cycles=5)",
            recipe.schedule.name
        )));
    }
    let to_bytes = move |weights: &StateDict| {
        let bytes = info.to_bytes(weights);
        bytes.map_err(|error| TrainError::hook(Snapshots::NAME, error.to_string()))
    };
    Ok(Some(Snapshots::new(keep, Box::new(to_bytes))))
}
