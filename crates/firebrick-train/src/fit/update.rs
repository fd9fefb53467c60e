//! One optimizer update: the gradients of a group of micro-batches, clipped and applied, or left out.

use burn::tensor::{Device, Tensor};
use firebrick_core::data::{Batch, Targets};
use firebrick_core::loss::Loss;
use firebrick_core::nn::with_batch_norm_momentum;
use firebrick_core::parameters::{Gradients, Parameter, Parameters};
use firebrick_core::penalty::{Charged, Penalties};
use firebrick_core::random::StepScope;
use firebrick_core::update::{GroupFactors, Step, UpdateError};
use firebrick_core::{Classifier, ConfigError, TrainingScores};

use super::groups::group_factors;
use super::trainer::Trainer;
use crate::config::OnNonFinite;
use crate::error::TrainError;
use crate::images_on::images_on;
use crate::metrics::{Target, highest};
use crate::non_finite::{self, Buffers};
use crate::predict::check_outputs;
use crate::progress::{EpochSums, add_each};

/// The next group of micro-batches, evaluated.
pub(super) struct Evaluated {
    pub(super) group: Group,
    /// Its batches, where the update may evaluate them again.
    pub(super) again: Vec<MicroBatch>,
    pub(super) next: NextStep,
}

/// The batch with which an update begins.
pub(super) struct FirstBatch {
    batch: Batch,
    /// Batches taken for it, with those that were left out.
    taken: u64,
    /// Whether these are the first of the epoch.
    of_epoch: bool,
}

