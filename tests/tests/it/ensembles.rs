//! Averages and snapshots of a run, and students of one: what is left of a run that was killed and resumed, and of what
//! it is made.

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::TensorData;
use firebrick::core::loss::CrossEntropy;
use firebrick::core::run::ensemble::LinePoint;
use firebrick::core::state_dict::StateDict;
use firebrick::ensemble::manifest::{Kind, Manifest, Member};
use firebrick::ensemble::soup::between;
use firebrick::ensembles::{self, Calibrate, Ensemble, EnsembleEval, EnsemblePredict};
use firebrick::eval::EvalImages;
use firebrick::predict::Wanted;
use firebrick::prelude::*;
use firebrick::training::metrics::softmax;
use firebrick::tta::{Average, TestTime, predict_views};

/// 2 epochs of 9 updates, in 3 cycles of 6.
fn recipe() -> Recipe {
    Recipe {
        dataset: "glyphs(train=300, test=27)".into(),
        model: "small_cnn(width=2, dropout=0.2)".parse().unwrap(),
        optimizer: "sgd(lr=0.05, momentum=0.9)".parse().unwrap(),
        schedule: "snapshot_cosine(cycles=3)".parse().unwrap(),
        batch_size: 30,
        epochs: 2,
        ..Recipe::default()
    }
}

fn train(recipe: &Recipe, run: &Path, start: Start) -> TrainReport {
    let job = Job {
        start,
        ..Job::new(recipe.clone(), run)
    };
    firebrick::train(job).unwrap()
}

/// The model files below a run directory.
fn models(run: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    for directory in ["", "averages", "members"] {
        for entry in std::fs::read_dir(run.join(directory)).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|e| e == "safetensors")
                || path.ends_with("ensemble.json")
            {
                let name = path.strip_prefix(run).unwrap().display().to_string();
                all.insert(name, std::fs::read(path).unwrap());
            }
        }
    }
    all
}

fn weights(bytes: &[u8]) -> StateDict {
    StateDict::from_safetensors(bytes).unwrap()
}

#[test]
fn a_run_that_is_killed_and_resumed_leaves_the_same_averages_and_snapshots() {
    let recipe = Recipe {
        average: "ema(0.8) | switch_ema(0.7) | swa(start=50%, every=2) | lawa(2, every=4) | polyak"
            .parse()
            .unwrap(),
        snapshots: Some("all".into()),
        checkpoint_every: Some(2),
        ..recipe()
    };
    let temp = tempfile::tempdir().unwrap();
    let whole = temp.path().join("whole");
    train(&recipe, &whole, Start::Fresh);
    let expected = models(&whole);
    let names: Vec<&str> = expected.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "averages/ema.safetensors",
            "averages/lawa.safetensors",
            "averages/polyak.safetensors",
            "averages/raw.safetensors",
            "averages/swa.safetensors",
            "averages/switch_ema.safetensors",
            "ensemble.json",
            "members/snapshot-1.safetensors",
            "members/snapshot-2.safetensors",
            "members/snapshot-3.safetensors",
            "model.safetensors",
        ]
    );
    let mut different = std::collections::BTreeSet::new();
    for (name, bytes) in &expected {
        // The last snapshot is the model in training after the last update.
        let raw = name.ends_with("raw.safetensors");
        assert!(
            different.insert(bytes) || name == "members/snapshot-3.safetensors" || raw,
            "{name}"
        );
    }

    let cut = temp.path().join("cut");
    let mut start = Start::Fresh;
    // Between two checkpoints, at the end of a cycle, at the end of an epoch, after it.
    for updates in [3, 6, 9, 10, 13] {
        let part = Recipe {
            max_updates: Some(updates),
            ..recipe.clone()
        };
        train(&part, &cut, start);
        start = Start::Resume;
        // As if the process had been killed after the update before: what came later is made again.
        let checkpoints = std::fs::read_dir(cut.join("checkpoints")).unwrap();
        let mut checkpoints: Vec<_> = checkpoints.map(|entry| entry.unwrap().path()).collect();
        checkpoints.sort();
        if updates > 3 {
            std::fs::remove_dir_all(checkpoints.pop().unwrap()).unwrap();
        }
    }
    train(&recipe, &cut, Start::Resume);
    let found = models(&cut);
    for (name, bytes) in &expected {
        assert!(found.get(name) == Some(bytes), "{name}");
    }
    assert_eq!(found.len(), expected.len());
}

