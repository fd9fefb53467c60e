//! A best epoch whose checkpoint is gone or damaged.

use std::cell::RefCell;
use std::fs;

use burn::tensor::Device;
use firebrick_core::parameters::{Gradients, Parameters};
use firebrick_core::update::{Reevaluate, Step, Update, UpdateError, UpdateState};
use firebrick_train::{Checkpoint, Ended, Monitor, Outcome, RunDir, TrainConfig};

use crate::support::{Net, Run, bytes, newest};

/// Goes up the gradient.
struct Ascent;

impl Update for Ascent {
    fn name(&self) -> &str {
        "ascent"
    }

    fn step(
        &mut self,
        step: &Step<'_>,
        mut parameters: Parameters,
        gradients: Gradients,
        _: &mut Reevaluate<'_>,
    ) -> Result<Parameters, UpdateError> {
        for (parameter, gradient) in parameters.0.iter_mut().zip(gradients.0) {
            if let Some(gradient) = gradient {
                parameter.value = parameter.value.clone() + gradient * step.lr;
            }
        }
        Ok(parameters)
    }

    fn state(&self) -> UpdateState {
        UpdateState::default()
    }

    fn load_state(&mut self, _: UpdateState, _: &[String], _: &Device) -> Result<(), UpdateError> {
        Ok(())
    }
}

/// The training loss rises, so that the first epoch is the best, the second the next, and so on.
fn rising<'a>() -> Run<'a> {
    Run {
        config: TrainConfig {
            epochs: 9,
            monitor: Monitor::TrainLoss,
            early_stop: Some(4),
            keep: 2,
            ..Run::new("flex").config
        },
        optimizer: "sgd(lr=0.05)",
        schedule: "constant",
        update: Some(Box::new(Ascent)),
        ..Run::new("flex")
    }
}

/// Stops in the fourth epoch, does something to the run directory, and resumes; with what was said.
fn with(change: impl Fn(&RunDir)) -> (Outcome<Net>, Vec<String>, tempfile::TempDir) {
    let temp = tempfile::tempdir().unwrap();
    let dir = RunDir::create(&temp.path().join("run")).unwrap();
    let cut = Run {
        dir: Some(&dir),
        ..rising()
    };
    assert_eq!(cut.until(17).go().unwrap().progress.best.unwrap().epoch, 1);
    change(&dir);
    let said = RefCell::new(Vec::new());
    let resumed = Run {
        dir: Some(&dir),
        resume: newest(&dir, "flex"),
        notice: Box::new(|text| said.borrow_mut().push(text.to_string())),
        ..rising()
    };
    let outcome = resumed.go().unwrap();
    (outcome, said.into_inner(), temp)
}

fn weights(temp: &tempfile::TempDir, step: u64) -> firebrick_core::state_dict::StateDict {
    let path = temp.path().join(format!("run/checkpoints/step-{step:09}"));
    let device = firebrick_core::device("flex").unwrap();
    Checkpoint::load(&path, &device).unwrap().model
}

fn remove(dir: &RunDir, step: u64) {
    fs::remove_dir_all(dir.path().join(format!("checkpoints/step-{step:09}"))).unwrap();
}

#[test]
fn its_place_is_taken_by_the_best_that_is_left_and_the_run_ends_when_it_would_have() {
    let whole = rising().go().unwrap();
    assert_eq!(
        (whole.ended, whole.progress.rows.len()),
        (Ended::EarlyStop, 5)
    );
    let (sound, said, temp) = with(|_| {});
    assert_eq!((sound.progress.best.unwrap().epoch, said.len()), (1, 0));
    assert_eq!(sound.best, weights(&temp, 5));
    assert_eq!(sound.best, whole.best);

    let flip = |dir: &RunDir| {
        let file = dir
            .path()
            .join("checkpoints/step-000000005/model.safetensors");
        let mut damaged = fs::read(&file).unwrap();
        let middle = damaged.len() / 2;
        damaged[middle] ^= 1;
        fs::write(file, damaged).unwrap();
    };
    type Change<'a> = (&'a dyn Fn(&RunDir), u64, &'a str);
    let changes: [Change<'_>; 4] = [
        (&flip, 2, "epoch 2 takes its place"),
        (&|dir| remove(dir, 5), 2, "epoch 2 takes its place"),
        (
            &|dir| [5, 10].into_iter().for_each(|step| remove(dir, step)),
            3,
            "epoch 3 takes its place",
        ),
        (
            &|dir| [5, 10, 15].into_iter().for_each(|step| remove(dir, step)),
            4,
            "the best of the remaining epochs will take its place",
        ),
    ];
    for (change, epoch, needle) in changes {
        let (outcome, said, temp) = with(change);
        assert!(
            said.len() == 1 && said[0].contains("best epoch, 1,") && said[0].contains(needle),
            "{said:?}"
        );
        let best = outcome.progress.best.unwrap();
        assert_eq!((best.epoch, best.step), (epoch, 5 * epoch));
        assert_eq!(outcome.best, weights(&temp, 5 * epoch));
        assert_eq!(outcome.ended, Ended::EarlyStop);
        assert_eq!(outcome.progress.rows.len(), 5);
        assert_eq!(bytes(&outcome.model), bytes(&whole.model));
    }
}

#[test]
fn a_later_epoch_that_beats_it_is_the_best_as_ever() {
    let run = || Run {
        config: TrainConfig {
            epochs: 8,
            monitor: Monitor::TrainLoss,
            ..Run::new("flex").config
        },
        ..Run::new("flex")
    };
    let whole = run().go().unwrap();
    let temp = tempfile::tempdir().unwrap();
    let dir = RunDir::create(&temp.path().join("run")).unwrap();
    let cut = Run {
        dir: Some(&dir),
        ..run()
    };
    cut.until(12).go().unwrap();
    let lost = newest(&dir, "flex").unwrap().progress.best.unwrap();
    let best = whole.progress.best.unwrap();
    assert!(best.epoch > 3 && lost.epoch < 3, "{lost:?} {best:?}");
    remove(&dir, lost.step);
    let resumed = Run {
        dir: Some(&dir),
        resume: newest(&dir, "flex"),
        ..run()
    };
    let resumed = resumed.go().unwrap();
    assert_eq!(resumed.progress.best, whole.progress.best);
    assert_eq!(resumed.progress.lost_best, None);
    assert_eq!(resumed.best, whole.best);
}
