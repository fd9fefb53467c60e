//! A run that is interrupted anywhere and resumed equals the uninterrupted one, bit for bit.

use firebrick_core::Clipping;
use firebrick_core::random::StepScope;
use firebrick_core::state_dict::StateDict;
use firebrick_train::{Ended, RunDir, TrainConfig};

use crate::support::{Net, Run, alone, bytes, epochs, newest};

fn config(accumulate: u64) -> TrainConfig {
    TrainConfig {
        accumulate,
        clipping: Clipping {
            norm: Some(1.0),
            ..Clipping::default()
        },
        checkpoint_every: Some(1),
        ..Run::new("flex").config
    }
}

/// Something else draws from the device in between, as another process would; not while another test
/// trains.
fn disturb(device: &str, step: u64) {
    let _turn = alone();
    let scope = StepScope {
        seed: 99,
        step,
        ..StepScope::default()
    };
    firebrick_core::device(device)
        .unwrap()
        .seed(scope.device_seed());
}

fn cut_everywhere(device: &str, optimizer: &str, accumulate: u64) {
    let whole = Run {
        config: config(accumulate),
        optimizer,
        ..Run::new(device)
    }
    .go()
    .unwrap();
    assert_eq!(whole.ended, Ended::Finished);
    let updates = whole.progress.step;
    assert_eq!(updates, 3 * 5_u64.div_ceil(accumulate));
    for cut in 1..updates {
        let temp = tempfile::tempdir().unwrap();
        let dir = RunDir::create(&temp.path().join("run")).unwrap();
        let first = TrainConfig {
            max_updates: Some(cut),
            ..config(accumulate)
        };
        let outcome = Run {
            config: first,
            optimizer,
            dir: Some(&dir),
            ..Run::new(device)
        }
        .go()
        .unwrap();
        assert_eq!(
            (outcome.ended, outcome.progress.step),
            (Ended::UpdateLimit, cut)
        );
        disturb(device, cut);
        let resumed = Run {
            config: config(accumulate),
            optimizer,
            dir: Some(&dir),
            resume: newest(&dir, device),
            ..Run::new(device)
        }
        .go()
        .unwrap();
        assert_eq!(
            bytes(&resumed.model),
            bytes(&whole.model),
            "{device}, {optimizer}, cut after {cut}"
        );
        assert_eq!(resumed.progress.curve, whole.progress.curve);
        assert_eq!(
            resumed.progress.best.map(|b| (b.epoch, b.value)),
            whole.progress.best.map(|b| (b.epoch, b.value))
        );
        assert_eq!(resumed.best, whole.best);
    }
}

#[test]
fn flex_adam_cut_after_every_update() {
    cut_everywhere("flex", "adamw(lr=0.01)", 1);
}

#[test]
fn ndarray_momentum_with_accumulation_cut_after_every_update() {
    cut_everywhere("ndarray", "sgd(lr=0.05, momentum=0.9, nesterov=true)", 2);
}

/// Optimizers with every kind of state beside schedules of every kind: pure functions, cycles, and those
/// that look back on epochs.
const PAIRS: [(&str, &str); 12] = [
    ("sgd(momentum=0.9, nesterov=true)", "one_cycle(max_lr=0.1)"),
    ("adam", "cosine_restarts(lr=0.01, cycle=1ep, mult=2)"),
    ("adamw(amsgrad=true)", "warmup(2, then=cosine(lr=0.01))"),
    ("lamb", "plateau(lr=0.01, patience=0)"),
    (
        "rmsprop(centered=true, momentum=0.9)",
        "step(lr=0.01, step_size=1ep)",
    ),
    (
        "lion",
        "cyclic(base_lr=0.0001, max_lr=0.001, step_size_up=4)",
    ),
    ("lookahead(base=radam, k=4)", "wsd(lr=0.01)"),
    (
        "sam(base=sgd(momentum=0.9))",
        "multistep(lr=0.05, milestones=[6, 12])",
    ),
    ("schedule_free_adamw(warmup_steps=4)", "constant(lr=0.01)"),
    ("adahessian", "polynomial(lr=0.05, power=2.0)"),
    (
        "soap(precondition_frequency=3)",
        "snapshot_cosine(lr=0.01, cycles=3)",
    ),
    ("lbfgs(history_size=3)", "exponential(lr=0.1, gamma=0.9)"),
];

