//! Checkpoints that were damaged, belong elsewhere, or are in the way.

use std::fs;
use std::path::PathBuf;

use firebrick_train::{Checkpoint, Identity, RunDir, TrainConfig};

use crate::support::Run;

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
