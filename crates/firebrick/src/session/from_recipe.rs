//! What the settings of a recipe become: the configuration of the loop, the loss, the penalties, the averages, the optimizer
//! with its schedules, and the length of the run.

use firebrick_core::data::BatchSource;
use firebrick_core::length::RunLength;
use firebrick_core::loss::Loss;
use firebrick_core::penalty::Penalties;
use firebrick_core::schedule::Delayed;
use firebrick_core::spec::Spec;
use firebrick_core::{Clipping, ConfigError, Groups, Recipe};
use firebrick_datasets::Loader;
use firebrick_ensemble::average::{self, NamedAverage};
use firebrick_optim::{Plan, Request, grouped};
use firebrick_train::{Monitor, OnNonFinite, TrainConfig};
use firebrick_zoo::Normalization;
use serde::{Deserialize, Serialize};

use crate::own_program;
use crate::prepared::Prepared;

/// Writes what was found and planned into the recipe.
pub(super) fn resolve(recipe: &mut Recipe, plan: &Plan, loss: &dyn Loss, data: &Prepared) {
    recipe.optimizer = plan.optimizer.clone();
    recipe.schedule = plan.schedule_spec.clone();
    recipe.momentum_schedule = plan.momentum_schedule.clone();
    recipe.weight_decay_schedule = plan.weight_decay_schedule.clone();
    recipe.lr = None;
    recipe.loss = loss.spec();
    recipe.class_weights = None;
    recipe.normalize = Normalization {
        mean: data.preprocessing.mean.clone(),
        std: data.preprocessing.std.clone(),
    }
    .to_string();
    recipe.crop_pct = Some(data.preprocessing.crop);
    recipe.interpolation = Some(data.preprocessing.filter);
    let of_any_size = data.splits.size.is_none();
    recipe.image_size = recipe
        .image_size
        .or(of_any_size.then_some(data.preprocessing.height));
}

/// The settings of the loop.
pub(super) fn train_config(recipe: &Recipe) -> Result<TrainConfig, ConfigError> {
    Ok(TrainConfig {
        epochs: recipe.epochs,
        accumulate: recipe.accumulate,
        clipping: Clipping {
            value: recipe.clip_value,
            tensor_norm: recipe.clip_tensor_norm,
            agc: recipe.clip_agc,
            norm: recipe.clip_norm,
        },
        seed: recipe.seed,
        on_non_finite: on_non_finite(&recipe.on_non_finite)?,
        early_stop: recipe.early_stop,
        monitor: Monitor::from_name(&recipe.monitor)?,
        max_updates: recipe.max_updates,
        max_seconds: recipe.max_seconds,
        checkpoint_every: recipe.checkpoint_every,
        keep: recipe.keep,
        groups: groups(recipe),
    })
}

/// What makes parameters differ in rate and decay.
fn groups(recipe: &Recipe) -> Groups {
    Groups {
        rules: recipe.groups.clone(),
        no_decay_bias_norm: recipe.no_decay_bias_norm,
        layer_decay: recipe.layer_decay,
        ..Groups::default()
    }
}

/// `stop`, `skip` or `skip(limit)`.
fn on_non_finite(spec: &Spec) -> Result<OnNonFinite, ConfigError> {
    #[derive(Serialize, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Skip {
        limit: u64,
    }
    impl Default for Skip {
        fn default() -> Self {
            Self { limit: 10 }
        }
    }
    match spec.name.as_str() {
        "stop" if *spec == Spec::new("stop") => Ok(OnNonFinite::Stop),
        "skip" => Ok(OnNonFinite::Skip {
            limit: spec.resolve::<Skip>()?.limit,
        }),
        other => Err(ConfigError::unknown_name(
            "on_non_finite",
            other,
            ["stop", "skip"],
        )),
    }
}

pub(super) fn loss(recipe: &Recipe) -> Result<Box<dyn Loss>, ConfigError> {
    firebrick_core::loss::build(&recipe.loss).map_err(|error| own_program::explain(error, recipe))
}

/// The averages of a recipe. They count the updates of the whole run, also in a branch.
pub(super) fn averages(
    recipe: &Recipe,
    scheduled: RunLength,
) -> Result<Vec<NamedAverage>, ConfigError> {
    let updates = scheduled.updates.saturating_add(recipe.schedule_start);
    let run = RunLength {
        updates,
        ..scheduled
    };
    average::build(&recipe.average, run).map_err(|error| own_program::explain(error, recipe))
}

pub(super) fn penalties(recipe: &Recipe) -> Result<Penalties, ConfigError> {
    let built = firebrick_regularize::penalty::build(&recipe.penalize);
    built.map_err(|error| own_program::explain(error, recipe))
}

/// Refuses penalties on the distance from pretrained weights where there are none. A branch begins with the weights of its parent.
pub(super) fn check_pretrained(recipe: &Recipe, penalties: &Penalties) -> Result<(), ConfigError> {
    if !penalties.measure_from_start() || has_weights(recipe) {
        return Ok(());
    }
    Err(ConfigError::Conflict(format!(
        "penalize = {} measures how far weights have moved from pretrained ones, but the recipe names none: {}",
        recipe.penalize,
        how_to_name_weights(recipe)
    )))
}

/// Whether the model begins with trained weights.
pub(crate) fn has_weights(recipe: &Recipe) -> bool {
    recipe.weights.is_some() || recipe.branched_from.is_some()
}

/// What to do where pretrained weights are missing.
pub(crate) fn how_to_name_weights(recipe: &Recipe) -> String {
    format!(
        "add --weights pretrained or --weights FILE (`firebrick models weights {}` lists what is published)",
        recipe.model.name
    )
}

/// Without validation images, epochs are compared by what there is: returns what to say about that.
pub(super) fn monitor_training(config: &mut TrainConfig) -> Option<String> {
    let asked = config.monitor;
    config.monitor = asked.without_validation();
    (asked != config.monitor).then(|| {
        format!(
            "no images are held out for validation, so the best epoch is chosen by {} instead of {}",
            config.monitor.name(),
            asked.name()
        )
    })
}

/// The optimizer, with those of its groups, and the schedules of a recipe for a run of this length.
pub(super) fn planned(recipe: &Recipe, run: RunLength) -> Result<Plan, ConfigError> {
    let plan = Request {
        lr: recipe.lr,
        batch: Some((recipe.batch_size as u64).saturating_mul(recipe.accumulate)),
        momentum_schedule: recipe.momentum_schedule.clone(),
        weight_decay_schedule: recipe.weight_decay_schedule.clone(),
        ..Request::new(recipe.optimizer.clone(), recipe.schedule.clone(), run)
    }
    .plan();
    let with_groups = plan.and_then(|mut plan| {
        plan.update = grouped(plan.update, plan.lr, &recipe.groups)?;
        plan.schedule = Box::new(Delayed {
            schedule: plan.schedule,
            start: recipe.schedule_start,
        });
        Ok(plan)
    });
    with_groups.map_err(|error| own_program::explain(error, recipe))
}

/// The length of the part of the run that the schedule covers.
pub(super) fn run_length(recipe: &Recipe, train: &Loader) -> RunLength {
    let updates_per_epoch = (train.batches() as u64).div_ceil(recipe.accumulate.max(1));
    let updates = recipe
        .epochs
        .saturating_mul(updates_per_epoch)
        .saturating_sub(recipe.schedule_start);
    RunLength {
        updates,
        updates_per_epoch,
    }
}