#[test]
fn pairs_of_optimizer_and_schedule_interrupted_three_times() {
    for (optimizer, schedule) in PAIRS {
        let run = |dir, resume| Run {
            optimizer,
            schedule,
            dir,
            resume,
            ..Run::new("flex")
        };
        let whole = run(None, None).go().unwrap();
        assert_eq!((whole.ended, whole.progress.step), (Ended::Finished, 15));
        let temp = tempfile::tempdir().unwrap();
        let dir = RunDir::create(&temp.path().join("run")).unwrap();
        // In the middle of the first epoch, at the end of the second, in the last.
        for until in [3, 10, 13] {
            let part = run(Some(&dir), newest(&dir, "flex")).until(until);
            let part = part.go().unwrap();
            assert_eq!(
                (part.ended, part.progress.step),
                (Ended::UpdateLimit, until)
            );
            disturb("flex", until);
        }
        let resumed = run(Some(&dir), newest(&dir, "flex")).go().unwrap();
        assert_eq!(resumed.ended, Ended::Finished);
        let pair = format!("{optimizer}, {schedule}");
        assert!(bytes(&resumed.model) == bytes(&whole.model), "{pair}");
        assert_eq!(resumed.progress.curve, whole.progress.curve, "{pair}");
        assert_eq!(epochs(&resumed.progress), epochs(&whole.progress), "{pair}");
        assert_eq!(resumed.best, whole.best, "{pair}");
    }
}

#[test]
fn another_seed_is_another_run() {
    let base = Run::new("flex").go().unwrap();
    let other = Run {
        config: TrainConfig {
            seed: 6,
            ..Run::new("flex").config
        },
        ..Run::new("flex")
    }
    .go()
    .unwrap();
    assert_ne!(
        bytes(&base.model),
        bytes(&other.model),
        "dropout draws from the seed"
    );
}

#[test]
fn a_run_moves_between_devices() {
    let temp = tempfile::tempdir().unwrap();
    let dir = RunDir::create(&temp.path().join("run")).unwrap();
    let on = |device: &'static str| {
        let autodiff = firebrick_core::device(device).unwrap().autodiff();
        Run {
            config: config(1),
            optimizer: "sgd(lr=0.05, momentum=0.9)",
            model: Some(Net::new(&autodiff).without_dropout()),
            ..Run::new(device)
        }
    };
    let cut = Run {
        dir: Some(&dir),
        ..on("ndarray")
    };
    let cut = cut.until(7).go().unwrap();
    let resumed = |forgets: bool| {
        let mut checkpoint = newest(&dir, "flex").unwrap();
        if forgets {
            checkpoint.optimizer.parameters.clear();
        }
        Run {
            resume: Some(checkpoint),
            ..on("flex")
        }
    };
    // What arrives is what left, bit for bit.
    let arrived = resumed(false).until(7).go().unwrap();
    assert_eq!(bytes(&arrived.model), bytes(&cut.model));
    let moved = resumed(false).go().unwrap();
    let whole = on("flex").go().unwrap();
    assert_eq!(moved.progress.step, whole.progress.step);
    let apart = |one: &Net, other: &Net| {
        let (one, other) = (StateDict::of(one), StateDict::of(other));
        let pairs = one.tensors.iter().flat_map(|(key, data)| {
            let pairs = data.iter::<f32>().zip(other.tensors[key].iter::<f32>());
            pairs.collect::<Vec<_>>()
        });
        pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
    };
    let difference = apart(&moved.model, &whole.model);
    assert!(difference < 1e-4, "{difference}");
    for (moved, whole) in moved.progress.rows.iter().zip(&whole.progress.rows) {
        let losses = (moved.train_loss, whole.train_loss);
        assert!((losses.0 - losses.1).abs() < 1e-4, "{losses:?}");
    }
    assert_eq!(moved.progress.rows.len(), 3);
    // The momentum came along.
    let difference = apart(&resumed(true).go().unwrap().model, &whole.model);
    assert!(difference > 1e-2, "{difference}");
}
