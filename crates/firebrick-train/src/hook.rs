//! Hooks, which the training loop calls at every step, epoch, end of a cycle, evaluation and save, and which may
//! change the model.

use std::collections::{BTreeMap, BTreeSet};

use burn::tensor::{Device, TensorData};
use firebrick_core::data::BatchSource;
use firebrick_core::run::{EpochRow, Scores};

use crate::error::TrainError;
use crate::run_dir::RunDir;

/// How far training has come, and what a hook can use.
pub struct HookContext<'a> {
    /// Optimizer updates made.
    pub step: u64,
    /// The epoch, from 0.
    pub epoch: u64,
    /// Updates made in this epoch.
    pub step_in_epoch: u64,
    /// Updates in an epoch.
    pub updates_per_epoch: u64,
    /// Updates in the whole run.
    pub updates: u64,
    /// Epochs in the whole run.
    pub epochs: u64,
    /// Learning rate of the latest update; before the first update, that of the first.
    pub lr: f64,
    /// Training accuracy in this epoch so far, in [0, 1]; 0 before the first update.
    pub train_top1: f64,
    /// Training images seen in this epoch so far.
    pub images: u64,
    /// Number of classes.
    pub classes: usize,
    /// The best epoch so far, from 1.
    pub best_epoch: Option<u64>,
    /// The seed of the run.
    pub seed: u64,
    /// The device of the model, with autodiff.
    pub device: &'a Device,
    /// The run directory, if there is one. A hook can write files there with [`RunDir::write`], such as a model;
    /// only checkpoints are ever deleted.
    pub run: Option<&'a RunDir>,
    pub(crate) train: &'a mut dyn BatchSource,
    /// Whether the loop must find its place in the training images again.
    pub(crate) moved: bool,
}

impl<'a> HookContext<'a> {
    /// Before the first update of a run of no length, outside of a run: for tests of a hook, which fill in
    /// what the hook looks at.
    pub fn new(device: &'a Device, train: &'a mut dyn BatchSource) -> Self {
        Self {
            step: 0,
            epoch: 0,
            step_in_epoch: 0,
            updates_per_epoch: 0,
            updates: 0,
            epochs: 0,
            lr: 0.0,
            train_top1: 0.0,
            images: 0,
            classes: train.classes().len(),
            best_epoch: None,
            seed: 0,
            device,
            run: None,
            train,
            moved: false,
        }
    }

    /// The training images, for a hook that runs some of them through the model. Call [`BatchSource::start`] first;
    /// the loop then continues where it was.
    pub fn train_source(&mut self) -> &mut dyn BatchSource {
        self.moved = true;
        self.train
    }
}

/// Whether training continues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// Continue.
    Continue,
    /// Stop as if the run had reached its end: the model is evaluated and saved.
    Stop,
}

impl Flow {
    /// [`Flow::Stop`] if either is.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        if self == Self::Stop { self } else { other }
    }
}

/// What a hook keeps in checkpoints.
#[derive(Debug, Clone, Default)]
pub struct HookState {
    /// Tensors by name, of any type. They come back with the same type and bits.
    pub tensors: BTreeMap<String, TensorData>,
    /// Anything else.
    pub data: serde_json::Value,
}

/// A model to evaluate and save in place of the one being trained.
pub struct EvaluationModel<M> {
    /// The model, such as one with averaged weights. It must not share running statistics with the one
    /// being trained: [`Parameters::load_into`](firebrick_core::parameters::Parameters::load_into),
    /// [`StateDict::load_into`](firebrick_core::state_dict::StateDict::load_into) and
    /// [`independent_copy`](firebrick_core::independent_copy()) give one that does not.
    pub model: M,
    /// The number of training batches from which its batch norm statistics are computed again with
    /// [`recount_statistics`](crate::recount_statistics); 0 keeps its statistics.
    pub recount_batches: usize,
}

/// Is called by the training loop. Every method except [`Hook::name`] has a default that does nothing.
///
/// Hooks are called in the order given. A hook whose state must survive a resume returns it from [`Hook::save`] and
/// gets it back in [`Hook::begin`]; checkpoints keep it under the name of the hook.
pub trait Hook<M> {
    /// The name of the hook in checkpoints and messages: letters, digits, `-` and `_`. No two hooks of a run can
    /// have the same name; upper and lower case make no difference.
    fn name(&self) -> &str;