#[test]
fn snapshots_are_the_models_at_the_ends_of_cycles() {
    let temp = tempfile::tempdir().unwrap();
    let run = temp.path().join("run");
    let with = Recipe {
        snapshots: Some("last=2".into()),
        ..recipe()
    };
    train(&with, &run, Start::Fresh);
    let manifest = Manifest::read(&run).unwrap();
    let names: Vec<&str> = manifest
        .members
        .iter()
        .map(|one| one.name.as_str())
        .collect();
    assert_eq!(names, ["snapshot-2", "snapshot-3"]);
    assert!(!run.join("members/snapshot-1.safetensors").exists());
    // A run that stops where the second cycle ends has the second snapshot as its model.
    let short = temp.path().join("short");
    let stopped = Recipe {
        max_updates: Some(12),
        checkpoint_every: Some(12),
        ..recipe()
    };
    train(&stopped, &short, Start::Fresh);
    let second = std::fs::read(run.join("members/snapshot-2.safetensors")).unwrap();
    let at_end = std::fs::read(short.join("checkpoints/step-000000012/model.safetensors")).unwrap();
    let (second, at_end) = (weights(&second), weights(&at_end));
    // Batch norm statistics too.
    assert!(
        second
            .tensors
            .keys()
            .any(|key| key.ends_with("running_mean"))
    );
    assert_eq!(second.tensors, at_end.tensors);
    // Every member is a model file like any other.
    let device = firebrick::core::device("flex").unwrap();
    let member = TrainedModel::read(&run.join("members/snapshot-3.safetensors"), &device).unwrap();
    assert_eq!(member.info.classes.len(), 27);
}

#[test]
fn averages_are_scored_beside_the_weights_in_training() {
    let temp = tempfile::tempdir().unwrap();
    let run = temp.path().join("run");
    let with = Recipe {
        average: "ema(0.5) | swa(start=15, every=3)".parse().unwrap(),
        ..recipe()
    };
    let report = train(&with, &run, Start::Fresh);
    let names: Vec<&str> = report
        .averages
        .iter()
        .map(|one| one.name.as_str())
        .collect();
    assert_eq!(names, ["raw", "ema", "swa"]);
    // SWA took in one set of weights, those after the last update: the same parameters, other statistics.
    let file = |name: &str| weights(&std::fs::read(run.join(name)).unwrap());
    let (raw, swa) = (
        file("averages/raw.safetensors"),
        file("averages/swa.safetensors"),
    );
    for (key, value) in &raw.tensors {
        let same = swa.tensors[key] == *value;
        assert_eq!(same, !key.contains("running_"), "{key}");
    }
    for one in &report.averages {
        assert_eq!(one.test.unwrap().count, 27);
        assert!(one.valid.is_some());
    }
    let record = firebrick::core::run::RunRecord::read(&run).unwrap();
    let noted: Vec<firebrick::AverageScores> = record.section("averages").unwrap().unwrap();
    assert_eq!(noted, report.averages);
}

#[test]
fn an_average_that_is_evaluated_has_statistics_of_its_own() {
    let temp = tempfile::tempdir().unwrap();
    let [own, kept] = ["ema(0.5)", "ema(0.5, recount=0)"].map(|average| {
        let run = temp.path().join(average);
        let recipe = Recipe {
            average: average.parse().unwrap(),
            epochs: 1,
            ..recipe()
        };
        train(&recipe, &run, Start::Fresh);
        weights(&std::fs::read(run.join("model.safetensors")).unwrap())
    });
    for (key, value) in &own.tensors {
        let same = kept.tensors[key] == *value;
        assert_eq!(same, !key.contains("running_"), "{key}");
    }
}

