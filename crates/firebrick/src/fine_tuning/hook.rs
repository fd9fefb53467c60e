//! The hook that freezes and unfreezes stages.

use burn::module::Module;
use firebrick_core::{lora, unfreeze};
use firebrick_train::{EvaluationModel, Hook, HookContext, HookState, TrainError};

use super::FineTuning;

/// Freezes and unfreezes stages as a plan says. What is trained follows from the update, so that checkpoints need not have it.
pub(crate) struct FineTuningHook(pub(crate) FineTuning);

impl<M: Module> Hook<M> for FineTuningHook {
    fn name(&self) -> &str {
        "fine_tuning"
    }

    fn begin(
        &mut self,
        model: M,
        context: &mut HookContext<'_>,
        _kept: Option<HookState>,
    ) -> Result<M, TrainError> {
        Ok(self.0.begin(model, context.step))
    }

    fn before_step(&mut self, model: M, context: &mut HookContext<'_>) -> Result<M, TrainError> {
        let Some(before) = context.step.checked_sub(1) else {
            return Ok(model);
        };
        let (before, now) = (self.0.trained(before), self.0.trained(context.step));
        if before == now {
            return Ok(model);
        }
        let begun: Vec<bool> = now
            .iter()
            .zip(before)
            .map(|(now, before)| *now && !before)
            .collect();
        let begins = |path: &str| self.0.stage_of.contains_key(path) && self.0.is_in(path, &begun);
        let model = unfreeze(model, begins);
        Ok(self.0.with_statistics(model))
    }

    /// With adapters, what is evaluated and saved are the weights that they come to.
    fn evaluated(&mut self, model: &M) -> Result<Option<EvaluationModel<M>>, TrainError> {
        Ok(self.0.adapters().map(|_| EvaluationModel {
            model: lora::merged(model),
            recount_batches: 0,
        }))
    }

    fn finish(&mut self, model: M, _context: &mut HookContext<'_>) -> Result<M, TrainError> {
        Ok(match self.0.adapters() {
            Some(_) => lora::merged(&model),
            None => model,
        })
    }
}
