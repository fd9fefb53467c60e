//! When each method of a hook is called, and that a hook can stop a run.

use std::cell::RefCell;
use std::rc::Rc;

use firebrick_core::run::{EpochRow, Scores};
use firebrick_train::{Ended, Flow, Hook, HookContext, HookState, TrainConfig, TrainError};

use crate::support::{Net, Run, weighted};

/// Writes down what it sees, and stops after an epoch.
#[derive(Clone, Default)]
struct Diary {
    seen: Rc<RefCell<Vec<String>>>,
    stop_after: Option<u64>,
}

impl Diary {
    fn note(&self, line: String) {
        self.seen.borrow_mut().push(line);
    }
}

impl Hook<Net> for Diary {
    fn name(&self) -> &str {
        "diary"
    }

    fn begin(
        &mut self,
        model: Net,
        context: &mut HookContext<'_>,
        kept: Option<HookState>,
    ) -> Result<Net, TrainError> {
        assert!(kept.is_none());
        let HookContext {
            epochs, updates, ..
        } = context;
        self.note(format!("begin {epochs} epochs, {updates} updates"));
        Ok(model)
    }

    fn before_step(
        &mut self,
        model: Net,
        context: &mut HookContext<'_>,
    ) -> Result<Net, TrainError> {
        self.note(format!("before {}", context.step));
        Ok(model)
    }

    fn after_step(
        &mut self,
        _model: &Net,
        context: &mut HookContext<'_>,
        loss: f64,
    ) -> Result<Flow, TrainError> {
        assert!(loss.is_finite());
        self.note(format!("step {}", context.step));
        Ok(Flow::Continue)
    }

    fn cycle_end(
        &mut self,
        _model: &Net,
        context: &mut HookContext<'_>,
    ) -> Result<Flow, TrainError> {
        self.note(format!("cycle {}", context.step));
        Ok(Flow::Continue)
    }

    fn finish(&mut self, model: Net, _context: &mut HookContext<'_>) -> Result<Net, TrainError> {
        self.note("finish".into());
        Ok(model)
    }

    fn evaluation(
        &mut self,
        _model: &Net,
        _context: &mut HookContext<'_>,
        scores: &Scores,
    ) -> Result<Flow, TrainError> {
        self.note(format!("evaluation of {}", scores.count));
        Ok(Flow::Continue)
    }

    fn epoch_end(
        &mut self,
        _model: &Net,
        _context: &mut HookContext<'_>,
        row: &EpochRow,
    ) -> Result<Flow, TrainError> {
        self.note(format!("epoch {}", row.epoch));
        Ok(if self.stop_after == Some(row.epoch) {
            Flow::Stop
        } else {
            Flow::Continue
        })
    }
}

#[test]
fn hooks_see_everything_in_order() {
    let config = |accumulate| TrainConfig {
        epochs: 2,
        accumulate,
        ..Run::new("flex").config
    };
    // Five batches, one of which is not enough for an update of two: the last update of an epoch has one.
    for (accumulate, updates) in [(1, 5), (2, 3)] {
        let diary = Diary::default();
        let run = Run {
            config: config(accumulate),
            hooks: vec![Box::new(diary.clone())],
            ..Run::new("flex")
        };
        run.go().unwrap();
        let all = 2 * updates;
        let mut expected = vec![format!("begin 2 epochs, {all} updates")];
        for step in 0..all {
            expected.extend([format!("before {step}"), format!("step {}", step + 1)]);
            if step + 1 == all {
                expected.push(format!("cycle {all}"));
            }
            if (step + 1) % updates == 0 {
                let epoch = format!("epoch {}", (step + 1) / updates);
                expected.extend(["evaluation of 20".into(), epoch]);
            }
        }
        expected.push("finish".into());
        assert_eq!(*diary.seen.borrow(), expected);
    }
}

#[test]
fn hooks_are_called_once_for_an_update_also_where_its_batches_count_for_nothing() {
    // The last batches of each epoch have no weight in the loss, so the update that they begin is made by
    // the first of the next.
    let diary = Diary::default();
    let mut run = weighted(vec![3, 4], 1);
    run.config.epochs = 2;
    run.hooks = vec![Box::new(diary.clone())];
    assert_eq!(run.go().unwrap().progress.step, 6);
    let seen = diary.seen.borrow();
    for step in 0..6 {
        let calls = seen
            .iter()
            .filter(|line| **line == format!("before {step}"));
        assert_eq!(calls.count(), 1, "update {step}: {seen:?}");
    }
}

#[test]
fn a_hook_can_stop() {
    let diary = Diary {
        stop_after: Some(2),
        ..Diary::default()
    };
    let outcome = Run {
        hooks: vec![Box::new(diary)],
        ..Run::new("flex")
    }
    .go()
    .unwrap();
    assert_eq!(
        (outcome.ended, outcome.progress.rows.len()),
        (Ended::Hook, 2)
    );
}