#[test]
fn each_epoch_begins_from_the_average_of_switch_ema() {
    let temp = tempfile::tempdir().unwrap();
    let after = |average: &str, updates: u64| {
        let run = temp.path().join(format!("{average}-{updates}"));
        let stopped = Recipe {
            average: average.parse().unwrap(),
            max_updates: Some(updates),
            checkpoint_every: Some(updates),
            ..recipe()
        };
        train(&stopped, &run, Start::Fresh);
        let checkpoint = format!("checkpoints/step-{updates:09}/model.safetensors");
        weights(&std::fs::read(run.join(checkpoint)).unwrap()).tensors
    };
    // 9 updates make an epoch.
    for (updates, same) in [(9, true), (10, false)] {
        let plain = after("none", updates);
        assert_eq!(after("ema(0.5)", updates), plain);
        assert_eq!(after("switch_ema(0.5)", updates) == plain, same);
    }
}

#[test]
fn a_branch_begins_to_average_anew() {
    let temp = tempfile::tempdir().unwrap();
    let (parent, branch) = (temp.path().join("parent"), temp.path().join("branch"));
    let first = Recipe {
        average: "ema(0.5)".parse().unwrap(),
        snapshots: Some("all".into()),
        max_updates: Some(9),
        ..recipe()
    };
    train(&first, &parent, Start::Fresh);
    let second = Recipe {
        average: "swa(start=12, every=1) | ema(0.9)".parse().unwrap(),
        schedule: "cosine".parse().unwrap(),
        snapshots: None,
        max_updates: None,
        ..firebrick::run_recipe(&parent).unwrap()
    };
    let report = train(&second, &branch, Start::Branch { parent });
    let names: Vec<&str> = report
        .averages
        .iter()
        .map(|one| one.name.as_str())
        .collect();
    assert_eq!(names, ["raw", "swa", "ema"]);
}

#[test]
fn what_cannot_be_saved_or_averaged_is_refused_before_anything_is_written() {
    let temp = tempfile::tempdir().unwrap();
    for (schedule, snapshots, average, needle) in [
        ("constant", Some("all"), "none", "ends 0 cycles"),
        (
            "snapshot_cosine(cycles=3)",
            Some("last=4"),
            "none",
            "ends 3 cycles",
        ),
        ("snapshot_cosine(cycles=99)", Some("all"), "none", "cycles"),
        ("cosine", Some("first"), "none", "last=K"),
        ("cosine", None, "swa(start=18)", "swa: start = 18"),
        ("cosine", None, "ema(1)", "ema: decay = 1"),
    ] {
        let run = temp.path().join("run");
        let recipe = Recipe {
            schedule: schedule.parse().unwrap(),
            snapshots: snapshots.map(String::from),
            average: average.parse().unwrap(),
            ..recipe()
        };
        let error = firebrick::train(Job::new(recipe, &run))
            .unwrap_err()
            .to_string();
        assert!(error.contains(needle), "{needle}: {error}");
        assert!(!run.exists(), "{needle}");
    }
}

/// Snapshots to learn from, in `directory`.
fn snapshots(directory: &Path) {
    let with = Recipe {
        snapshots: Some("all".into()),
        ..recipe()
    };
    train(&with, directory, Start::Fresh);
}

