//! The training loop: the best epoch, early stopping, accumulation, and the settings of an update.

use firebrick_core::parameters::Parameters;
use firebrick_core::{Clipping, Groups};
use firebrick_train::{Ended, Monitor, TrainConfig};

use crate::support::{Net, Run, Source, bytes};

#[test]
fn training_learns_and_the_best_epoch_is_kept() {
    let config = TrainConfig {
        epochs: 12,
        monitor: Monitor::ValidLoss,
        ..Run::new("flex").config
    };
    let outcome = Run {
        config,
        optimizer: "adam(lr=0.05)",
        ..Run::new("flex")
    }
    .go()
    .unwrap();
    let rows = &outcome.progress.rows;
    assert!(
        rows[11].train_top1 > 0.9 && rows[11].train_loss < 0.5 * rows[0].train_loss,
        "{rows:?}"
    );
    let best = outcome.progress.best.unwrap();
    let least = rows
        .iter()
        .map(|row| row.valid.unwrap().loss)
        .fold(f64::INFINITY, f64::min);
    assert_eq!(best.value, least);
}

#[test]
fn early_stop_waits_for_its_patience() {
    let config = TrainConfig {
        epochs: 50,
        early_stop: Some(2),
        ..Run::new("flex").config
    };
    let outcome = Run {
        config,
        optimizer: "sgd(lr=0.0)",
        ..Run::new("flex")
    }
    .go()
    .unwrap();
    // With a rate of 0 only the running statistics move.
    assert_eq!(outcome.ended, Ended::EarlyStop);
    let best = outcome.progress.best.unwrap().epoch;
    assert_eq!(outcome.progress.rows.len() as u64, best + 2);
}

/// One update on `batch_size × accumulate` images with the net's random parts off.
fn one_update(batch_size: usize, accumulate: u64) -> Net {
    use burn::module::Module;
    let device = firebrick_core::device("flex").unwrap().autodiff();
    let net = Net::new(&device).freeze().set_require_grad(true);
    let config = TrainConfig {
        epochs: 1,
        accumulate,
        max_updates: Some(1),
        ..Run::new("flex").config
    };
    let source = Source::new(20, batch_size);
    Run {
        config,
        optimizer: "sgd(lr=1.0)",
        source,
        model: Some(net),
        ..Run::new("flex")
    }
    .go()
    .unwrap()
    .model
}

#[test]
fn accumulation_equals_the_big_batch_even_when_ragged() {
    // 20 images: one batch of 20, or micro-batches of 8, 8 and 4, which count by their size.
    let (big, small) = (one_update(20, 1), one_update(8, 3));
    let start = one_update(20, 1);
    let (_, big) = Parameters::take(big);
    let (_, small) = Parameters::take(small);
    assert_eq!(bytes(&start).len(), bytes(&one_update(8, 3)).len());
    for (a, b) in big.0.iter().zip(&small.0) {
        let difference: f32 = (a.value.clone() - b.value.clone())
            .abs()
            .max()
            .into_scalar();
        assert!(difference < 2e-6, "{}: {difference}", a.path);
    }
}

#[test]
fn settings_are_checked() {
    for (config, needle) in [
        (
            TrainConfig {
                epochs: 0,
                ..TrainConfig::default()
            },
            "epochs = 0",
        ),
        (
            TrainConfig {
                accumulate: 0,
                ..TrainConfig::default()
            },
            "accumulate = 0",
        ),
        (
            TrainConfig {
                clipping: Clipping {
                    norm: Some(f64::NAN),
                    ..Clipping::default()
                },
                ..TrainConfig::default()
            },
            "clip_norm = NaN",
        ),
        (
            TrainConfig {
                early_stop: Some(0),
                ..TrainConfig::default()
            },
            "early_stop = 0",
        ),
    ] {
        let error = Run {
            config,
            ..Run::new("flex")
        }
        .go()
        .map(|_| ())
        .unwrap_err()
        .to_string();
        assert!(error.contains(needle), "{error}");
    }
}

#[test]
fn limits_and_groups_reach_the_update() {
    let train = |config: TrainConfig| {
        let config = TrainConfig {
            epochs: 1,
            max_updates: Some(1),
            ..config
        };
        let run = Run {
            config,
            optimizer: "sgd(lr=1.0, weight_decay=0.5)",
            ..Run::new("flex")
        };
        let (_, parameters) = Parameters::take(run.go().unwrap().model);
        parameters
    };
    let clipped = |clipping: Clipping| {
        train(TrainConfig {
            clipping,
            ..Run::new("flex").config
        })
    };
    let norm = |from: &Parameters, to: &Parameters| -> Vec<f32> {
        let pairs = from.0.iter().zip(&to.0);
        let apart = pairs.map(|(a, b)| (a.value.clone() - b.value.clone()).powi_scalar(2).sum());
        apart.map(|sum| sum.into_scalar::<f32>().sqrt()).collect()
    };
    let plain = train(Run::new("flex").config);
    let limits = [
        Clipping {
            value: Some(1e-3),
            ..Clipping::default()
        },
        Clipping {
            tensor_norm: Some(1e-3),
            ..Clipping::default()
        },
        Clipping {
            agc: Some(1e-3),
            ..Clipping::default()
        },
        Clipping {
            norm: Some(1e-3),
            ..Clipping::default()
        },
    ];
    let moved = limits.map(|limit| norm(&plain, &clipped(limit)));
    for (index, one) in moved.iter().enumerate() {
        assert!(one[0] > 1e-4, "limit {index} does nothing: {one:?}");
        assert!(moved[..index].iter().all(|other| other != one));
    }
    let groups = Groups {
        no_decay_bias_norm: true,
        layer_decay: Some(0.5),
        ..Groups::default()
    };
    let grouped = norm(
        &plain,
        &train(TrainConfig {
            groups,
            ..Run::new("flex").config
        }),
    );
    let paths: Vec<_> = plain.0.iter().map(|one| one.path.as_str()).collect();
    // The head's weight has the whole rate and decay; its bias loses the decay.
    let at = |path: &str| grouped[paths.iter().position(|one| *one == path).unwrap()];
    assert_eq!(at("fc.weight"), 0.0);
    assert!(at("fc.bias") > 0.0 && at("conv.weight") > 0.0 && at("bn.weight") > 0.0);
}
