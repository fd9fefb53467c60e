//! Hooks that freeze and unfreeze parameters as training goes on.

use firebrick_core::state_dict::StateDict;
use firebrick_core::{freeze, unfreeze};
use firebrick_train::{Flow, Hook, HookContext, HookState, TrainConfig, TrainError};

use super::{config, killed, net};
use crate::support::{Net, Run};

/// Says which parameters are trained in which update.
#[derive(Clone, Copy)]
struct Stages(fn(u64, &str) -> bool);

impl Stages {
    fn apply(self, model: Net, step: u64) -> Net {
        let model = unfreeze(model, |_| true);
        freeze(model, |path| !self.0(step, path))
    }
}

impl Hook<Net> for Stages {
    fn name(&self) -> &str {
        "stages"
    }

    fn begin(
        &mut self,
        model: Net,
        context: &mut HookContext<'_>,
        _: Option<HookState>,
    ) -> Result<Net, TrainError> {
        Ok(self.apply(model, context.step))
    }

    fn before_step(
        &mut self,
        model: Net,
        context: &mut HookContext<'_>,
    ) -> Result<Net, TrainError> {
        Ok(self.apply(model, context.step))
    }
}

/// The head, from update 4 on batch norm too, from update 9 on everything.
fn gradually(step: u64, path: &str) -> bool {
    let from = match path.split('.').next() {
        Some("fc") => 0,
        Some("bn") => 4,
        _ => 9,
    };
    step >= from
}

/// Everything, but batch norm and convolution rest in the middle, and the head for a while.
fn on_and_off(step: u64, path: &str) -> bool {
    match path.split('.').next() {
        Some("fc") => !(10..12).contains(&step),
        _ => !(3..9).contains(&step),
    }
}

#[test]
fn stages_that_freeze_and_unfreeze_go_on_after_a_kill_bit_for_bit() {
    // Checkpoints after updates 4 and 10 lie where something is frozen that was trained before.
    let config = TrainConfig {
        checkpoint_every: Some(4),
        ..config()
    };
    for (optimizer, stages) in [
        ("adamw(lr=0.01)", Stages(gradually)),
        ("adamw(lr=0.01)", Stages(on_and_off)),
        (
            "lookahead(2, base=sgd(lr=0.05, momentum=0.9))",
            Stages(on_and_off),
        ),
        ("schedule_free_adamw(lr=0.02)", Stages(on_and_off)),
        ("lbfgs(lr=0.1, max_iter=2)", Stages(on_and_off)),
    ] {
        killed(&[5, 11], || Run {
            config: config.clone(),
            optimizer,
            schedule: "constant",
            hooks: vec![Box::new(stages)],
            ..Run::new("flex")
        });
    }
}

#[test]
fn what_a_stage_freezes_does_not_move_and_what_it_unfreezes_does() {
    let run = Run {
        optimizer: "sgd(lr=0.1, momentum=0.9, weight_decay=0.1)",
        schedule: "constant",
        hooks: vec![
            Box::new(Stages(gradually)),
            Box::new(Watch(StateDict::of(&net()))),
        ],
        ..Run::new("flex")
    };
    run.go().unwrap();
}

/// Compares the model of each update with the one before.
struct Watch(StateDict);

impl Hook<Net> for Watch {
    fn name(&self) -> &str {
        "watch"
    }

    fn after_step(
        &mut self,
        model: &Net,
        context: &mut HookContext<'_>,
        _: f64,
    ) -> Result<Flow, TrainError> {
        let now = StateDict::of(model);
        for (key, before) in &self.0.tensors {
            let moved = now.tensors[key] != *before;
            assert_eq!(
                moved,
                gradually(context.step - 1, key),
                "{key} in {}",
                context.step
            );
        }
        self.0 = now;
        Ok(Flow::Continue)
    }
}