#[test]
fn a_student_that_is_killed_and_resumed_is_the_same_whatever_the_teacher_sees() {
    let temp = tempfile::tempdir().unwrap();
    let teacher = temp.path().join("teacher");
    snapshots(&teacher);
    for (views, mix) in [("plain", "none"), ("same", "mixup(0.4)")] {
        let place = |name: &str| temp.path().join(format!("{views}-{name}"));
        let student = Recipe {
            loss: "distillation(temperature=2, alpha=0.7)".parse().unwrap(),
            teacher: Some(teacher.display().to_string()),
            teacher_views: views.into(),
            augment: "pad_crop(2)".parse().unwrap(),
            mix: mix.parse().unwrap(),
            schedule: "cosine".parse().unwrap(),
            checkpoint_every: Some(2),
            ..recipe()
        };
        let (whole, cut) = (place("whole"), place("cut"));
        train(&student, &whole, Start::Fresh);
        assert_eq!(
            whole.join("teacher.safetensors").is_file(),
            views == "plain"
        );
        let mut start = Start::Fresh;
        for updates in [3, 7, 10] {
            let part = Recipe {
                max_updates: Some(updates),
                ..student.clone()
            };
            train(&part, &cut, start);
            start = Start::Resume;
        }
        // The teacher is moved; a table knows what it said.
        let moved = place("moved");
        std::fs::rename(&teacher, &moved).unwrap();
        let mut rest = firebrick::run_recipe(&cut).unwrap().without_limits();
        if views == "same" {
            rest.teacher = Some(moved.display().to_string());
        }
        train(&rest, &cut, Start::Resume);
        let file = |run: &Path| std::fs::read(run.join("model.safetensors")).unwrap();
        assert!(file(&whole) == file(&cut), "{views}");
        std::fs::rename(&moved, &teacher).unwrap();

        // Without a teacher, and with another one, it is another run.
        let part = Recipe {
            max_updates: Some(3),
            ..student.clone()
        };
        let other = place("other");
        train(&part, &other, Start::Fresh);
        let _ = std::fs::remove_file(other.join("teacher.safetensors"));
        let with_other = Recipe {
            teacher: Some(
                teacher
                    .join("members/snapshot-1.safetensors")
                    .display()
                    .to_string(),
            ),
            ..student.clone()
        };
        let job = Job {
            start: Start::Resume,
            ..Job::new(with_other, &other)
        };
        let error = firebrick::train(job).unwrap_err().to_string();
        assert!(error.contains("teacher"), "{error}");
        // It learned from its teacher: without one, and for other views, it is another model.
        let alone = place("alone");
        let labels = Recipe {
            loss: "cross_entropy".parse().unwrap(),
            teacher: None,
            ..student
        };
        train(&labels, &alone, Start::Fresh);
        assert!(file(&whole) != file(&alone));
    }
}

#[test]
fn a_damaged_table_is_made_again_and_one_that_is_not_begun_keeps_its_settings() {
    let temp = tempfile::tempdir().unwrap();
    let teacher = temp.path().join("teacher");
    snapshots(&teacher);
    let student = Recipe {
        loss: "distillation".parse().unwrap(),
        teacher: Some(teacher.display().to_string()),
        max_updates: Some(2),
        checkpoint_every: Some(1),
        schedule: "cosine".parse().unwrap(),
        ..recipe()
    };
    let run = temp.path().join("run");
    train(&student, &run, Start::Fresh);
    let table = run.join("teacher.safetensors");
    let bytes = std::fs::read(&table).unwrap();
    let mut damaged = bytes.clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    std::fs::write(&table, damaged).unwrap();
    let mut told = Vec::new();
    let job = Job {
        start: Start::Resume,
        notice: Box::new(|text: &str| told.push(text.to_string())),
        ..Job::new(
            Recipe {
                max_updates: Some(4),
                ..student.clone()
            },
            &run,
        )
    };
    firebrick::train(job).unwrap();
    assert!(
        told.iter().any(|text| text.contains("teacher.safetensors")),
        "{told:?}"
    );
    assert_eq!(std::fs::read(&table).unwrap(), bytes);
    // Without a checkpoint, only its recipe knows how it began.
    std::fs::remove_dir_all(run.join("checkpoints")).unwrap();
    let job = Job {
        start: Start::Resume,
        ..Job::new(
            Recipe {
                monitor: "valid_loss".into(),
                ..student
            },
            &run,
        )
    };
    let error = firebrick::train(job).unwrap_err().to_string();
    assert!(
        error.contains("began with `monitor = \"valid_top1\"`"),
        "{error}"
    );
}