    /// Called first in each session of a run, also in a resumed one. The model has its weights, but checkpoints do
    /// not record what is frozen: a hook that freezes parameters must do so again here, as is right for this point
    /// of the run. `kept` is what [`Hook::save`] returned for the checkpoint that the run continues from.
    ///
    /// # Errors
    /// Stops the run with the error, before anything is written.
    fn begin(
        &mut self,
        model: M,
        context: &mut HookContext<'_>,
        kept: Option<HookState>,
    ) -> Result<M, TrainError> {
        let _ = (context, kept);
        Ok(model)
    }

    /// Once before each update; may change the model, for instance unfreeze part of it.
    ///
    /// # Errors
    /// Stops training with the error.
    fn before_step(&mut self, model: M, context: &mut HookContext<'_>) -> Result<M, TrainError> {
        let _ = context;
        Ok(model)
    }

    /// After each update, with the loss of its batch.
    ///
    /// # Errors
    /// Stops training with the error.
    fn after_step(
        &mut self,
        model: &M,
        context: &mut HookContext<'_>,
        loss: f64,
    ) -> Result<Flow, TrainError> {
        let _ = (model, context, loss);
        Ok(Flow::Continue)
    }

    /// After an update with which the schedule ends a cycle.
    ///
    /// # Errors
    /// Stops training with the error.
    fn cycle_end(&mut self, model: &M, context: &mut HookContext<'_>) -> Result<Flow, TrainError> {
        let _ = (model, context);
        Ok(Flow::Continue)
    }

    /// The model to evaluate and save in place of `model`, such as an average. It is asked for once in each evaluation; the last
    /// hook that gives one decides. `model` is the one being trained, for an averaging optimizer at the parameters that it evaluates.
    ///
    /// # Errors
    /// Stops training with the error.
    fn evaluated(&mut self, model: &M) -> Result<Option<EvaluationModel<M>>, TrainError> {
        let _ = model;
        Ok(None)
    }

    /// After each evaluation on the validation split, with the model that was evaluated.
    ///
    /// # Errors
    /// Stops training with the error.
    fn evaluation(
        &mut self,
        model: &M,
        context: &mut HookContext<'_>,
        scores: &Scores,
    ) -> Result<Flow, TrainError> {
        let _ = (model, context, scores);
        Ok(Flow::Continue)
    }

    /// After each epoch, its evaluation included.
    ///
    /// # Errors
    /// Stops training with the error.
    fn epoch_end(
        &mut self,
        model: &M,
        context: &mut HookContext<'_>,
        row: &EpochRow,
    ) -> Result<Flow, TrainError> {
        let _ = (model, context, row);
        Ok(Flow::Continue)
    }

    /// When the run is over, its last checkpoint written; not after an interruption. The model that comes
    /// back is the outcome's. A run that has ended and is resumed finishes again.
    ///
    /// # Errors
    /// Ends the run with the error; its checkpoints stay.
    fn finish(&mut self, model: M, context: &mut HookContext<'_>) -> Result<M, TrainError> {
        let _ = context;
        Ok(model)
    }

    /// What this hook needs to go on after a resume. A hook that returns something as soon as it has begun
    /// cannot take up a run whose checkpoint has nothing of it: that is an error.
    fn save(&self) -> Option<HookState> {
        None
    }
}

/// Refuses a name that could not be part of a file's name everywhere.
pub(crate) fn check_name(name: &str) -> Result<(), TrainError> {
    let known = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if !name.is_empty() && name.len() <= 64 && name.chars().all(known) {
        return Ok(());
    }
    Err(TrainError::hook(
        name,
        "its name is part of a file's name: use 1 to 64 letters, digits, `-` and `_`",
    ))
}

/// Refuses names that no file can have, and two hooks of one name.
pub(crate) fn check_names<'a>(names: impl Iterator<Item = &'a str>) -> Result<(), TrainError> {
    let mut seen = BTreeSet::new();
    for name in names {
        check_name(name)?;
        // Some file systems do not tell upper from lower case.
        if !seen.insert(name.to_ascii_lowercase()) {
            return Err(TrainError::hook(
                name,
                "two hooks of this run have this name, under which their state is kept; give each its own",
            ));
        }
    }
    Ok(())
}
