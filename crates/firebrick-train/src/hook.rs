//! Hooks, which the training loop calls at every step, epoch, end of a cycle, evaluation and save.

use std::collections::BTreeMap;

use burn::tensor::TensorData;
use firebrick_core::run::{EpochRow, Scores};

use crate::error::TrainError;

/// Where training is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Moment {
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
    /// Learning rate of the latest update, or of the coming one before the first.
    pub lr: f64,
    /// Share of this epoch's training images classified right so far; 0 before the first.
    pub train_top1: f64,
    /// Training images seen in this epoch so far.
    pub images: u64,
    /// Classes that the model tells apart.
    pub classes: usize,
    /// The best epoch so far, from 1.
    pub best_epoch: Option<u64>,
}

/// Whether training goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// Go on.
    Continue,
    /// Finish as if the run were over: the model is evaluated and saved.
    Stop,
}

impl Flow {
    /// Stops if either does.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        if self == Self::Stop { self } else { other }
    }
}

/// What a hook keeps in checkpoints.
#[derive(Debug, Clone, Default)]
pub struct HookState {
    /// Tensors by name.
    pub tensors: BTreeMap<String, TensorData>,
    /// Anything else.
    pub data: serde_json::Value,
}

/// Runs beside the loop. Every method has a default that does nothing.
///
/// Hooks run in the order given. A hook whose work must survive a resume keeps it in
/// [`Hook::save`] and takes it back in [`Hook::load`]; its name is the key.
pub trait Hook<M> {
    /// Names the hook in checkpoints and messages.
    fn name(&self) -> &str;

    /// Before each update; may change the model, for instance unfreeze part of it.
    ///
    /// # Errors
    /// Stops training with the error.
    fn before_step(&mut self, model: M, moment: &Moment) -> Result<M, TrainError> {
        let _ = moment;
        Ok(model)
    }

    /// After each update, with the loss of its batch.
    ///
    /// # Errors
    /// Stops training with the error.
    fn after_step(&mut self, model: &M, moment: &Moment, loss: f64) -> Result<Flow, TrainError> {
        let _ = (model, moment, loss);
        Ok(Flow::Continue)
    }

    /// After an update with which the schedule ends a cycle.
    ///
    /// # Errors
    /// Stops training with the error.
    fn cycle_end(&mut self, model: &M, moment: &Moment) -> Result<Flow, TrainError> {
        let _ = (model, moment);
        Ok(Flow::Continue)
    }

    /// The model to evaluate and save in place of the one being trained, such as an average.
    fn evaluation_model(&self, model: &M) -> Option<M> {
        let _ = model;
        None
    }

    /// After each evaluation on the validation split.
    ///
    /// # Errors
    /// Stops training with the error.
    fn evaluation(
        &mut self,
        model: &M,
        moment: &Moment,
        scores: &Scores,
    ) -> Result<Flow, TrainError> {
        let _ = (model, moment, scores);
        Ok(Flow::Continue)
    }

    /// After each epoch, its evaluation included.
    ///
    /// # Errors
    /// Stops training with the error.
    fn epoch_end(
        &mut self,
        model: &M,
        moment: &Moment,
        row: &EpochRow,
    ) -> Result<Flow, TrainError> {
        let _ = (model, moment, row);
        Ok(Flow::Continue)
    }

    /// What this hook needs to go on after a resume.
    fn save(&self) -> Option<HookState> {
        None
    }

    /// Takes back what [`Hook::save`] returned.
    ///
    /// # Errors
    /// [`TrainError::Hook`] when it does not fit.
    fn load(&mut self, state: HookState) -> Result<(), TrainError> {
        let _ = state;
        Ok(())
    }
}