#[test]
fn the_line_between_two_snapshots_is_that_of_interpolated_models() {
    let temp = tempfile::tempdir().unwrap();
    let run = temp.path().join("run");
    snapshots(&run);
    let device = firebrick::core::device("flex").unwrap();
    let ensemble = Ensemble::open(&run, Models::default(), device.clone(), false).unwrap();
    let recipe = firebrick::run_recipe(&run).unwrap();
    let job = |line| EnsembleEval {
        ensemble: &ensemble,
        images: EvalImages {
            recipe: recipe.clone(),
            held_out: false,
            split: None,
            run: Some(run.clone()),
            cache: "data".into(),
        },
        combine: Spec::new("mean"),
        tta: None,
        fit_on: firebrick::datasets::Split::Valid,
        calibrate: Calibrate::default(),
        strict: false,
        orders: 1,
        seed: 0,
        train_images: false,
        line,
    };
    let found = ensembles::evaluate(&job(Some(3)), &mut |_, _| {}).unwrap();
    let line = found.line.as_ref().unwrap();
    assert_eq!(line.members, ["snapshot-1", "snapshot-3"]);
    assert_eq!(
        ensembles::record(&job(None), &found).line.as_ref(),
        Some(line)
    );

    // The same by hand: weights in the middle, statistics of training batches, scores of the validation images.
    let file = |number: u32| run.join(format!("members/snapshot-{number}.safetensors"));
    let bytes = [1, 3].map(|number| std::fs::read(file(number)).unwrap());
    let [first, last] = bytes.map(|bytes| StateDict::from_safetensors(&bytes).unwrap());
    let session = Session::open(&recipe).unwrap();
    for (point, t) in line.points.iter().zip([0.0, 0.5, 1.0]) {
        let model = TrainedModel::read(&file(1), &device).unwrap().network;
        let weights = between(&first, &last, t).unwrap();
        let model = weights.load_into(model).unwrap();
        let mut batches = session.data.train_loader(&recipe).unwrap();
        let model = recount_statistics(&model, &mut batches, Some(100)).unwrap();
        let mut valid = session.valid_loader().unwrap().unwrap();
        let scores = evaluate(&model, &mut valid, &CrossEntropy::default(), &mut |_| {});
        let scores = scores.unwrap().scores;
        let expected = LinePoint {
            t,
            train_loss: point.train_loss,
            valid_loss: scores.loss,
            valid_top1: scores.top1,
        };
        assert_eq!(*point, expected);
        assert!(point.train_loss.is_finite() && point.train_loss > 0.0);
    }
    assert_ne!(line.points[0].valid_loss, line.points[1].valid_loss);
    let refused = ensembles::evaluate(&job(Some(1)), &mut |_, _| {});
    let error = refused.err().unwrap().to_string();
    assert!(error.contains("points = 1"), "{error}");
}

/// The model file of a run, with its classes and the rows of its last layer the other way round: the same model.
fn turned(run: &Path) -> Vec<u8> {
    let path = run.join("model.safetensors");
    let (info, _) = ModelInfo::open(&path).unwrap();
    let classes = info.classes.len();
    let mut weights = weights(&std::fs::read(&path).unwrap());
    for key in ["fc.weight", "fc.bias"] {
        let data = &weights.tensors[key];
        let values: Vec<f32> = data.iter::<f32>().collect();
        let rows = values.chunks(values.len() / classes).rev();
        let turned = TensorData::new(
            rows.flatten().copied().collect::<Vec<f32>>(),
            data.shape().clone(),
        );
        weights.tensors.insert(key.into(), turned);
    }
    let info = ModelInfo {
        classes: info.classes.into_iter().rev().collect(),
        ..info
    };
    info.to_bytes(&weights).unwrap()
}

