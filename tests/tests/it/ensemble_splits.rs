//! What an ensemble is fitted to: the validation images, by the members that are used. And that no file goes missing among its
//! predictions.

use std::path::Path;

use burn::tensor::TensorData;
use firebrick::core::data::DataError;
use firebrick::core::state_dict::StateDict;
use firebrick::datasets::Split;
use firebrick::ensemble::manifest::{Kind, Manifest, Member};
use firebrick::ensemble::{Members, calibrate, combine};
use firebrick::ensembles::{
    self, Calibrate, Ensemble, EnsembleEval, EnsembleEvaluated, EnsemblePredict,
};
use firebrick::eval::EvalImages;
use firebrick::predict::Wanted;
use firebrick::prelude::*;

/// Snapshots of a short run, the first and the last as members, and another one whose logits are not numbers.
fn members(run: &Path) {
    let recipe = Recipe {
        dataset: "glyphs(train=300, test=54)".into(),
        model: "small_cnn(width=2)".parse().unwrap(),
        optimizer: "adam(lr=0.01)".parse().unwrap(),
        schedule: "snapshot_cosine(cycles=2)".parse().unwrap(),
        batch_size: 30,
        epochs: 4,
        snapshots: Some("all".into()),
        ..Recipe::default()
    };
    firebrick::train(Job::new(recipe, run)).unwrap();
    let file = run.join("members/snapshot-1.safetensors");
    let (info, _) = ModelInfo::open(&file).unwrap();
    let mut weights = StateDict::from_safetensors(&std::fs::read(&file).unwrap()).unwrap();
    let bias = vec![f32::NAN; info.classes.len()];
    let bias = TensorData::new(bias, [info.classes.len()]);
    weights.tensors.insert("fc.bias".into(), bias);
    std::fs::write(
        run.join("members/bad.safetensors"),
        info.to_bytes(&weights).unwrap(),
    )
    .unwrap();
}

fn ensemble(run: &Path, names: &[&str]) -> Ensemble {
    let member = |name: &&str| Member {
        name: (*name).into(),
        file: format!("members/{name}.safetensors"),
    };
    let manifest = Manifest::new(Kind::Snapshots, names.iter().map(member).collect());
    std::fs::write(run.join("ensemble.json"), manifest.to_bytes()).unwrap();
    let device = firebrick::core::device("flex").unwrap();
    Ensemble::open(run, Models::default(), device, false).unwrap()
}

/// The ensemble on the test images.
fn evaluated(run: &Path, ensemble: &Ensemble, combine: &str) -> EnsembleEvaluated {
    let job = EnsembleEval {
        ensemble,
        images: EvalImages {
            recipe: firebrick::run_recipe(run).unwrap(),
            held_out: false,
            split: Some(Split::Test),
            run: Some(run.into()),
            cache: "data".into(),
        },
        combine: Spec::new(combine),
        tta: None,
        fit_on: Split::Valid,
        calibrate: Calibrate::default(),
        strict: false,
        orders: 1,
        seed: 0,
        train_images: false,
        line: None,
    };
    ensembles::evaluate(&job, &mut |_, _| {}).unwrap()
}

const TWO: [&str; 2] = ["snapshot-1", "snapshot-2"];

#[test]
fn the_temperature_is_fitted_to_the_validation_images() {
    let temp = tempfile::tempdir().unwrap();
    let run = temp.path().join("run");
    members(&run);
    let two = TWO;
    let found = evaluated(&run, &ensemble(&run, &two), "mean");

    // The same by hand, on each split.
    let session = Session::open(&firebrick::run_recipe(&run).unwrap()).unwrap();
    let device = firebrick::core::device("flex").unwrap();
    let fitted = |loader: &dyn Fn() -> Loader| {
        let predictions = two.map(|name| {
            let file = run.join(format!("members/{name}.safetensors"));
            let model = TrainedModel::read(&file, &device).unwrap().network;
            firebrick::training::predict(&model, &mut loader()).unwrap()
        });
        let classes = predictions[0].classes;
        let all = two.iter().zip(&predictions);
        let all =
            all.map(|(name, one)| firebrick::ensemble::Member::new(name, &one.logits, classes));
        let members = Members::new(all.collect()).unwrap();
        let labels = firebrick::training::evaluate::hard_labels(&predictions[0].targets);
        let mean = combine::fit(&Spec::new("mean"), &members, None).unwrap();
        let pooled = mean.combine(&members).unwrap();
        calibrate::fit(&Spec::new("temperature"), &pooled, &labels)
            .unwrap()
            .parameters[0]
    };
    let on_valid = fitted(&|| session.valid_loader().unwrap().unwrap());
    let on_test = fitted(&|| session.test_loader().unwrap().unwrap());
    assert!((on_valid - on_test).abs() > 1e-3, "{on_valid} {on_test}");
    let temperature = found.report.ensemble.temperature.unwrap();
    assert!(
        (temperature - on_valid).abs() < 1e-6,
        "{temperature}: {on_valid} or {on_test}"
    );
}

#[test]
fn a_member_that_is_left_out_has_no_part_in_what_is_fitted() {
    let temp = tempfile::tempdir().unwrap();
    let run = temp.path().join("run");
    members(&run);
    let three = ensemble(&run, &["snapshot-1", "bad", "snapshot-2"]);
    for rule in ["mean", "weighted"] {
        let found = evaluated(&run, &three, rule);
        let left_out =
            |note: &String| note.contains("left out of the ensemble") && note.contains("bad");
        assert!(found.notes.iter().any(left_out), "{:?}", found.notes);
        let without = evaluated(&run, &ensemble(&run, &TWO), rule);
        assert_eq!(found.report, without.report, "{rule}");
        assert!(found.report.ensemble.temperature.is_some());
    }
}

#[test]
fn a_file_that_cannot_be_read_keeps_its_place_among_the_predictions() {
    let temp = tempfile::tempdir().unwrap();
    let run = temp.path().join("run");
    members(&run);
    let ensemble = ensemble(&run, &TWO);
    let image = temp.path().join("image.png");
    let pixels = (0..28 * 28).map(|at| (at * 31 % 251) as u8).collect();
    let pixels = Image {
        width: 28,
        height: 28,
        channels: 1,
        pixels,
    };
    std::fs::write(&image, firebrick::report::png(&pixels).unwrap()).unwrap();
    let torn = temp.path().join("torn.png");
    std::fs::write(&torn, b"no image").unwrap();
    for members_in_memory in [1, 2] {
        let job = EnsemblePredict {
            ensemble: &ensemble,
            combine: Spec::new("mean"),
            members_in_memory,
            wanted: Wanted {
                top: 1,
                ..Wanted::default()
            },
        };
        let files = vec![
            Ok(torn.clone().into()),
            Ok(image.clone().into()),
            Err(DataError::Invalid("never found".into())),
            Ok(image.clone().into()),
        ];
        let mut found = Vec::new();
        ensembles::predict(&job, files, &mut |one| {
            found.push(one.map(|one| one.path).map_err(|error| error.to_string()));
        })
        .unwrap();
        let shown = image.display().to_string();
        let [Err(first), Ok(second), Err(third), Ok(fourth)] = &found[..] else {
            panic!("{members_in_memory}: {found:?}")
        };
        assert!(first.contains("torn.png"), "{first}");
        assert_eq!((second, fourth), (&shown, &shown));
        assert!(third.contains("never found"), "{third}");
    }
}