impl<M: Classifier> Trainer<'_, M> {
    /// The next batch that has images to train on; `None` at the end of the epoch.
    pub(super) fn first_batch(&mut self) -> Result<Option<FirstBatch>, TrainError> {
        let of_epoch = self.progress.batch == 0;
        let mut taken = 0;
        while let Some(batch) = self.train.next_batch() {
            self.progress.batch += 1;
            taken += 1;
            let batch = batch?;
            let model = self.take_model();
            let left_out = batch.is_empty() || self.is_left_out(&model, &batch)?;
            self.model = Some(model);
            if !left_out {
                return Ok(Some(FirstBatch {
                    batch,
                    taken,
                    of_epoch,
                }));
            }
        }
        Ok(None)
    }

    /// Forward and backward over the next group of micro-batches, averaged by their weight in the
    /// loss, so that the result is that of one large batch; `None` at the end of the epoch.
    ///
    /// The gradient is taken where the update wants it; the model keeps its parameters.
    pub(super) fn gradients(&mut self, first: FirstBatch) -> Result<Option<Evaluated>, TrainError> {
        let (shell, parameters) = Parameters::take(self.take_model());
        if parameters.0.is_empty() {
            let text = "every parameter of the model is frozen, so there is nothing to train";
            return Err(ConfigError::Conflict(text.into()).into());
        }
        let next = self.next_step(&shell, &parameters)?;
        let point = self.update.gradient_point(&next.step(), &parameters);
        let charged = self.penalties.charge(point.as_ref().unwrap_or(&parameters));
        let evaluated = match point {
            Some(point) => {
                let model = point.put(shell);
                let evaluated = self.gradients_of(&model, first);
                let (shell, _) = Parameters::take(model);
                self.model = Some(parameters.put(shell));
                evaluated
            }
            None => {
                let model = parameters.put(shell);
                let evaluated = self.gradients_of(&model, first);
                self.model = Some(model);
                evaluated
            }
        };
        let evaluated = evaluated?;
        Ok(evaluated.map(|(group, again)| Evaluated {
            group: group.with(charged),
            again,
            next,
        }))
    }

    fn gradients_of(
        &mut self,
        model: &M,
        first: FirstBatch,
    ) -> Result<Option<(Group, Vec<MicroBatch>)>, TrainError> {
        let keep = self.update.reevaluates();
        let mut group: Option<Group> = None;
        let mut kept = Vec::new();
        let FirstBatch {
            batch,
            taken: mut number,
            of_epoch,
        } = first;
        let mut first = Some(batch);
        // A group whose images were all left out as unreadable, or have no weight in the loss, is no
        // update: it takes the next batch as well.
        while first.is_some()
            || number < self.config.accumulate
            || group.as_ref().is_none_or(Group::is_weightless)
        {
            let mut batch = match first.take() {
                Some(batch) => batch,
                None => {
                    let Some(batch) = self.train.next_batch() else {
                        break;
                    };
                    self.progress.batch += 1;
                    number += 1;
                    batch?
                }
            };
            if batch.is_empty() || self.is_left_out(model, &batch)? {
                continue;
            }
            let batch = MicroBatch {
                images: images_on(&mut batch, &self.device),
                targets: batch.targets,
                number: number - 1,
            };
            let next = self.pass().run(model, &batch)?;
            group = Some(Group::join(group, next));
            if keep {
                kept.push(batch);
            }
        }
        if of_epoch && group.as_ref().is_some_and(Group::is_weightless) {
            return Err(ConfigError::Conflict(format!(
                "all images of epoch {} belong to classes that have weight 0 in the loss {}, so there is nothing to learn from; give a class that has images a weight above 0",
                self.progress.epoch + 1,
                self.loss.spec()
            ))
            .into());
        }
        let group = group.filter(|group| !group.is_weightless());
        Ok(group.map(|group| (group, kept)))
    }

    fn pass(&self) -> Pass<'_> {
        Pass {
            loss: self.loss,
            penalties: self.penalties,
            device: &self.device,
            seed: self.config.seed,
            step: self.progress.step,
            updates: self.length.updates,
            classes: self.train.classes().len(),
        }
    }

    /// What the coming update is told.
    fn next_step(&mut self, shell: &M, parameters: &Parameters) -> Result<NextStep, TrainError> {
        let index = self.progress.step;
        let of = |one: &Parameter| self.factors.get(&one.path).copied();
        let mut groups = Vec::new();
        if !self.factors.is_empty() {
            groups = parameters.0.iter().map_while(of).collect();
            if groups.len() < parameters.0.len() {
                // A hook has put other parameters into the model.
                self.factors = group_factors(&self.config.groups, shell)?;
                let of = |one: &Parameter| self.factors.get(&one.path).copied();
                groups = parameters
                    .0
                    .iter()
                    .map(|one| of(one).unwrap_or_default())
                    .collect();
            }
        }
        Ok(NextStep {
            index,
            lr: self.schedule.lr(index),
            momentum: self.schedule.momentum(index),
            weight_decay: self.schedule.weight_decay(index),
            groups,
        })
    }

    /// Clips and updates. Something comes back where the update evaluated the batch again and that
    /// was not finite: the model is then as before.
    pub(super) fn apply(
        &mut self,
        gradients: Gradients,
        norm: f64,
        again: &[MicroBatch],
        next: &NextStep,
    ) -> Result<Option<TrainError>, TrainError> {
        let (shell, parameters) = Parameters::take(self.take_model());
        let clip = self.config.clipping;
        let name = self.update.name().to_string();
        let gradients = clip.apply(gradients, &parameters, norm);
        let index = self.progress.step;
        // What evaluating again moves, and what leaving the update out needs.
        let buffers = (!again.is_empty()).then(|| Buffers::of(&shell));
        let skips = matches!(self.config.on_non_finite, OnNonFinite::Skip { .. });
        let before = (skips && !again.is_empty()).then(|| parameters.clone());
        let pass = Pass {
            loss: self.loss,
            penalties: self.penalties,
            device: &self.device,
            seed: self.config.seed,
            step: index,
            updates: self.length.updates,
            classes: self.train.classes().len(),
        };
        let rates: Vec<f64> = (0..parameters.0.len())
            .map(|at| next.lr * next.step().group(at).lr)
            .collect();
        let failed = |reason: &str| UpdateError::Failed {
            name: name.clone(),
            reason: reason.into(),
        };
        let mut shell = Some(shell);
        let mut not_finite = None;
        let mut reevaluate = |point: &Parameters| -> Result<(f64, Gradients), UpdateError> {
            if again.is_empty() {
                return Err(failed(
                    "it evaluates the batch again without having declared that it does: its `Update::reevaluates` must return true",
                ));
            }
            let own = shell.take().ok_or_else(|| failed(BROKEN_OFF))?;
            let at = point.clone().put(own);
            let group = pass.run_all(&at, again);
            let result = group.map(|group| {
                let group = group.with(pass.penalties.charge(point));
                let mut loss = group.objective();
                let norm = group.gradients.norm();
                if !(loss.is_finite() && norm.is_finite()) {
                    not_finite = Some(non_finite::again(&at, &group.gradients, index, loss));
                    loss = f64::NAN;
                }
                (loss, clip.apply(group.gradients, point, norm))
            });
            shell = Some(Parameters::take(at).0);
            result.ok_or_else(|| failed(BROKEN_OFF))
        };
        let stepped = self
            .update
            .step(&next.step(), parameters, gradients, &mut reevaluate);
        let shell = shell.ok_or_else(|| failed(BROKEN_OFF))?;
        let shell = match buffers {
            Some(buffers) => buffers.restore(shell),
            None => shell,
        };
        match (stepped, not_finite, before) {
            (Ok(parameters), ..) => {
                let parameters = pass.penalties.after_update(parameters, &rates);
                let model = parameters.put(shell);
                if self.update.recounts_statistics() {
                    pass.take_statistics(&model, again);
                }
                self.model = Some(model);
                Ok(None)
            }
            (Err(UpdateError::NotFinite { .. }), Some(error), Some(before)) => {
                self.model = Some(before.put(shell));
                Ok(Some(error))
            }
            (Err(UpdateError::NotFinite { .. }), Some(error), None) => Err(error),
            (Err(error), ..) => Err(error.into()),
        }
    }

    /// Leaves an update out that is not finite, or stops with the error.
    pub(super) fn leave_out(
        &mut self,
        error: TrainError,
        loss: f64,
        buffers: Option<Buffers>,
    ) -> Result<(), TrainError> {
        let step = self.progress.step;
        let OnNonFinite::Skip { limit } = self.config.on_non_finite else {
            return Err(error);
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
            &serde_json::json!({ "step": step, "loss": loss.to_string() }),
        )
    }
}

