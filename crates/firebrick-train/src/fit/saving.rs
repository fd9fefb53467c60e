//! The checkpoints of a run: writing them, resuming from them, and restoring the best weights at the end.

use firebrick_core::Classifier;
use firebrick_core::parameters::Parameters;
use firebrick_core::run::EpochRow;
use firebrick_core::state_dict::StateDict;

use super::trainer::{Place, ToEvaluate, Trainer};
use crate::checkpoint::Checkpoint;
use crate::error::TrainError;
use crate::progress::Best;
use crate::run_dir::{RunDir, step_of};

impl<M: Classifier> Trainer<'_, M> {
    /// Writes a checkpoint, unless the last one is of this very place.
    pub(super) fn save(&mut self) -> Result<(), TrainError> {
        let Some(run) = self.run else { return Ok(()) };
        let place = Place::from(&self.progress);
        if self.saved == Some(place) {
            return Ok(());
        }
        let checkpoint = Checkpoint {
            identity: self.identity.clone(),
            progress: self.progress.clone(),
            model: StateDict::of(self.model()),
            evaluated: match &self.to_evaluate {
                Some(ToEvaluate::Other(other)) => Some(StateDict::of(other)),
                _ => None,
            },
            optimizer: self.update.state(),
            hooks: self
                .hooks
                .iter()
                .filter_map(|hook| Some((hook.name().to_string(), hook.save()?)))
                .collect(),
        };
        checkpoint.save(run)?;
        self.saved = Some(place);
        Checkpoint::prune(run, self.progress.step, &self.kept_steps());
        Ok(())
    }

    /// Steps of the best epochs, whose checkpoints are kept.
    fn kept_steps(&self) -> Vec<u64> {
        let best = self.by_merit().into_iter().take(self.config.keep);
        best.map(|row| row.step)
            .chain(self.progress.best.map(|best| best.step))
            .collect()
    }

    /// All epochs, the best first.
    fn by_merit(&self) -> Vec<&EpochRow> {
        let monitor = self.config.monitor;
        let mut rows: Vec<&EpochRow> = self.progress.rows.iter().collect();
        rows.sort_by(|a, b| monitor.merit(b).total_cmp(&monitor.merit(a)));
        rows
    }

    /// Renames the checkpoints after `first` updates or more: they are damaged, from another run, or from
    /// updates that this run is about to make anew.
    pub(super) fn set_aside_from(&mut self, first: u64) -> Result<(), TrainError> {
        let Some(run) = self.run else { return Ok(()) };
        for path in run.checkpoints() {
            if step_of(&path).is_some_and(|step| step >= first) {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                let kept = run.set_aside(&path)?;
                (self.notice)(&format!(
                    "the run continues from before checkpoint {name}, which was renamed to {kept}"
                ));
            }
        }
        Ok(())
    }

    pub(super) fn restore(&mut self, checkpoint: Checkpoint) -> Result<(), TrainError> {
        let Checkpoint {
            progress,
            model,
            evaluated,
            optimizer,
            hooks,
            ..
        } = checkpoint;
        let fresh = self.take_model();
        // Those of parameters that are frozen now, too: they may have been trained.
        let paths: Vec<String> = Parameters::list_all(&fresh)
            .into_iter()
            .map(|(path, _)| path)
            .collect();
        let here = evaluated.unwrap_or_else(|| model.clone());
        self.model = Some(model.load_into(fresh)?);
        progress.rows.iter().for_each(|row| self.show_schedule(row));
        self.progress = progress;
        self.begin_hooks(Some(hooks))?;
        self.update
            .load_state(optimizer, &paths, &self.device.clone().inner())?;
        self.set_aside_from(self.progress.step + 1)?;
        let place = Place::from(&self.progress);
        let own = |run: &RunDir| run.checkpoint(place.step).exists();
        self.saved = self.run.is_some_and(own).then_some(place);
        self.find_best(here);
        Ok(())
    }

    /// Takes up the weights of the best epoch. Where its checkpoint is gone or damaged, the best epoch
    /// becomes the best one whose weights are left, if any are. `here` are those of the checkpoint that the
    /// run goes on from.
    fn find_best(&mut self, here: StateDict) {
        let Some(lost) = self.progress.best else {
            return;
        };
        if lost.step == self.progress.step {
            self.best = Some(here);
            return;
        }
        let problem = match self.weights_of(lost.step) {
            Ok(weights) => {
                self.best = Some(weights);
                return;
            }
            Err(error) => error,
        };
        let rows = self.by_merit().into_iter();
        let found = rows.filter(|row| row.step != lost.step).find_map(|row| {
            let best = Best {
                epoch: row.epoch,
                step: row.step,
                value: self.config.monitor.value(row),
            };
            let weights = if row.step == self.progress.step {
                here.clone()
            } else {
                self.weights_of(row.step).ok()?
            };
            Some((best, weights))
        });
        let instead = match &found {
            Some((best, _)) => format!("epoch {} takes its place", best.epoch),
            None => "the best of the remaining epochs will take its place".into(),
        };
        (self.notice)(&format!(
            "the weights of the best epoch, {}, are lost ({problem}); {instead}",
            lost.epoch
        ));
        self.progress.lost_best = self.progress.lost_best.or(Some(lost.value));
        (self.progress.best, self.best) = found.unzip();
    }

    /// The weights to use of an epoch that ended after `step` updates, from its checkpoint.
    fn weights_of(&self, step: u64) -> Result<StateDict, TrainError> {
        let none = || {
            TrainError::checkpoint(
                format!("step {step}"),
                "without a run directory no checkpoints are kept",
            )
        };
        let run = self.run.ok_or_else(none)?;
        Checkpoint::weights(run, step, &self.identity)
    }
}
