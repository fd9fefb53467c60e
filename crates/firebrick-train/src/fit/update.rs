//! One optimizer update: gradients of a group of micro-batches, clipped and applied, or left out.

use firebrick_core::data::Batch;
use firebrick_core::parameters::{Gradients, Parameters};
use firebrick_core::random::StepScope;
use firebrick_core::update::{GroupFactors, Step, UpdateError};
use firebrick_core::{Classifier, groups};

use super::Trainer;
use crate::config::OnNonFinite;
use crate::error::TrainError;
use crate::evaluate::{hard_labels, images_on};
use crate::metrics::ranked;
use crate::non_finite::{self, Buffers};
use crate::progress::EpochSums;

impl<M: Classifier> Trainer<'_, M> {
    /// Forward and backward over the next group of micro-batches, averaged by their weight in the
    /// loss, so that the result is that of one large batch; `None` at the end of the epoch.
    pub(super) fn gradients(&mut self) -> Result<Option<Group>, TrainError> {
        let mut group: Option<Group> = None;
        let mut micro_batch = 0;
        // A group whose images were all left out as unreadable is no update: take the next one.
        while micro_batch < self.config.accumulate || group.is_none() {
            let Some(batch) = self.train.next_batch() else {
                break;
            };
            self.progress.batch += 1;
            micro_batch += 1;
            let batch = batch?;
            if !batch.is_empty() {
                let next = self.backward(batch, micro_batch - 1);
                group = Some(match group {
                    None => next,
                    Some(group) => group.merge(next),
                });
            }
        }
        Ok(group)
    }

    pub(super) fn backward(&self, mut batch: Batch, micro_batch: u64) -> Group {
        let model = self.model();
        let scope = StepScope {
            seed: self.config.seed,
            step: self.progress.step,
            micro_batch,
        };
        // Burn's own random layers draw from the device's one generator.
        self.device.seed(scope.device_seed());
        let images = images_on(&mut batch, &self.device);
        let logits = scope.enter(|| model.forward(images));
        let value = self.loss.loss(logits.clone(), &batch.targets);
        let loss = value.sum / value.weight;
        let mut gradients = loss.backward();
        let gradients = Gradients::take(model, &mut gradients);
        let loss: f64 = loss.into_data().iter::<f64>().sum();
        let labels = hard_labels(&batch.targets);
        let logits: Vec<f32> = logits.into_data().iter::<f32>().collect();
        let rows = logits.chunks(logits.len() / labels.len());
        let correct = rows
            .zip(&labels)
            .filter(|(row, label)| ranked(row)[0] == **label)
            .count();
        let sums = EpochSums {
            loss: loss * value.weight,
            weight: value.weight,
            correct: correct as u64,
            images: labels.len() as u64,
            seconds: 0.0,
        };
        Group {
            gradients,
            loss,
            weight: value.weight,
            sums,
        }
    }

    /// Clips and updates.
    pub(super) fn apply(&mut self, gradients: Gradients, norm: f64) -> Result<(), TrainError> {
        let gradients = match self.config.clip_value {
            Some(limit) => gradients.clip_value(limit),
            None => gradients,
        };
        let gradients = match self.config.clip_norm {
            // Clipping by value has changed the norm.
            Some(limit) if self.config.clip_value.is_some() => {
                let norm = gradients.norm();
                gradients.clip_norm(norm, limit)
            }
            Some(limit) => gradients.clip_norm(norm, limit),
            None => gradients,
        };
        let (model, parameters) = Parameters::take(self.take_model());
        let groups = self.group_factors(&parameters)?;
        let index = self.progress.step;
        let step = Step {
            index,
            lr: self.schedule.lr(index),
            momentum: self.schedule.momentum(index),
            weight_decay: self.schedule.weight_decay(index),
            groups: &groups,
        };
        let mut reevaluate = |_: &Parameters| -> Result<(f64, Gradients), UpdateError> {
            Err(UpdateError::Failed {
                name: "this".into(),
                reason:
                    "it needs a second evaluation of the batch, which this loop does not offer yet"
                        .into(),
            })
        };
        let parameters = self
            .update
            .step(&step, parameters, gradients, &mut reevaluate)?;
        self.model = Some(parameters.put(model));
        Ok(())
    }

    pub(super) fn group_factors(
        &self,
        parameters: &Parameters,
    ) -> Result<Vec<GroupFactors>, TrainError> {
        if self.config.groups.is_empty() {
            return Ok(Vec::new());
        }
        let paths: Vec<_> = parameters
            .0
            .iter()
            .map(|parameter| parameter.path.clone())
            .collect();
        Ok(groups::factors(&self.config.groups, &paths)?)
    }

    pub(super) fn leave_out(
        &mut self,
        group: &Group,
        buffers: Option<Buffers>,
    ) -> Result<(), TrainError> {
        let step = self.progress.step;
        let OnNonFinite::Skip { limit } = self.config.on_non_finite else {
            return Err(non_finite::error(
                self.model(),
                &group.gradients,
                step,
                group.loss,
            ));
        };
        self.progress.skipped_updates += 1;
        let skipped = self.progress.skipped_updates;
        if skipped > limit {
            return Err(TrainError::TooManySkipped {
                step,
                skipped,
                limit,
            });
        }
        if let Some(buffers) = buffers {
            self.model = Some(buffers.restore(self.take_model()));
        }
        self.event(
            "skipped",
            &serde_json::json!({ "step": step, "loss": group.loss.to_string() }),
        )
    }
}

/// Gradients and loss of one or more micro-batches, each a mean over their images.
pub(super) struct Group {
    pub(super) gradients: Gradients,
    pub(super) loss: f64,
    weight: f64,
    pub(super) sums: EpochSums,
}

impl Group {
    /// The mean over both, by weight.
    fn merge(self, next: Self) -> Self {
        let weight = self.weight + next.weight;
        let (old, new) = (self.weight / weight, next.weight / weight);
        let mut sums = self.sums;
        sums.add(&next.sums);
        Self {
            gradients: self.gradients.scale(old).add_scaled(next.gradients, new),
            loss: self.loss * old + next.loss * new,
            weight,
            sums,
        }
    }
}
