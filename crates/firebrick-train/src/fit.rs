//! The training loop.

mod ended;
mod epoch_end;
mod groups;
mod hooks;
mod lone_image;
mod saving;
mod to_evaluate;
mod trainer;
mod update;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use firebrick_core::data::BatchSource;
use firebrick_core::error::check;
use firebrick_core::length::RunLength;
use firebrick_core::loss::Loss;
use firebrick_core::parameters::Parameters;
use firebrick_core::penalty::Penalties;
use firebrick_core::random::StepScope;
use firebrick_core::state_dict::StateDict;
use firebrick_core::update::Update;
use firebrick_core::{Classifier, ConfigError, Schedule, independent_copy, probe, variance_shift};

use crate::checkpoint::{Checkpoint, Identity};
use crate::config::{OnNonFinite, TrainConfig};
use crate::error::TrainError;
use crate::hook::{Flow, Hook, check_names};
use crate::images_on::images_on;
use crate::non_finite::{self, Buffers};
use crate::progress::Progress;
use crate::run_dir::RunDir;
pub use ended::Ended;
use groups::{freeze_groups, group_factors};
use trainer::Trainer;
use update::Evaluated;

/// Everything that takes part in a training run.
pub struct Training<'a, M> {
    /// The model, on an autodiff device.
    pub model: M,
    /// The optimizer.
    pub update: Box<dyn Update>,
    /// The learning rate of each update.
    pub schedule: Box<dyn Schedule>,
    /// What is minimized.
    pub loss: &'a dyn Loss,
    /// What is added to the loss, and what holds parameters in bounds.
    pub penalties: &'a Penalties,
    /// Batches to train on.
    pub train: &'a mut dyn BatchSource,
    /// Batches to evaluate on after each epoch.
    pub valid: Option<&'a mut dyn BatchSource>,
    /// What runs beside the loop, in order.
    pub hooks: Vec<Box<dyn Hook<M> + 'a>>,
    /// Where checkpoints go; without it nothing is written.
    pub run: Option<&'a RunDir>,
    /// What the checkpoints belong to.
    pub identity: Identity,
    /// The moment to go on from.
    pub resume: Option<Checkpoint>,
    /// Set this from outside, for instance on Ctrl-C, to stop after the current update or evaluated batch;
    /// a checkpoint is written.
    pub interrupted: Arc<AtomicBool>,
    /// Called with messages for the user while it runs.
    pub notice: Box<dyn FnMut(&str) + 'a>,
}

impl<'a, M> Training<'a, M> {
    /// Without penalties, validation, hooks, a run directory or anything to resume from.
    pub fn new(
        model: M,
        update: Box<dyn Update>,
        schedule: Box<dyn Schedule>,
        loss: &'a dyn Loss,
        train: &'a mut dyn BatchSource,
    ) -> Self {
        Self {
            model,
            update,
            schedule,
            loss,
            penalties: &NO_PENALTIES,
            train,
            valid: None,
            hooks: Vec::new(),
            run: None,
            identity: Identity::default(),
            resume: None,
            interrupted: Arc::default(),
            notice: Box::new(|_| {}),
        }
    }
}

static NO_PENALTIES: Penalties = Penalties(Vec::new());

/// What training leaves.
pub struct Outcome<M> {
    /// The model after the last update, as the hooks finished it.
    pub model: M,
    /// The tensors to use: those of the model that was evaluated in the best epoch. Without a finished epoch,
    /// those of the last model.
    pub best: StateDict,
    /// How far it went.
    pub progress: Progress,
    /// Why it ended.
    pub ended: Ended,
}

/// Trains a model.
///
/// Equal inputs give equal parameters bit for bit on `flex` and `ndarray`, however often the run is
/// killed and resumed in between and whatever the number of loader workers. A run that ended by itself
/// stays ended: resumed, it makes no further update. The updates of an epoch are saved before its
/// validation; a run that is killed during validation begins with it when it is resumed.
///
/// Checkpoints in the run directory from after the update at which training begins are renamed. If the
/// checkpoint of the best epoch is lost, the best of those that are left takes its place.
///
/// Burn's own random layers (`burn::nn::Dropout`) draw from one generator for the whole process: with
/// those, train one model at a time in a process. Firebrick's layers draw from a scope of their own.
///
/// # Errors
/// [`TrainError`]; the last checkpoint stays.
pub fn fit<'a, M: Classifier>(
    training: Training<'a, M>,
    config: &'a TrainConfig,
) -> Result<Outcome<M>, TrainError> {
    ready(training, config)?.run()
}