/// A [`Step`] with its groups.
pub(super) struct NextStep {
    index: u64,
    lr: f64,
    momentum: Option<f64>,
    weight_decay: Option<f64>,
    groups: Vec<GroupFactors>,
}

impl NextStep {
    fn step(&self) -> Step<'_> {
        Step {
            index: self.index,
            lr: self.lr,
            momentum: self.momentum,
            weight_decay: self.weight_decay,
            groups: &self.groups,
        }
    }
}

fn number(value: Tensor<1>) -> f64 {
    value.into_data().iter::<f64>().sum()
}

/// The values, 0 where there is none. They come from the device together.
fn numbers(values: &[Option<Tensor<1>>]) -> Vec<f64> {
    let there: Vec<Tensor<1>> = values.iter().flatten().cloned().collect();
    if there.is_empty() {
        return vec![0.0; values.len()];
    }
    let all = Tensor::cat(there, 0).into_data();
    let mut all = all.iter::<f64>();
    let of = |value: &Option<_>| value.as_ref().and_then(|_| all.next()).unwrap_or(0.0);
    values.iter().map(of).collect()
}

/// Why an update fails whose batch was evaluated again but not to the end.
const BROKEN_OFF: &str = "evaluating its batch again broke off";

/// A part of an update's images, on the device.
pub(super) struct MicroBatch {
    images: Tensor<4>,
    targets: Targets,
    /// Which one of the update, from 0.
    number: u64,
}

/// Forward and backward passes of one update: with equal parameters, equal to the bit.
#[derive(Clone, Copy)]
struct Pass<'a> {
    loss: &'a dyn Loss,
    penalties: &'a Penalties,
    device: &'a Device,
    seed: u64,
    step: u64,
    /// Of the whole run.
    updates: u64,
    classes: usize,
}

