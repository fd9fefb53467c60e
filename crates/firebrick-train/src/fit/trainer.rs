//! A run in progress: what it trains, with what, and how far it is.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use burn::tensor::Device;
use firebrick_core::data::BatchSource;
use firebrick_core::length::RunLength;
use firebrick_core::loss::Loss;
use firebrick_core::penalty::Penalties;
use firebrick_core::run::EpochRow;
use firebrick_core::schedule::Observation;
use firebrick_core::state_dict::StateDict;
use firebrick_core::update::{GroupFactors, Update};
use firebrick_core::{Classifier, Schedule};

use crate::checkpoint::Identity;
use crate::config::TrainConfig;
use crate::error::TrainError;
use crate::hook::Hook;
use crate::progress::Progress;
use crate::run_dir::RunDir;

/// A run in progress. What it does is in the files beside this one.
pub(super) struct Trainer<'a, M> {
    pub(super) config: &'a TrainConfig,
    pub(super) model: Option<M>,
    pub(super) update: Box<dyn Update>,
    pub(super) schedule: Box<dyn Schedule>,
    pub(super) loss: &'a dyn Loss,
    pub(super) penalties: &'a Penalties,
    pub(super) train: &'a mut dyn BatchSource,
    pub(super) valid: Option<&'a mut dyn BatchSource>,
    pub(super) hooks: Vec<Box<dyn Hook<M> + 'a>>,
    pub(super) run: Option<&'a RunDir>,
    pub(super) identity: Identity,
    pub(super) interrupted: Arc<AtomicBool>,
    pub(super) notice: Box<dyn FnMut(&str) + 'a>,
    pub(super) device: Device,
    pub(super) length: RunLength,
    pub(super) progress: Progress,
    /// Weights of the best epoch.
    pub(super) best: Option<StateDict>,
    /// Where the run stood at its last checkpoint.
    pub(super) saved: Option<Place>,
    /// Whether the model cannot train on a batch of one image, once that is known.
    pub(super) cannot_train_alone: Option<bool>,
    /// Whether it was said that such a batch is left out.
    pub(super) told_of_lone_image: bool,
    /// The model to evaluate, if it was built since the last update.
    pub(super) to_evaluate: Option<ToEvaluate<M>>,
    /// The update for which hooks were called.
    pub(super) prepared: Option<u64>,
    /// What the groups change for each parameter, by path; empty without groups.
    pub(super) factors: BTreeMap<String, GroupFactors>,
}

/// The part of a run's progress by which one checkpoint differs from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) step: u64,
    pub(super) epoch: u64,
    pub(super) batch: usize,
    pub(super) stopped: bool,
}

impl From<&Progress> for Place {
    fn from(progress: &Progress) -> Self {
        Self {
            step: progress.step,
            epoch: progress.epoch,
            batch: progress.batch,
            stopped: progress.stopped,
        }
    }
}

/// The model to evaluate, built once for each evaluation.
pub(super) enum ToEvaluate<M> {
    /// The one being trained.
    Trained,
    /// Another one.
    Other(M),
}

impl<M: Classifier> Trainer<'_, M> {
    pub(super) fn model(&self) -> &M {
        self.model
            .as_ref()
            .expect("the model is out only while an update moves it")
    }

    pub(super) fn take_model(&mut self) -> M {
        self.model
            .take()
            .expect("the model is out only while an update moves it")
    }

    pub(super) fn event(&self, event: &str, data: &serde_json::Value) -> Result<(), TrainError> {
        self.run.map_or(Ok(()), |run| {
            run.event(&serde_json::json!({ "event": event, "data": data }))
        })
    }

    /// Shows the schedule the monitored metric of an epoch.
    pub(super) fn show_schedule(&mut self, row: &EpochRow) {
        let monitor = self.config.monitor;
        self.schedule.observe(Observation {
            step: row.step,
            value: monitor.value(row),
            higher_is_better: monitor.higher_is_better(),
        });
    }
}