#[test]
fn members_with_their_classes_in_another_order_agree() {
    let temp = tempfile::tempdir().unwrap();
    let run = temp.path().join("run");
    train(&recipe(), &run, Start::Fresh);
    let file = run.join("model.safetensors");
    let (info, _) = ModelInfo::open(&file).unwrap();
    std::fs::write(run.join("turned.safetensors"), turned(&run)).unwrap();
    let member = |name: &str| Member {
        name: name.into(),
        file: format!("{name}.safetensors"),
    };
    let device = firebrick::core::device("flex").unwrap();
    let image = {
        let path = temp.path().join("image.png");
        let pixels = (0..28 * 28).map(|at| (at * 31 % 251) as u8).collect();
        let image = Image {
            width: 28,
            height: 28,
            channels: 1,
            pixels,
        };
        std::fs::write(&path, firebrick::report::png(&image).unwrap()).unwrap();
        path
    };
    let of = |members: &[&str]| {
        let manifest = Manifest::new(
            Kind::Independent,
            members.iter().map(|name| member(name)).collect(),
        );
        std::fs::write(run.join("ensemble.json"), manifest.to_bytes()).unwrap();
        let ensemble = Ensemble::open(&run, Models::default(), device.clone(), false).unwrap();
        let job = EnsembleEval {
            ensemble: &ensemble,
            images: EvalImages {
                recipe: firebrick::run_recipe(&run).unwrap(),
                held_out: false,
                split: None,
                run: Some(run.clone()),
                cache: temp.path().into(),
            },
            combine: Spec::new("mean"),
            tta: None,
            fit_on: firebrick::datasets::Split::Valid,
            calibrate: Calibrate::default(),
            strict: true,
            orders: 1,
            seed: 0,
            train_images: false,
            line: None,
        };
        let found = ensembles::evaluate(&job, &mut |_, _| {}).unwrap();
        let mut predicted = Vec::new();
        for members_in_memory in [1, 2] {
            let job = EnsemblePredict {
                ensemble: &ensemble,
                combine: Spec::new("mean"),
                members_in_memory,
                wanted: Wanted {
                    tta: None,
                    top: 27,
                    logits: true,
                    sets: None,
                },
            };
            let files = vec![Ok(image.clone().into())];
            ensembles::predict(&job, files, &mut |one| predicted.push(one.unwrap())).unwrap();
        }
        (found.evaluation.scores, predicted)
    };
    let (alone, once) = of(&["model"]);
    let (both, twice) = of(&["model", "turned"]);
    assert_eq!((alone.top1, alone.count), (both.top1, both.count));
    assert!((alone.loss - both.loss).abs() < 1e-5, "{alone:?} {both:?}");
    assert_eq!(info.classes.len(), 27);
    for (one, other) in once.iter().zip(&twice) {
        let logits = |of: &firebrick::predict::Prediction| of.logits.clone().unwrap();
        for (one, other) in logits(one).iter().zip(logits(other)) {
            assert!((one - other).abs() < 1e-4, "{one} {other}");
        }
    }
}

#[test]
fn views_are_averaged_for_the_images_that_the_model_is_unsure_of() {
    let temp = tempfile::tempdir().unwrap();
    let run = temp.path().join("run");
    train(&recipe(), &run, Start::Fresh);
    let session = Session::open(&firebrick::run_recipe(&run).unwrap()).unwrap();
    let device = firebrick::core::device("flex").unwrap();
    let model = TrainedModel::read(&run, &device).unwrap();
    let mut loader = session.test_loader().unwrap().unwrap();
    let plain = firebrick::training::predict(&model.network, &mut loader).unwrap();
    let dataset = session.data.splits.test.clone().unwrap();
    let views = |below| {
        let tta = TestTime::new(
            &"policy(pad_crop(4), n=3)".parse().unwrap(),
            Average::Logits,
            below,
        );
        let tta = tta.unwrap();
        let (found, images) = predict_views(
            &model,
            &session.recipe,
            &dataset,
            &plain,
            &tta,
            &mut |_, _| {},
        )
        .unwrap();
        (found, images, tta)
    };
    let (all, images, _) = views(None);
    assert_eq!(images, 27);
    let mut surest: Vec<f64> = plain
        .rows()
        .map(|row| softmax(row).into_iter().fold(0.0, f64::max))
        .collect();
    surest.sort_by(f64::total_cmp);
    let (some, images, tta) = views(Some(surest[13]));
    assert_eq!(images, 13);
    let rows = some.rows().zip(plain.rows()).zip(all.rows());
    for (at, ((found, plain), all)) in rows.enumerate() {
        let expected = if tta.is_for(plain) { all } else { plain };
        assert_eq!(found, expected, "{at}");
        assert_ne!(plain, all);
    }
}
