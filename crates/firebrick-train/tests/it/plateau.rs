//! A schedule that follows the monitored metric, with interruptions and resumes.

use firebrick_train::{Checkpoint, Monitor, RunDir, TrainConfig};

use crate::support::{Run, bytes};

/// No accuracy improves by 10, so the rate halves after the second epoch and after each one behind it.
const SCHEDULE: &str = "plateau(0.05, factor=0.5, patience=0, threshold=10, threshold_mode=abs)";

fn run<'a>(config: TrainConfig) -> Run<'a> {
    Run {
        config: TrainConfig {
            epochs: 4,
            checkpoint_every: Some(1),
            ..config
        },
        optimizer: "sgd(momentum=0.9)",
        schedule: SCHEDULE,
        ..Run::new("flex")
    }
}

#[test]
fn the_rate_follows_the_metric_and_a_resumed_run_is_the_uninterrupted_one() {
    let whole = run(TrainConfig::default()).go().unwrap();
    let rates: Vec<_> = whole.progress.rows.iter().map(|row| row.lr).collect();
    assert_eq!(rates, [0.05, 0.05, 0.025, 0.0125]);
    // Within epochs, and with an epoch's last update.
    for cut in [3, 10, 12, 15, 18] {
        let temp = tempfile::tempdir().unwrap();
        let dir = RunDir::create(&temp.path().join("run")).unwrap();
        let first = Run {
            dir: Some(&dir),
            ..run(TrainConfig {
                max_updates: Some(cut),
                ..TrainConfig::default()
            })
        };
        assert_eq!(first.go().unwrap().progress.step, cut);
        let device = firebrick_core::device("flex").unwrap();
        let newest = Checkpoint::newest(dir.path(), Some(&Run::identity()), &device).unwrap();
        let resumed = Run {
            dir: Some(&dir),
            resume: newest.map(|(checkpoint, _)| checkpoint),
            ..run(TrainConfig::default())
        };
        let resumed = resumed.go().unwrap();
        assert_eq!(
            resumed.progress.curve, whole.progress.curve,
            "cut after {cut}"
        );
        assert_eq!(
            bytes(&resumed.model),
            bytes(&whole.model),
            "cut after {cut}"
        );
    }
}

#[test]
fn a_metric_that_improves_by_falling_is_one_that_improves() {
    let config = TrainConfig {
        epochs: 3,
        monitor: Monitor::TrainLoss,
        ..TrainConfig::default()
    };
    // Any change counts: a loss that falls keeps its rate.
    let outcome = Run {
        config,
        optimizer: "adam",
        schedule: "plateau(0.02, patience=0, threshold=0)",
        ..Run::new("flex")
    };
    let outcome = outcome.go().unwrap();
    let losses: Vec<_> = outcome
        .progress
        .rows
        .iter()
        .map(|row| row.train_loss)
        .collect();
    let rates: Vec<_> = outcome.progress.rows.iter().map(|row| row.lr).collect();
    assert!(losses[1] < losses[0], "{losses:?}");
    assert_eq!(rates[2], 0.02, "{losses:?}");
}
