//! What hooks are given: the training images, the run directory, and errors of their own.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use firebrick_core::state_dict::StateDict;
use firebrick_train::{Ended, EvaluationModel, Flow, Hook, HookContext, RunDir, TrainError};

use super::{error, temporary};
use crate::support::{Net, Run, bytes, newest};

/// Uses all that a hook is given.
struct Busy {
    files: Rc<Cell<usize>>,
    finished: Rc<Cell<usize>>,
    interrupt: Option<Arc<AtomicBool>>,
}

impl Hook<Net> for Busy {
    fn name(&self) -> &str {
        "busy"
    }

    fn before_step(
        &mut self,
        model: Net,
        context: &mut HookContext<'_>,
    ) -> Result<Net, TrainError> {
        assert_eq!((context.seed, context.classes), (5, 3));
        assert!(context.device.is_autodiff());
        // Other images than those of the step, and more of them.
        let source = context.train_source();
        source.start(7, 1);
        while let Some(batch) = source.next_batch() {
            batch?;
        }
        Ok(model)
    }

    fn after_step(
        &mut self,
        model: &Net,
        context: &mut HookContext<'_>,
        _: f64,
    ) -> Result<Flow, TrainError> {
        context.train_source().start(0, 4);
        if let (Some(run), 4) = (context.run, context.step) {
            let bytes = StateDict::of(model).to_safetensors().unwrap();
            run.write("step-4.safetensors", &bytes)?;
            self.files.set(self.files.get() + 1);
        }
        if let (Some(flag), 6) = (&self.interrupt, context.step) {
            flag.store(true, Ordering::Relaxed);
        }
        Ok(Flow::Continue)
    }

    fn finish(&mut self, model: Net, _: &mut HookContext<'_>) -> Result<Net, TrainError> {
        self.finished.set(self.finished.get() + 1);
        Ok(model)
    }
}

#[test]
fn a_hook_may_read_the_training_images_and_keep_files_and_the_run_is_the_same() {
    let whole = Run::new("flex").go().unwrap();
    let (_temp, dir) = temporary();
    let (files, finished) = (Rc::<Cell<usize>>::default(), Rc::<Cell<usize>>::default());
    let busy = |interrupt| Busy {
        files: files.clone(),
        finished: finished.clone(),
        interrupt,
    };
    let flag = Arc::new(AtomicBool::new(false));
    let first = Run {
        dir: Some(&dir),
        hooks: vec![Box::new(busy(Some(flag.clone())))],
        interrupted: flag,
        ..Run::new("flex")
    };
    let first = first.go().unwrap();
    assert_eq!((first.ended, first.progress.step), (Ended::Interrupted, 6));
    assert_eq!(finished.get(), 0, "an interrupted run is not over");
    let second = Run {
        dir: Some(&dir),
        resume: newest(&dir, "flex"),
        hooks: vec![Box::new(busy(None))],
        ..Run::new("flex")
    };
    let second = second.go().unwrap();
    assert_eq!(bytes(&second.model), bytes(&whole.model));
    assert_eq!(second.best, whole.best);
    assert_eq!((files.get(), finished.get()), (1, 1));
    let kept = std::fs::read(dir.path().join("step-4.safetensors")).unwrap();
    assert_eq!(StateDict::from_safetensors(&kept).unwrap().tensors.len(), 8);
}

/// Fails to give a model.
struct Failing;

impl Hook<Net> for Failing {
    fn name(&self) -> &str {
        "failing"
    }

    fn evaluated(&mut self, _: &Net) -> Result<Option<EvaluationModel<Net>>, TrainError> {
        Err(TrainError::hook("failing", "there is no average yet"))
    }
}

#[test]
fn a_hook_that_cannot_give_the_model_says_why() {
    let run = Run {
        hooks: vec![Box::new(Failing)],
        ..Run::new("flex")
    };
    let error = error(run.go());
    assert_eq!(error, "hook `failing`: there is no average yet");
}

#[test]
fn a_directory_without_a_recipe_can_be_opened_again() {
    let whole = Run::new("flex").go().unwrap();
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("run");
    let missing = RunDir::open(&path).unwrap_err().to_string();
    assert!(missing.contains("no such run directory"), "{missing}");
    let first = RunDir::create(&path).unwrap();
    let run = Run {
        dir: Some(&first),
        ..Run::new("flex")
    };
    run.until(7).go().unwrap();
    drop(first);
    let again = RunDir::open(&path).unwrap();
    let resumed = Run {
        dir: Some(&again),
        resume: newest(&again, "flex"),
        ..Run::new("flex")
    };
    assert_eq!(bytes(&resumed.go().unwrap().model), bytes(&whole.model));
    let other = RunDir::open(temp.path()).unwrap_err().to_string();
    assert!(other.contains("not a run directory"), "{other}");
}
