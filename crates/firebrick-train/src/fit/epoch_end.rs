//! The end of an epoch, or of a part of one: save, evaluate, record.

use firebrick_core::Classifier;
use firebrick_core::run::{EpochRow, Scores};

use super::ended::Ended;
use super::trainer::{ToEvaluate, Trainer};
use crate::error::TrainError;
use crate::evaluate::evaluate_unless;
use crate::hook::Flow;
use crate::progress::{Best, EpochSums};

impl<M: Classifier> Trainer<'_, M> {
    /// Saves what the epoch learnt, evaluates, notes the epoch, saves; `Some` when it was interrupted.
    pub(super) fn finish_epoch(&mut self) -> Result<Option<Ended>, TrainError> {
        if self.valid.is_some() {
            // All batches are used and the epoch is not over: a resume begins with the evaluation.
            self.save()?;
        }
        let Some((row, flow)) = self.epoch_row()? else {
            return Ok(Some(Ended::Interrupted));
        };
        self.progress.epoch += 1;
        self.progress.batch = 0;
        self.progress.sums = EpochSums::default();
        if flow.or(self.note(row)?) == Flow::Stop {
            self.progress.stopped = true;
        }
        self.save()?;
        Ok(None)
    }

    /// Scores the part of an epoch in which the run ends, after its checkpoint was written. Returns how the
    /// run ended, which is an interruption if there was one meanwhile.
    pub(super) fn finish_part(&mut self, ended: Ended) -> Result<Ended, TrainError> {
        if self.progress.sums.images == 0 {
            return Ok(ended);
        }
        let Some((row, _)) = self.epoch_row()? else {
            return Ok(Ended::Interrupted);
        };
        self.note(row)?;
        Ok(ended)
    }

    /// Evaluates; `None` when that was interrupted.
    fn epoch_row(&mut self) -> Result<Option<(EpochRow, Flow)>, TrainError> {
        if !self.build_evaluated()? {
            return Ok(None);
        }
        let Some((valid, flow)) = self.validate()? else {
            return Ok(None);
        };
        let sums = &self.progress.sums;
        let row = EpochRow {
            epoch: self.progress.epoch + 1,
            step: self.progress.step,
            lr: self.schedule.lr(self.progress.step.saturating_sub(1)),
            train_loss: sums.loss / sums.weight,
            train_top1: sums.top1(),
            penalties: sums.penalties.iter().map(|sum| sum / sums.weight).collect(),
            valid,
            seconds: sums.seconds,
            images_per_second: if sums.seconds > 0.0 {
                sums.images as f64 / sums.seconds
            } else {
                0.0
            },
        };
        Ok(Some((row, flow)))
    }

    /// The scores where there are validation images; `None` when it was interrupted.
    fn validate(&mut self) -> Result<Option<(Option<Scores>, Flow)>, TrainError> {
        let model = match (&self.to_evaluate, &self.model) {
            (Some(ToEvaluate::Other(other)), _) | (_, Some(other)) => other,
            _ => return Ok(Some((None, Flow::Continue))),
        };
        let Some(valid) = self.valid.as_deref_mut() else {
            return Ok(Some((None, Flow::Continue)));
        };
        let evaluation = evaluate_unless(&self.interrupted, model, valid, self.loss)?;
        let Some(scores) = evaluation.map(|evaluation| evaluation.scores) else {
            return Ok(None);
        };
        let flow = self.tell(true, |hook, model, context| {
            hook.evaluation(model, context, &scores)
        })?;
        Ok(Some((Some(scores), flow)))
    }

    /// Adds a row to the history and remembers the best.
    fn note(&mut self, row: EpochRow) -> Result<Flow, TrainError> {
        let epoch = Best {
            epoch: row.epoch,
            step: row.step,
            value: self.config.monitor.value(&row),
        };
        if self.progress.judge(epoch, self.config.monitor) {
            self.best = Some(self.evaluated_weights()?);
        }
        let flow = self.tell(false, |hook, model, context| {
            hook.epoch_end(model, context, &row)
        })?;
        self.event("epoch", &serde_json::to_value(&row).unwrap_or_default())?;
        self.show_schedule(&row);
        self.progress.rows.push(row);
        if let Some(run) = self.run {
            run.metrics(&self.progress.rows)?;
        }
        Ok(flow)
    }
}
