//! The model to evaluate and save: the one being trained, a hook's, or the optimizer's view.

use firebrick_core::parameters::Parameters;
use firebrick_core::state_dict::StateDict;
use firebrick_core::{Classifier, independent_copy};

use super::trainer::{ToEvaluate, Trainer};
use crate::error::TrainError;
use crate::hook::EvaluationModel;
use crate::recount::recount_unless;

/// Training batches that renew the batch norm statistics of an optimizer's evaluation view, as the
/// reference implementation of schedule-free optimizers advises.
const VIEW_BATCHES: usize = 50;

impl<M: Classifier> Trainer<'_, M> {
    /// Builds the model to evaluate, unless it has been built since the last update; `false` when it was
    /// interrupted.
    pub(super) fn build_evaluated(&mut self) -> Result<bool, TrainError> {
        if self.to_evaluate.is_some() {
            return Ok(true);
        }
        let Some(EvaluationModel {
            model,
            recount_batches,
        }) = self.other_model()?
        else {
            self.to_evaluate = Some(ToEvaluate::Trained);
            return Ok(true);
        };
        let model = if recount_batches == 0 {
            model
        } else {
            let batches = Some(recount_batches);
            let recounted = recount_unless(&self.interrupted, &model, self.train, batches)?;
            self.find_place_again(true);
            let Some(model) = recounted else {
                return Ok(false);
            };
            model
        };
        self.to_evaluate = Some(ToEvaluate::Other(model));
        Ok(true)
    }

    fn other_model(&mut self) -> Result<Option<EvaluationModel<M>>, TrainError> {
        let Some(model) = &self.model else {
            return Ok(None);
        };
        let (shell, parameters) = Parameters::take(independent_copy(model));
        let view = self.update.evaluation_view(&parameters);
        let view = view.map(|view| view.put(shell));
        let seen = view.as_ref().unwrap_or(model);
        for hook in self.hooks.iter_mut().rev() {
            if let Some(other) = hook.evaluated(seen)? {
                return Ok(Some(other));
            }
        }
        Ok(view.map(|model| EvaluationModel {
            model,
            recount_batches: VIEW_BATCHES,
        }))
    }

    /// The model to evaluate, once it is built.
    pub(super) fn evaluated(&self) -> &M {
        match &self.to_evaluate {
            Some(ToEvaluate::Other(other)) => other,
            _ => self.model(),
        }
    }

    /// The weights to use: those of the model to evaluate, or, when building it was interrupted, those of
    /// the one being trained.
    pub(super) fn evaluated_weights(&mut self) -> Result<StateDict, TrainError> {
        self.build_evaluated()?;
        Ok(StateDict::of(self.evaluated()))
    }
}
