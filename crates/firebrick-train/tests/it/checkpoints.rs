//! Checkpoints that are damaged, belong to another run, or are in the way.

use std::cell::RefCell;
use std::fs;
use std::path::PathBuf;

use firebrick_train::{
    Checkpoint, Flow, Hook, HookContext, Identity, RunDir, TrainConfig, TrainError,
};

use crate::support::{Net, Run, bytes};

fn trained() -> (tempfile::TempDir, RunDir) {
    let temp = tempfile::tempdir().unwrap();
    let dir = RunDir::create(&temp.path().join("run")).unwrap();
    let config = TrainConfig {
        keep: 2,
        ..Run::new("flex").config
    };
    Run {
        config,
        dir: Some(&dir),
        ..Run::new("flex")
    }
    .go()
    .unwrap();
    (temp, dir)
}

fn newest(run: &RunDir, identity: &Identity) -> Result<(u64, Vec<String>), String> {
    let device = firebrick_core::device("flex").unwrap();
    match Checkpoint::newest(run.path(), Some(identity), &device) {
        Ok(Some((checkpoint, refused))) => Ok((
            checkpoint.progress.step,
            refused.iter().map(ToString::to_string).collect(),
        )),
        Ok(None) => Err("none".into()),
        Err(error) => Err(error.to_string()),
    }
}

fn files(directory: &PathBuf) -> Vec<PathBuf> {
    fs::read_dir(directory)
        .unwrap()
        .flatten()
        .map(|entry| entry.path())
        .collect()
}

#[test]
fn one_flipped_byte_anywhere_is_seen_and_the_previous_checkpoint_used() {
    let (_temp, run) = trained();
    let last = run.checkpoints().pop().unwrap();
    assert_eq!(newest(&run, &Run::identity()).unwrap(), (15, vec![]));
    for file in files(&last) {
        let good = fs::read(&file).unwrap();
        for at in (0..good.len()).step_by(good.len() / 40 + 1) {
            let mut bad = good.clone();
            bad[at] ^= 1;
            fs::write(&file, &bad).unwrap();
            let (step, refused) = newest(&run, &Run::identity()).unwrap();
            assert_eq!(step, 10, "{} byte {at}", file.display());
            assert!(refused[0].contains("step-000000015"), "{refused:?}");
        }
        fs::write(&file, &good[..good.len() - 1]).unwrap();
        assert_eq!(
            newest(&run, &Run::identity()).unwrap().0,
            10,
            "{} cut short",
            file.display()
        );
        fs::remove_file(&file).unwrap();
        assert_eq!(
            newest(&run, &Run::identity()).unwrap().0,
            10,
            "{} missing",
            file.display()
        );
        fs::write(&file, &good).unwrap();
    }
    assert_eq!(newest(&run, &Run::identity()).unwrap(), (15, vec![]));
}

#[test]
fn a_foreign_checkpoint_is_refused_by_name() {
    let (_temp, run) = trained();
    for (identity, needle) in [
        (
            Identity {
                model: "other".into(),
                ..Run::identity()
            },
            "another model: net",
        ),
        (
            Identity {
                data: "source-41".into(),
                ..Run::identity()
            },
            "other data",
        ),
        (
            Identity {
                recipe: "lr = 2".into(),
                ..Run::identity()
            },
            "another recipe",
        ),
    ] {
        let error = newest(&run, &identity).unwrap_err();
        assert!(
            error.contains(needle) && error.contains("step-000000015"),
            "{error}"
        );
    }
}

#[test]
fn the_last_two_and_the_best_stay() {
    let (_temp, run) = trained();
    let found = run.checkpoints();
    assert!((2..=4).contains(&found.len()), "{found:?}");
    let left = files(&run.path().join("checkpoints"))
        .into_iter()
        .filter(|path| {
            path.file_name()
                .unwrap()
                .to_string_lossy()
                .starts_with(".tmp")
        });
    assert_eq!(left.count(), 0);
    let metrics = fs::read_to_string(run.path().join("metrics.csv")).unwrap();
    assert_eq!(metrics.lines().count(), 4);
    let columns: Vec<usize> = metrics
        .lines()
        .map(|line| line.split(',').count())
        .collect();
    assert!(
        columns.iter().all(|count| *count == columns[0]),
        "{metrics}"
    );
    let events = fs::read_to_string(run.path().join("events.jsonl")).unwrap();
    assert!(
        events
            .lines()
            .all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok())
    );
}

/// Puts damaged checkpoints into the way and sees what of its own the run can go on from.
struct Watch<'a> {
    dir: &'a RunDir,
    stray: bool,
}

