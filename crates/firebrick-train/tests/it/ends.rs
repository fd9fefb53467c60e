//! A run that has ended stays ended, wherever it was killed; an interruption does not end it.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use firebrick_core::data::{Batch, BatchSource, DataError};
use firebrick_core::run::EpochRow;
use firebrick_train::{Ended, Flow, Hook, HookContext, RunDir, TrainConfig, TrainError};

use crate::support::{Net, Run, Source, bytes, epochs, newest};

/// Asks for the end after an update or an epoch.
struct Stopper {
    after_step: Option<u64>,
    after_epoch: Option<u64>,
}

impl Hook<Net> for Stopper {
    fn name(&self) -> &str {
        "stopper"
    }

    fn after_step(
        &mut self,
        _: &Net,
        context: &mut HookContext<'_>,
        _: f64,
    ) -> Result<Flow, TrainError> {
        Ok(if self.after_step == Some(context.step) {
            Flow::Stop
        } else {
            Flow::Continue
        })
    }

    fn epoch_end(
        &mut self,
        _: &Net,
        _: &mut HookContext<'_>,
        row: &EpochRow,
    ) -> Result<Flow, TrainError> {
        Ok(if self.after_epoch == Some(row.epoch) {
            Flow::Stop
        } else {
            Flow::Continue
        })
    }
}

#[test]
fn a_run_that_ended_makes_no_update_when_it_is_resumed() {
    let patient = TrainConfig {
        epochs: 50,
        early_stop: Some(2),
        ..Run::new("flex").config
    };
    let three = Run::new("flex").config;
    for (config, after_step, after_epoch, expected) in [
        (&patient, None, None, Ended::EarlyStop),
        (&three, None, None, Ended::Finished),
        (&three, None, Some(2), Ended::Hook),
        (&three, Some(7), None, Ended::Hook),
    ] {
        let temp = tempfile::tempdir().unwrap();
        let dir = RunDir::create(&temp.path().join("run")).unwrap();
        let run = || Run {
            config: config.clone(),
            // Only the running statistics move.
            optimizer: "sgd(lr=0.0)",
            dir: Some(&dir),
            ..Run::new("flex")
        };
        let first = Run {
            hooks: vec![Box::new(Stopper {
                after_step,
                after_epoch,
            })],
            ..run()
        };
        let first = first.go().unwrap();
        assert_eq!(first.ended, expected);
        // As if it had been killed before anything was made of it; the hook need not ask again.
        for _ in 0..2 {
            let again = Run {
                resume: newest(&dir, "flex"),
                ..run()
            };
            let again = again.go().unwrap();
            assert_eq!(again.ended, expected);
            assert_eq!(again.progress.step, first.progress.step, "{expected:?}");
            assert_eq!(epochs(&again.progress), epochs(&first.progress));
            assert_eq!(bytes(&again.model), bytes(&first.model));
            assert_eq!(again.best, first.best);
        }
    }
}

#[test]
fn a_limit_that_is_reached_already_adds_nothing_and_ends_nothing() {
    let temp = tempfile::tempdir().unwrap();
    let dir = RunDir::create(&temp.path().join("run")).unwrap();
    let run = |most: Option<u64>, resume| Run {
        config: TrainConfig {
            max_updates: most,
            ..Run::new("flex").config
        },
        dir: Some(&dir),
        resume,
        ..Run::new("flex")
    };
    for (most, step) in [(7, 7), (7, 7), (3, 7), (10, 10), (11, 11)] {
        let outcome = run(Some(most), newest(&dir, "flex")).go().unwrap();
        let found = (outcome.ended, outcome.progress.step);
        assert_eq!(found, (Ended::UpdateLimit, step), "limit {most}");
    }
    let rest = run(None, newest(&dir, "flex")).go().unwrap();
    let whole = Run::new("flex").go().unwrap();
    assert_eq!(rest.ended, Ended::Finished);
    assert_eq!(bytes(&rest.model), bytes(&whole.model));
    assert_eq!(epochs(&rest.progress), epochs(&whole.progress));
}

