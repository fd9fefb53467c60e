//! Calling the hooks.

use std::collections::BTreeMap;

use firebrick_core::Classifier;

use super::groups::freeze_groups;
use super::trainer::{ToEvaluate, Trainer};
use crate::error::TrainError;
use crate::hook::{Flow, Hook, HookContext, HookState};
use crate::progress::Progress;

impl<M: Classifier> Trainer<'_, M> {
    /// Lets every hook begin, with what it kept in the checkpoint that the run goes on from.
    pub(super) fn begin_hooks(
        &mut self,
        kept: Option<BTreeMap<String, HookState>>,
    ) -> Result<(), TrainError> {
        let resumed = kept.is_some();
        let mut kept = kept.unwrap_or_default();
        let claimed = |name: &String| self.hooks.iter().any(|hook| hook.name() == name);
        if let Some(name) = kept.keys().find(|name| !claimed(name)) {
            return Err(TrainError::hook(
                name,
                "the checkpoint has state of this hook, but this run has no hook of that name; add the hook, or start a new run",
            ));
        }
        self.change(|hook, model, context| {
            let state = kept.remove(hook.name());
            let lacks = resumed && state.is_none();
            let model = hook.begin(model, context, state)?;
            if lacks && hook.save().is_some() {
                return Err(TrainError::hook(
                    hook.name(),
                    "this hook keeps state, but the checkpoint has none of it: the run was trained without the hook; leave it out, or start a new run",
                ));
            }
            Ok(model)
        })
    }

    /// Lets every hook change the model, in order. What a group freezes stays frozen.
    pub(super) fn change(
        &mut self,
        mut call: impl FnMut(&mut dyn Hook<M>, M, &mut HookContext<'_>) -> Result<M, TrainError>,
    ) -> Result<(), TrainError> {
        if self.hooks.is_empty() {
            return Ok(());
        }
        let mut hooks = std::mem::take(&mut self.hooks);
        let model = self.take_model();
        let mut context = self.context();
        let mut each = hooks.iter_mut();
        let model = each.try_fold(model, |model, hook| call(&mut **hook, model, &mut context));
        let moved = context.moved;
        self.hooks = hooks;
        self.model = Some(freeze_groups(&self.config.groups, model?));
        self.find_place_again(moved);
        Ok(())
    }

    /// Tells every hook, in order: of the model that is evaluated, or else of the one being trained.
    pub(super) fn tell(
        &mut self,
        evaluated: bool,
        mut call: impl FnMut(&mut dyn Hook<M>, &M, &mut HookContext<'_>) -> Result<Flow, TrainError>,
    ) -> Result<Flow, TrainError> {
        if self.hooks.is_empty() {
            return Ok(Flow::Continue);
        }
        let mut hooks = std::mem::take(&mut self.hooks);
        let to_evaluate = self.to_evaluate.take();
        let model = self.take_model();
        let seen = match &to_evaluate {
            Some(ToEvaluate::Other(other)) if evaluated => other,
            _ => &model,
        };
        let mut context = self.context();
        let mut each = hooks.iter_mut();
        let flow = each.try_fold(Flow::Continue, |flow, hook| {
            Ok(flow.or(call(&mut **hook, seen, &mut context)?))
        });
        let moved = context.moved;
        self.hooks = hooks;
        self.to_evaluate = to_evaluate;
        self.model = Some(model);
        self.find_place_again(moved);
        flow
    }

    fn context(&mut self) -> HookContext<'_> {
        let Progress {
            step,
            epoch,
            ref sums,
            best,
            ..
        } = self.progress;
        HookContext {
            step,
            epoch,
            step_in_epoch: step.saturating_sub(epoch * self.length.updates_per_epoch),
            updates_per_epoch: self.length.updates_per_epoch,
            updates: self.length.updates,
            epochs: self.config.epochs,
            lr: self.schedule.lr(step.saturating_sub(1)),
            train_top1: sums.top1(),
            images: sums.images,
            classes: self.train.classes().len(),
            best_epoch: best.map(|best| best.epoch),
            seed: self.config.seed,
            device: &self.device,
            run: self.run,
            train: &mut *self.train,
            moved: false,
        }
    }

    /// Goes back to where the loop is in the training images, if something else has read them.
    pub(super) fn find_place_again(&mut self, moved: bool) {
        if moved {
            self.train.start(self.progress.epoch, self.progress.batch);
        }
    }
}
