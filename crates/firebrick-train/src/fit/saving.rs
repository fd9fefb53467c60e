//! Checkpoints of a run: writing, taking up again, and the weights to use in the end.

use firebrick_core::Classifier;
use firebrick_core::parameters::Parameters;
use firebrick_core::run::EpochRow;
use firebrick_core::state_dict::StateDict;

use super::Trainer;
use crate::checkpoint::Checkpoint;
use crate::error::TrainError;

impl<M: Classifier> Trainer<'_, M> {
    pub(super) fn save(&mut self) -> Result<(), TrainError> {
        let Some(run) = self.run else { return Ok(()) };
        let checkpoint = Checkpoint {
            identity: self.identity.clone(),
            progress: self.progress.clone(),
            model: StateDict::of(self.model()),
            evaluated: self.evaluation_model().map(|model| StateDict::of(&model)),
            optimizer: self.update.state(),
            hooks: self
                .hooks
                .iter()
                .filter_map(|hook| Some((hook.name().to_string(), hook.save()?)))
                .collect(),
        };
        checkpoint.save(run)?;
        Checkpoint::prune(run, &self.kept_steps());
        Ok(())
    }

    /// Steps of the best epochs, whose checkpoints are kept.
    pub(super) fn kept_steps(&self) -> Vec<u64> {
        let monitor = self.config.monitor;
        let mut rows: Vec<&EpochRow> = self.progress.rows.iter().collect();
        rows.sort_by(|a, b| {
            let (a, b) = (monitor.value(a), monitor.value(b));
            if monitor.improves(a, b) {
                std::cmp::Ordering::Less
            } else if monitor.improves(b, a) {
                std::cmp::Ordering::Greater
            } else {
                std::cmp::Ordering::Equal
            }
        });
        rows.into_iter()
            .take(self.config.keep)
            .map(|row| row.step)
            .chain(self.progress.best.map(|best| best.step))
            .collect()
    }

    pub(super) fn restore(&mut self, checkpoint: Checkpoint) -> Result<(), TrainError> {
        let Checkpoint {
            progress,
            model,
            optimizer,
            mut hooks,
            ..
        } = checkpoint;
        let fresh = self.take_model();
        let paths: Vec<String> = Parameters::list(&fresh)
            .into_iter()
            .map(|(path, _)| path)
            .collect();
        self.model = Some(model.load_into(fresh)?);
        self.update
            .load_state(optimizer, &paths, &self.device.clone().inner())?;
        for hook in &mut self.hooks {
            if let Some(state) = hooks.remove(hook.name()) {
                hook.load(state)?;
            }
        }
        progress.rows.iter().for_each(|row| self.show_schedule(row));
        self.progress = progress;
        Ok(())
    }

    /// The weights to use: of the best epoch where there is one, else the last.
    pub(super) fn best_weights(&mut self) -> Result<StateDict, TrainError> {
        if let Some(best) = self.best.take() {
            return Ok(best);
        }
        // The best epoch lies before the resume.
        if let (Some(best), Some(run)) = (self.progress.best, self.run) {
            let checkpoint = Checkpoint::at(run, best.step, &self.device.clone().inner())?;
            return Ok(checkpoint.evaluated.unwrap_or(checkpoint.model));
        }
        Ok(self.evaluated_weights())
    }

    pub(super) fn evaluated_weights(&self) -> StateDict {
        self.evaluation_model().map_or_else(
            || StateDict::of(self.model()),
            |model| StateDict::of(&model),
        )
    }

    /// The model to evaluate where it is not the one being trained: a hook's, or the optimizer's view.
    pub(super) fn evaluation_model(&self) -> Option<M> {
        let model = self.model();
        self.hooks
            .iter()
            .rev()
            .find_map(|hook| hook.evaluation_model(model))
            .or_else(|| {
                let (shell, parameters) = Parameters::take(model.clone());
                self.update
                    .evaluation_view(&parameters)
                    .map(|view| view.put(shell))
            })
    }
}
