//! The training loop: hooks, limits, accumulation, clipping, NaN and infinite values.

use std::cell::RefCell;
use std::rc::Rc;

use firebrick_core::parameters::Parameters;
use firebrick_core::run::{EpochRow, Scores};
use firebrick_core::{Clipping, GroupRule, Groups, freeze};
use firebrick_train::{
    Ended, Flow, Hook, HookContext, HookState, Monitor, OnNonFinite, RunDir, TrainConfig,
    TrainError,
};

use crate::support::{Net, Run, Source, bytes, epochs, newest};

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

fn frozen(path: &str) -> Groups {
    let rule = GroupRule {
        lr: 0.0,
        ..GroupRule::new(path)
    };
    Groups {
        rules: vec![rule],
        ..Groups::default()
    }
}

#[test]
fn groups_freeze_parameters() {
    let groups = frozen("conv.*");
    let outcome = Run {
        config: TrainConfig {
            groups,
            ..Run::new("flex").config
        },
        ..Run::new("flex")
    }
    .go()
    .unwrap();
    let device = firebrick_core::device("flex").unwrap().autodiff();
    let before = Parameters::of(&Net::new(&device));
    let after = Parameters::of(&outcome.model);
    for (a, b) in before.0.iter().zip(&after.0) {
        let same = a.value.to_data() == b.value.to_data();
        // A convolution's bias before batch norm has no gradient worth the name, but it is in the group.
        assert_eq!(same, a.path.starts_with("conv."), "{}", a.path);
    }
    let groups = frozen("*");
    let error = Run {
        config: TrainConfig {
            groups,
            ..Run::new("flex").config
        },
        ..Run::new("flex")
    };
    let error = error.go().map(|_| ()).unwrap_err().to_string();
    assert!(
        error.contains("every parameter of the model is frozen"),
        "{error}"
    );
    let groups = frozen("head.*");
    let error = Run {
        config: TrainConfig {
            groups,
            ..Run::new("flex").config
        },
        ..Run::new("flex")
    }
    .go()
    .map(|_| ())
    .unwrap_err();
    assert!(
        error.to_string().contains("`head.*` matches no parameter"),
        "{error}"
    );
}

#[test]
fn a_frozen_group_has_no_gradient_that_could_count() {
    let device = firebrick_core::device("flex").unwrap().autodiff();
    let train = |groups: Groups, model: Net| {
        let run = Run {
            config: TrainConfig {
                groups,
                clipping: Clipping {
                    norm: Some(0.05),
                    ..Clipping::default()
                },
                ..Run::new("flex").config
            },
            optimizer: "sgd(lr=1.0, momentum=0.9, weight_decay=0.5)",
            model: Some(model),
            ..Run::new("flex")
        };
        bytes(&run.go().unwrap().model)
    };
    let model = || Net::new(&device);
    let by_hand = freeze(model(), |path| path.starts_with("conv."));
    let grouped = train(frozen("conv.*"), model());
    assert_eq!(grouped, train(Groups::default(), by_hand));
    assert_ne!(grouped, train(Groups::default(), model()));
}

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

/// 40 images in batches of 8, where classes 0, 1 and 2 weigh 0, 1 and 2.
fn weighted<'a>(zeros: Vec<usize>, accumulate: u64) -> Run<'a> {
    Run {
        config: TrainConfig {
            epochs: 1,
            accumulate,
            ..Run::new("flex").config
        },
        optimizer: "sgd(lr=0.5)",
        schedule: "constant",
        source: Source::zeros(40, zeros),
        loss: firebrick_core::loss::CrossEntropy {
            class_weights: Some(vec![0.0, 1.0, 2.0]),
            ..Default::default()
        },
        ..Run::new("flex")
    }
}

#[test]
fn a_micro_batch_without_weight_contributes_nothing() {
    let first_update = |zeros, accumulate| {
        let mut run = weighted(zeros, accumulate);
        run.config.max_updates = Some(1);
        let outcome = run.go().unwrap();
        let (_, parameters) = Parameters::take(outcome.model);
        let values = parameters.0.into_iter();
        let values: Vec<f32> = values
            .flat_map(|one| one.value.to_data().iter::<f32>().collect::<Vec<_>>())
            .collect();
        assert!(values.iter().all(|value| value.is_finite()));
        (values, outcome.progress.sums)
    };
    let (alone, sums) = first_update(vec![1], 1);
    let (joined, both) = first_update(vec![1], 2);
    assert_eq!(alone, joined, "the second micro-batch has no weight");
    assert_eq!((sums.loss, sums.weight), (both.loss, both.weight));
    assert_ne!(alone, first_update(vec![4], 2).0, "the second has weight");
    // In the first place it leaves the update to the next.
    let (early, _) = first_update(vec![0, 2, 3, 4], 1);
    assert_ne!(early, alone);
}

#[test]
fn an_update_without_weight_is_none() {
    for (zeros, accumulate, updates) in [
        (vec![], 1, 5),
        (vec![2], 1, 4),
        (vec![4], 1, 4),
        (vec![0, 3], 1, 3),
        (vec![0, 1], 2, 2),
    ] {
        let progress = weighted(zeros.clone(), accumulate).go().unwrap().progress;
        assert_eq!(progress.step, updates, "{zeros:?}");
        assert!(progress.rows[0].train_loss.is_finite());
    }
    let error = weighted((0..5).collect(), 1).go().map(|_| ()).unwrap_err();
    let error = error.to_string();
    assert!(
        error.contains("all images of epoch 1 belong") && error.contains("have weight 0"),
        "{error}"
    );
}

#[test]
fn an_evaluation_without_weight_has_no_loss() {
    let zeros = || Source::zeros(20, 0..3);
    let run = Run {
        valid: Box::new(zeros()),
        ..weighted(vec![], 1)
    };
    let valid = run.go().unwrap().progress.rows[0].valid.unwrap();
    assert!(valid.loss.is_nan() && valid.nll.is_finite(), "{valid:?}");
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
