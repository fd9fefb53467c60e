//! The hook that keeps an average during training.

use std::cell::RefCell;
use std::rc::Rc;

use firebrick_core::Classifier;
use firebrick_core::parameters::Parameters;
use firebrick_core::state_dict::StateDict;
use firebrick_train::{
    EvaluationModel, Flow, Hook, HookContext, HookState, TrainError, recount_statistics,
};

use super::NamedAverage;
use super::running::Running;

/// What the names under which averages keep their state begin with.
const PREFIX: &str = "average-";

/// The weights of an average when training is over, with its batch norm statistics; none where it has not
/// begun.
pub type Averaged = Rc<RefCell<Option<StateDict>>>;

/// Keeps one average of the weights, and has it evaluated in place of the model in training.
pub struct AverageHook {
    name: String,
    average: NamedAverage,
    running: Running,
    averaged: Averaged,
}

impl AverageHook {
    /// The hook of one average.
    #[must_use]
    pub fn new(average: NamedAverage) -> Self {
        Self {
            name: format!("{PREFIX}{}", average.name),
            average,
            running: Running::default(),
            averaged: Averaged::default(),
        }
    }

    /// Whether a hook of this name is an average.
    #[must_use]
    pub fn is_name(hook: &str) -> bool {
        hook.starts_with(PREFIX)
    }

    /// Where the average lies once training is over.
    #[must_use]
    pub fn averaged(&self) -> Averaged {
        self.averaged.clone()
    }
}

impl<M: Classifier> Hook<M> for AverageHook {
    fn name(&self) -> &str {
        &self.name
    }

    fn begin(
        &mut self,
        model: M,
        _context: &mut HookContext<'_>,
        kept: Option<HookState>,
    ) -> Result<M, TrainError> {
        if let Some(kept) = kept {
            self.running = Running::restore(kept, &model)?;
        }
        Ok(model)
    }

    fn before_step(&mut self, model: M, context: &mut HookContext<'_>) -> Result<M, TrainError> {
        let begins = context.step > 0 && context.step_in_epoch == 0;
        match self.running.average() {
            Some(average) if begins && self.average.average.begins_epochs => {
                Ok(average.load_into(&model)?)
            }
            _ => Ok(model),
        }
    }

    fn after_step(
        &mut self,
        model: &M,
        context: &mut HookContext<'_>,
        _loss: f64,
    ) -> Result<Flow, TrainError> {
        let average = &self.average.average;
        if average.pace.takes(context.step) {
            let weights = Parameters::of(model);
            self.running.take(weights, &average.weighting, context.step);
        }
        Ok(Flow::Continue)
    }

    fn evaluated(&mut self, model: &M) -> Result<Option<EvaluationModel<M>>, TrainError> {
        let Some(average) = self.running.average() else {
            return Ok(None);
        };
        Ok(Some(EvaluationModel {
            model: average.load_into(model)?,
            recount_batches: self.average.average.recount,
        }))
    }

    fn finish(&mut self, model: M, context: &mut HookContext<'_>) -> Result<M, TrainError> {
        if let Some(average) = self.running.average() {
            let averaged = average.load_into(&model)?;
            let averaged = match self.average.average.recount {
                0 => averaged,
                batches => recount_statistics(&averaged, context.train_source(), Some(batches))?,
            };
            *self.averaged.borrow_mut() = Some(StateDict::of(&averaged));
        }
        Ok(model)
    }

    fn save(&self) -> Option<HookState> {
        self.running.save()
    }
}