/// An optimizer after training, and how that ended.
pub(crate) struct Stepped {
    pub(crate) update: Box<dyn Update>,
    pub(crate) ended: Result<Ended, TrainError>,
}

/// As [`fit()`], without a model in the end: gives the optimizer back.
pub(crate) fn updates<'a, M: Classifier>(
    training: Training<'a, M>,
    config: &'a TrainConfig,
) -> Result<Stepped, TrainError> {
    let mut trainer = ready(training, config)?;
    let ended = trainer.epochs();
    Ok(Stepped {
        update: trainer.update,
        ended,
    })
}

fn ready<'a, M: Classifier>(
    training: Training<'a, M>,
    config: &'a TrainConfig,
) -> Result<Trainer<'a, M>, TrainError> {
    config.check()?;
    check("train", "samples", training.train.samples(), 1..)?;
    training
        .loss
        .check_classes(training.train.classes().len())?;
    check_names(training.hooks.iter().map(|hook| hook.name()))?;
    Trainer::new(training, config)
}

impl<'a, M: Classifier> Trainer<'a, M> {
    fn new(training: Training<'a, M>, config: &'a TrainConfig) -> Result<Self, TrainError> {
        let Training {
            model,
            update,
            schedule,
            loss,
            penalties,
            train,
            valid,
            hooks,
            run,
            identity,
            resume,
            interrupted,
            notice,
        } = training;
        let device = model
            .devices()
            .into_iter()
            .next()
            .unwrap_or_default()
            .autodiff();
        let per_epoch = (train.batches() as u64).div_ceil(config.accumulate);
        let length = RunLength {
            updates: config.epochs.saturating_mul(per_epoch),
            updates_per_epoch: per_epoch,
        };
        let parameters = Parameters::list_all(&model);
        let parameters = parameters.iter();
        let parameters = parameters.map(|(path, shape)| (path.as_str(), shape.as_slice()));
        penalties.check(&parameters.collect::<Vec<_>>())?;
        let mut trainer = Self {
            config,
            factors: group_factors(&config.groups, &model)?,
            model: Some(freeze_groups(&config.groups, model)),
            update,
            schedule,
            loss,
            penalties,
            train,
            valid,
            hooks,
            run,
            identity,
            interrupted,
            notice,
            device,
            length,
            progress: Progress::default(),
            best: None,
            saved: None,
            cannot_train_alone: None,
            told_of_lone_image: false,
            to_evaluate: None,
            prepared: None,
        };
        match resume {
            Some(checkpoint) => trainer.restore(checkpoint)?,
            None => {
                trainer.begin_hooks(None)?;
                trainer.set_aside_from(0)?;
            }
        }
        if !penalties.have_begun() {
            return Err(ConfigError::Conflict(
                "a penalty such as l2_sp measures from the weights that the run began with, but nothing tells it what they were: add a `StartWeights` hook to the training".into(),
            )
            .into());
        }
        Ok(trainer)
    }

    fn run(mut self) -> Result<Outcome<M>, TrainError> {
        if self.progress.step == 0 && self.progress.batch == 0 {
            self.observe_first_batch()?;
        }
        // The checkpoint is the truth: what a crash, a damaged disk or an editor left is written again.
        if let (Some(run), true) = (self.run, self.progress.step > 0) {
            run.metrics(&self.progress.rows)?;
        }
        // Also the first act of a run that branched off another one.
        self.save()?;
        let mut ended = self.epochs()?;
        if ended == Ended::Hook {
            self.progress.stopped = true;
        }
        self.save()?;
        if matches!(ended, Ended::UpdateLimit | Ended::TimeLimit | Ended::Hook) {
            ended = self.finish_part(ended)?;
        }
        let best = match self.best.take() {
            Some(best) => best,
            None => self.evaluated_weights()?,
        };
        if ended != Ended::Interrupted {
            self.change(|hook, model, context| hook.finish(model, context))?;
        }
        Ok(Outcome {
            model: self.take_model(),
            best,
            progress: self.progress,
            ended,
        })
    }

    /// All epochs, from wherever it stands.
    fn epochs(&mut self) -> Result<Ended, TrainError> {
        loop {
            let limit = self.limit_reached(Flow::Continue);
            if let Some(ended) = self.ended().or(limit) {
                return Ok(ended);
            }
            if let Some(ended) = self.epoch()? {
                return Ok(ended);
            }
        }
    }

    /// Why the run is over, as far as its state says so: the same before and after a resume.
    fn ended(&self) -> Option<Ended> {
        let stale = self.progress.stale_epochs;
        if self.config.early_stop.is_some_and(|most| stale >= most) {
            Some(Ended::EarlyStop)
        } else if self.progress.stopped {
            Some(Ended::Hook)
        } else if self.progress.epoch >= self.config.epochs {
            Some(Ended::Finished)
        } else {
            None
        }
    }