impl Pass<'_> {
    fn scores<M: Classifier>(self, model: &M, batch: &MicroBatch) -> TrainingScores {
        let scope = StepScope {
            seed: self.seed,
            step: self.step,
            micro_batch: batch.number,
            updates: Some(self.updates),
        };
        // Burn's own random layers draw from the device's one generator.
        self.device.seed(scope.device_seed());
        scope.enter(|| model.forward_training(batch.images.clone()))
    }

    /// Makes the running statistics of batch norm those of all micro-batches at these parameters.
    fn take_statistics<M: Classifier>(self, model: &M, batches: &[MicroBatch]) {
        for (number, batch) in (1_u32..).zip(batches) {
            let share = 1.0 / f64::from(number);
            with_batch_norm_momentum(share, || self.scores(model, batch));
        }
    }

    fn run<M: Classifier>(self, model: &M, batch: &MicroBatch) -> Result<Group, ConfigError> {
        let scores = self.scores(model, batch);
        let targets = scores.targets(&batch.targets);
        let logits = scores.logits;
        check_outputs(&logits, self.classes)?;
        let value = self.loss.loss(logits.clone(), &targets);
        let (loss, penalties, gradients) = if value.weight == 0.0 {
            // Divided by no weight it would not be a number.
            (0.0, Vec::new(), Gradients(Vec::new()))
        } else {
            let loss = value.mean();
            let penalties = self.penalties.charge_outputs(&logits);
            let all = penalties.iter().flatten();
            let mut gradients = all
                .fold(loss.clone(), |sum, one| sum + one.clone())
                .backward();
            let gradients = Gradients::take(model, &mut gradients);
            (number(loss), numbers(&penalties), gradients)
        };
        let [rows, classes] = logits.dims();
        let [images, ..] = batch.images.dims();
        let logits: Vec<f32> = logits.into_data().iter::<f32>().collect();
        let right = logits.chunks(classes).zip(Target::each(&targets));
        let right: f64 = right.map(|(row, target)| target.share(highest(row))).sum();
        // Of an image that has several rows, each counts for its part.
        let correct = right / (rows as f64 / images as f64);
        let sums = EpochSums {
            loss: loss * value.weight,
            penalties: penalties.iter().map(|one| one * value.weight).collect(),
            weight: value.weight,
            correct,
            images: images as u64,
            seconds: 0.0,
        };
        Ok(Group {
            gradients,
            loss,
            penalties,
            weight: value.weight,
            sums,
        })
    }

    /// All micro-batches of the update, averaged as the first time; `None` without any.
    fn run_all<M: Classifier>(self, model: &M, batches: &[MicroBatch]) -> Option<Group> {
        let groups = batches.iter().map(|batch| self.run(model, batch).ok());
        groups.fold(None, |all, next| Some(Group::join(all, next?)))
    }
}

/// Gradients and loss of one or more micro-batches, each a mean over their images.
pub(super) struct Group {
    /// Of the loss and the penalties.
    pub(super) gradients: Gradients,
    /// Without penalties.
    pub(super) loss: f64,
    /// The value of each penalty, 0 for a rule that adds nothing to the loss.
    penalties: Vec<f64>,
    weight: f64,
    pub(super) sums: EpochSums,
}

impl Group {
    /// Whether no image of it counts in the loss; it has no gradients then.
    fn is_weightless(&self) -> bool {
        self.weight == 0.0
    }

    /// What is minimized: the loss and the penalties.
    pub(super) fn objective(&self) -> f64 {
        self.loss + self.penalties.iter().sum::<f64>()
    }

    /// With what the penalties of the parameters come to, where these micro-batches were evaluated.
    fn with(mut self, charged: Option<Charged>) -> Self {
        let Some(Charged { values, gradients }) = charged else {
            return self;
        };
        let values = numbers(&values);
        let sums: Vec<f64> = values.iter().map(|value| value * self.weight).collect();
        add_each(&mut self.sums.penalties, &sums);
        add_each(&mut self.penalties, &values);
        self.gradients = self.gradients.add_scaled(gradients, 1.0);
        self
    }

    /// The mean over all, by weight.
    fn join(all: Option<Self>, next: Self) -> Self {
        let Some(all) = all else { return next };
        let mut sums = all.sums.clone();
        sums.add(&next.sums);
        if next.is_weightless() {
            return Self { sums, ..all };
        }
        if all.is_weightless() {
            return Self { sums, ..next };
        }
        let weight = all.weight + next.weight;
        let (old, new) = (all.weight / weight, next.weight / weight);
        let penalties = all.penalties.iter().zip(&next.penalties);
        Self {
            penalties: penalties.map(|(a, b)| a * old + b * new).collect(),
            gradients: all.gradients.scale(old).add_scaled(next.gradients, new),
            loss: all.loss * old + next.loss * new,
            weight,
            sums,
        }
    }
}