/// Validation images in whose midst something happens once.
struct Eventful {
    source: Source,
    /// Batches until then.
    left: Cell<usize>,
    event: Event,
}

enum Event {
    /// What a kill is to the loop: it gets no further.
    Breaks,
    /// Ctrl-C.
    Interrupts(Arc<AtomicBool>),
}

impl BatchSource for Eventful {
    fn samples(&self) -> usize {
        self.source.samples()
    }
    fn batches(&self) -> usize {
        self.source.batches()
    }
    fn start(&mut self, epoch: u64, batch: usize) {
        self.source.start(epoch, batch);
    }
    fn next_batch(&mut self) -> Option<Result<Batch, DataError>> {
        self.left.set(self.left.get().wrapping_sub(1));
        if self.left.get() == 0 {
            match &self.event {
                Event::Breaks => return Some(Err(DataError::Invalid("broken off".into()))),
                Event::Interrupts(flag) => flag.store(true, Ordering::Relaxed),
            }
        }
        self.source.next_batch()
    }
    fn classes(&self) -> &[String] {
        self.source.classes()
    }
    fn fingerprint(&self) -> String {
        self.source.fingerprint()
    }
}

/// Counts the updates of a session.
struct Count(Rc<Cell<u64>>);

impl Hook<Net> for Count {
    fn name(&self) -> &str {
        "count"
    }
    fn after_step(&mut self, _: &Net, _: &mut HookContext<'_>, _: f64) -> Result<Flow, TrainError> {
        self.0.set(self.0.get() + 1);
        Ok(Flow::Continue)
    }
}

/// Cuts the run off in batch `at`, from 1, of its validations and resumes it.
fn cut_in_validation(at: usize, breaks: bool) {
    let whole = Run::new("flex").go().unwrap();
    let temp = tempfile::tempdir().unwrap();
    let dir = RunDir::create(&temp.path().join("run")).unwrap();
    let interrupted = Arc::new(AtomicBool::new(false));
    let event = if breaks {
        Event::Breaks
    } else {
        Event::Interrupts(interrupted.clone())
    };
    let cut = Run {
        dir: Some(&dir),
        valid: Box::new(Eventful {
            source: Source::new(20, 8),
            left: Cell::new(at),
            event,
        }),
        interrupted,
        ..Run::new("flex")
    };
    match cut.go() {
        Ok(outcome) => assert!(!breaks && outcome.ended == Ended::Interrupted),
        Err(error) => assert!(breaks, "{error}"),
    }
    let kept = newest(&dir, "flex").unwrap();
    // Three batches and the end of the source are asked for in each evaluation.
    let epoch = (at - 1) / 4;
    let updates = 5 * (epoch as u64 + 1);
    assert_eq!(
        (kept.progress.step, kept.progress.rows.len()),
        (updates, epoch),
        "the updates of the epoch are kept, its evaluation is to come"
    );
    let steps = Rc::new(Cell::new(0));
    let resumed = Run {
        dir: Some(&dir),
        resume: Some(kept),
        hooks: vec![Box::new(Count(steps.clone()))],
        ..Run::new("flex")
    };
    let resumed = resumed.go().unwrap();
    assert_eq!(steps.get(), 15 - updates, "no update is made again");
    assert_eq!(epochs(&resumed.progress), epochs(&whole.progress));
    assert_eq!(bytes(&resumed.model), bytes(&whole.model));
    assert_eq!(resumed.best, whole.best);
}

#[test]
fn a_validation_that_breaks_off_loses_no_update() {
    for at in [1, 2, 3, 6, 11] {
        cut_in_validation(at, true);
    }
}

#[test]
fn an_interruption_ends_a_validation_between_its_batches() {
    for at in [1, 3, 5, 7, 10] {
        cut_in_validation(at, false);
    }
}

#[test]
fn an_interruption_before_the_first_update_is_one() {
    let outcome = Run {
        interrupted: Arc::new(AtomicBool::new(true)),
        ..Run::new("flex")
    };
    let outcome = outcome.go().unwrap();
    assert_eq!(
        (outcome.ended, outcome.progress.step),
        (Ended::Interrupted, 0)
    );
}