    /// One epoch, from wherever it stands; `Some` when training ends within it.
    fn epoch(&mut self) -> Result<Option<Ended>, TrainError> {
        self.train.start(self.progress.epoch, self.progress.batch);
        let mut clock = Instant::now();
        while self.progress.batch < self.train.batches() {
            let Some(flow) = self.one_update()? else {
                break;
            };
            let seconds = clock.elapsed().as_secs_f64();
            clock = Instant::now();
            self.progress.sums.seconds += seconds;
            self.progress.seconds += seconds;
            if let Some(ended) = self.limit_reached(flow) {
                return Ok(Some(ended));
            }
            let due = self
                .config
                .checkpoint_every
                .is_some_and(|every| self.progress.step.is_multiple_of(every));
            // The end of the epoch saves by itself.
            if due && self.progress.batch < self.train.batches() {
                self.save()?;
            }
        }
        self.finish_epoch()
    }

    fn limit_reached(&self, flow: Flow) -> Option<Ended> {
        if self.interrupted.load(Ordering::Relaxed) {
            Some(Ended::Interrupted)
        } else if flow == Flow::Stop {
            Some(Ended::Hook)
        } else if self
            .config
            .max_updates
            .is_some_and(|most| self.progress.step >= most)
        {
            Some(Ended::UpdateLimit)
        } else if self
            .config
            .max_seconds
            .is_some_and(|most| self.progress.seconds >= most)
        {
            Some(Ended::TimeLimit)
        } else {
            None
        }
    }

    /// One optimizer update from the next group of micro-batches; `None` at the end of the epoch.
    fn one_update(&mut self) -> Result<Option<Flow>, TrainError> {
        let Some(first) = self.first_batch()? else {
            return Ok(None);
        };
        self.to_evaluate = None;
        if self.prepared != Some(self.progress.step) {
            self.prepared = Some(self.progress.step);
            self.change(|hook, model, context| hook.before_step(model, context))?;
            if !self.hooks.is_empty() {
                // Frozen, batch norm takes a single image.
                self.cannot_train_alone = None;
            }
        }
        // Only skipping needs a way back.
        let buffers = matches!(self.config.on_non_finite, OnNonFinite::Skip { .. })
            .then(|| Buffers::of(self.model()));
        let Some(Evaluated { group, again, next }) = self.gradients(first)? else {
            return Ok(None);
        };
        let loss = group.loss;
        let norm = group.gradients.norm();
        let refused = if group.objective().is_finite() && norm.is_finite() {
            self.apply(group.gradients, norm, &again, &next)?
        } else {
            let step = self.progress.step;
            Some(non_finite::error(
                self.model(),
                &group.gradients,
                step,
                loss,
            ))
        };
        match refused {
            None => self.progress.sums.add(&group.sums),
            Some(error) => self.leave_out(error, loss, buffers)?,
        }
        let step = self.progress.step;
        self.progress.curve.push(step, self.schedule.lr(step), loss);
        self.progress.step += 1;
        self.after_step(loss, self.schedule.ends_cycle(step))
            .map(Some)
    }

    fn after_step(&mut self, loss: f64, ends_cycle: bool) -> Result<Flow, TrainError> {
        self.tell(false, |hook, model, context| {
            let flow = hook.after_step(model, context, loss)?;
            if !ends_cycle {
                return Ok(flow);
            }
            Ok(flow.or(hook.cycle_end(model, context)?))
        })
    }

    /// What every layer puts out at step 0, on the first images.
    fn observe_first_batch(&mut self) -> Result<(), TrainError> {
        self.train.start(0, 0);
        let Some(batch) = self.train.next_batch() else {
            return Ok(());
        };
        let mut batch = batch?;
        if batch.is_empty() {
            return Ok(());
        }
        // A copy, in training mode as in the first step, so that its statistics do not move.
        let model = independent_copy(self.model());
        let images = images_on(&mut batch, &self.device);
        let images = images.narrow(0, 0, batch.shape[0].min(32));
        let scope = StepScope {
            seed: self.config.seed,
            updates: Some(self.length.updates),
            ..StepScope::default()
        };
        let enough = images.dims()[0] > 1;
        let (_, seen) = if enough {
            probe::observe(&model, |model| {
                scope.enter(|| model.forward_training(images).logits)
            })
        } else {
            probe::observe(&model.valid(), |model| model.forward(images.inner()))
        };
        for note in variance_shift::notes(&seen) {
            (self.notice)(&note);
        }
        self.progress.activations = seen;
        Ok(())
    }
}
