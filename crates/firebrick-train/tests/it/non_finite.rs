//! Losses and gradients that are NaN or infinite.

use firebrick_train::{Ended, Monitor, OnNonFinite, RunDir, TrainConfig};

use crate::support::{Run, Source, bytes, epochs, newest};

#[test]
fn what_is_not_finite_stops_with_the_layer() {
    let source = Source::poisoned(40, [2]);
    let error = Run {
        source,
        ..Run::new("flex")
    }
    .go()
    .map(|_| ())
    .unwrap_err()
    .to_string();
    assert!(
        error.contains("update 2")
            && error.contains("the loss (NaN)")
            && error.contains("`conv.weight`")
            && error.contains("lower learning rate"),
        "{error}"
    );
}

#[test]
fn what_is_not_finite_can_be_left_out_without_a_trace() {
    let source = || Source::poisoned(40, [2]);
    let config = TrainConfig {
        on_non_finite: OnNonFinite::Skip { limit: 3 },
        ..Run::new("flex").config
    };
    let outcome = Run {
        source: source(),
        config,
        ..Run::new("flex")
    }
    .go()
    .unwrap();
    assert_eq!(outcome.progress.skipped_updates, 3);
    let finite = firebrick_core::state_dict::StateDict::of(&outcome.model)
        .tensors
        .iter()
        .all(|(_, data)| data.iter::<f32>().all(f32::is_finite));
    assert!(finite, "running statistics took the NaN in");
    let config = TrainConfig {
        on_non_finite: OnNonFinite::Skip { limit: 2 },
        ..Run::new("flex").config
    };
    let error = Run {
        source: source(),
        config,
        ..Run::new("flex")
    }
    .go()
    .map(|_| ())
    .unwrap_err()
    .to_string();
    assert!(error.contains("more than the limit of 2"), "{error}");
}

#[test]
fn a_run_that_measures_nothing_but_nan_can_be_resumed() {
    // Every update is left out, and no score is a number.
    let poisoned = || Source::poisoned(40, 0..5);
    let run = |max_updates| Run {
        config: TrainConfig {
            on_non_finite: OnNonFinite::Skip { limit: 100 },
            monitor: Monitor::ValidLoss,
            early_stop: Some(2),
            epochs: 9,
            max_updates,
            ..Run::new("flex").config
        },
        source: poisoned(),
        valid: Box::new(poisoned()),
        ..Run::new("flex")
    };
    let whole = run(None).go().unwrap();
    assert_eq!(
        (whole.ended, whole.progress.rows.len()),
        (Ended::EarlyStop, 3)
    );
    assert!(whole.progress.best.unwrap().value.is_nan());
    for cut in [3, 5, 7, 12] {
        let temp = tempfile::tempdir().unwrap();
        let dir = RunDir::create(&temp.path().join("run")).unwrap();
        let first = Run {
            dir: Some(&dir),
            ..run(Some(cut))
        };
        first.go().unwrap();
        let resumed = Run {
            dir: Some(&dir),
            resume: newest(&dir, "flex"),
            ..run(None)
        };
        let resumed = resumed.go().unwrap();
        assert_eq!(resumed.ended, Ended::EarlyStop);
        assert_eq!(epochs(&resumed.progress), epochs(&whole.progress));
        assert_eq!(bytes(&resumed.model), bytes(&whole.model));
    }
}