impl Hook<Net> for Watch<'_> {
    fn name(&self) -> &str {
        "watch"
    }

    fn after_step(
        &mut self,
        _: &Net,
        context: &mut HookContext<'_>,
        _: f64,
    ) -> Result<Flow, TrainError> {
        // The checkpoint of this step is still to come.
        let (step, _) = newest(self.dir, &Run::identity()).unwrap();
        assert_eq!(
            step,
            context.step - 1,
            "what was written last is still there"
        );
        if self.stray && context.step == 10 {
            fs::create_dir(self.dir.path().join("checkpoints/step-999999999")).unwrap();
        }
        Ok(Flow::Continue)
    }
}

#[test]
fn damaged_checkpoints_push_no_sound_one_out() {
    let temp = tempfile::tempdir().unwrap();
    let dir = RunDir::create(&temp.path().join("run")).unwrap();
    let config = |max_updates| TrainConfig {
        max_updates,
        checkpoint_every: Some(1),
        ..Run::new("flex").config
    };
    let cut = Run {
        config: config(Some(7)),
        dir: Some(&dir),
        ..Run::new("flex")
    };
    cut.go().unwrap();
    let checkpoints = dir.path().join("checkpoints");
    fs::write(checkpoints.join("step-000000007/state.json"), "{}").unwrap();
    for name in ["step-000000008", "step-000000123", "step-1000000000"] {
        fs::create_dir(checkpoints.join(name)).unwrap();
    }
    let said = RefCell::new(Vec::new());
    let resumed = Run {
        config: config(None),
        dir: Some(&dir),
        resume: crate::support::newest(&dir, "flex"),
        hooks: vec![Box::new(Watch {
            dir: &dir,
            stray: true,
        })],
        notice: Box::new(|text| said.borrow_mut().push(text.to_string())),
        ..Run::new("flex")
    };
    assert_eq!(resumed.resume.as_ref().unwrap().progress.step, 6);
    let resumed = resumed.go().unwrap();
    for name in [
        "step-000000007",
        "step-000000008",
        "step-000000123",
        "step-1000000000",
    ] {
        assert!(
            said.borrow().iter().any(|line| line.contains(name)),
            "{said:?}"
        );
        assert!(checkpoints.join(format!("set-aside-{name}")).is_dir());
    }
    let names = |paths: Vec<PathBuf>| -> Vec<String> {
        let names = paths
            .into_iter()
            .map(|path| path.file_name().unwrap().to_owned());
        names
            .map(|name| name.to_string_lossy().into_owned())
            .collect()
    };
    let left = names(dir.checkpoints());
    assert_eq!(
        left[left.len() - 3..],
        ["step-000000014", "step-000000015", "step-999999999"]
    );
    let whole = Run::new("flex").go().unwrap();
    assert_eq!(bytes(&resumed.model), bytes(&whole.model));
}

#[test]
fn numbers_that_are_not_finite_come_back_from_a_checkpoint() {
    let (temp, dir) = trained();
    let mut checkpoint = crate::support::newest(&dir, "flex").unwrap();
    let odd = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY];
    for (name, value) in ["a", "b", "c"].into_iter().zip(odd) {
        checkpoint.optimizer.numbers.insert(name.into(), value);
        for state in checkpoint.optimizer.parameters.values_mut() {
            state.numbers.insert(name.into(), value);
        }
    }
    let progress = &mut checkpoint.progress;
    progress.best.as_mut().unwrap().value = f64::NAN;
    progress.lost_best = Some(f64::NEG_INFINITY);
    progress.sums.loss = f64::INFINITY;
    progress.seconds = f64::INFINITY;
    progress.curve.points.push((3, f64::NAN, f64::INFINITY));
    progress.activations[0].std = f64::NAN;
    let row = &mut progress.rows[0];
    (row.lr, row.train_loss, row.images_per_second) = (f64::INFINITY, f64::NAN, f64::INFINITY);
    row.valid.as_mut().unwrap().top1 = f64::NAN;
    let other = RunDir::create(&temp.path().join("other")).unwrap();
    checkpoint.save(&other).unwrap();
    let back = crate::support::newest(&other, "flex").unwrap();
    // As text, in which a NaN equals a NaN.
    assert_eq!(
        format!("{:?}", back.progress),
        format!("{:?}", checkpoint.progress)
    );
    let numbers = |checkpoint: &Checkpoint| {
        let optimizer = &checkpoint.optimizer;
        let own = optimizer.parameters.values().map(|state| &state.numbers);
        format!("{:?} {:?}", optimizer.numbers, own.collect::<Vec<_>>())
    };
    assert!(numbers(&checkpoint).contains("-inf"));
    assert_eq!(numbers(&back), numbers(&checkpoint));
}
