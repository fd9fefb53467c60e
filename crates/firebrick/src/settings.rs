//! The settings of a job from its recipe.

use firebrick_core::data::BatchSource;
use firebrick_core::length::RunLength;
use firebrick_core::loss::Loss;
use firebrick_core::parameters::Parameters;
use firebrick_core::spec::Spec;
use firebrick_core::{Clipping, ConfigError, Groups, Recipe};
use firebrick_datasets::Loader;
use firebrick_optim::{Plan, Request, grouped};
use firebrick_train::{Monitor, OnNonFinite, TrainConfig};
use firebrick_zoo::Model;
use serde::{Deserialize, Serialize};

use crate::own_program;

pub(crate) fn train_config(recipe: &Recipe) -> Result<TrainConfig, ConfigError> {
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
    }
}

/// Whether every group is for some parameter of the model.
pub(crate) fn check_groups(groups: &Groups, model: &Model) -> Result<(), ConfigError> {
    let parameters = Parameters::list(model);
    let parameters = parameters
        .iter()
        .map(|(path, shape)| (path.as_str(), shape.as_slice()));
    groups.factors(&parameters.collect::<Vec<_>>()).map(drop)
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

pub(crate) fn loss(recipe: &Recipe) -> Result<Box<dyn Loss>, ConfigError> {
    firebrick_core::loss::build(&recipe.loss).map_err(|error| own_program::explain(error, recipe))
}

/// The optimizer, with those of its groups, and the schedules of a recipe for a run of this length.
pub(crate) fn planned(recipe: &Recipe, run: RunLength) -> Result<Plan, ConfigError> {
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
        Ok(plan)
    });
    with_groups.map_err(|error| own_program::explain(error, recipe))
}

/// The length of the part of the run that the schedule covers.
pub(crate) fn run_length(recipe: &Recipe, train: &Loader) -> RunLength {
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
