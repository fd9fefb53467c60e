//! Networks with several members in everything that others do: training with parameter groups and a soft loss, an exact resume from
//! any update, model files, evaluation, prediction, and as a member of an ensemble.

use std::path::Path;

use firebrick::core::state_dict::StateDict;
use firebrick::datasets::Split;
use firebrick::ensemble::manifest::{FILE, Kind, Manifest, Member};
use firebrick::ensembles::Ensemble;
use firebrick::eval::{EvalImages, EvalJob, evaluate};
use firebrick::predict::{Wanted, predict};
use firebrick::prelude::*;

const MODELS: [&str; 3] = [
    "small_cnn(width=2, members=batch_ensemble(2))",
    "small_cnn(width=2, members=packed(2))",
    "small_cnn(width=2, members=mimo(2, batch_repetitions=2, input_repetition=0.3))",
];

fn recipe(model: &str) -> Recipe {
    Recipe {
        dataset: "glyphs(train=96, test=27)".into(),
        model: model.parse().unwrap(),
        optimizer: "sgd(lr=0.05, momentum=0.9, weight_decay=0.01)"
            .parse()
            .unwrap(),
        mix: "mixup(0.4)".parse().unwrap(),
        average: "ema(0.5)".parse().unwrap(),
        batch_size: 24,
        epochs: 2,
        ..Recipe::default()
    }
}

fn images(model: &str) -> EvalImages {
    EvalImages {
        recipe: recipe(model),
        held_out: false,
        split: Some(Split::Test),
        run: None,
        cache: "no-data".into(),
    }
}

fn bytes(run: &Path) -> Vec<u8> {
    std::fs::read(run.join("model.safetensors")).unwrap()
}

#[test]
fn they_train_resume_predict_and_are_evaluated() {
    for model in MODELS {
        let temp = tempfile::tempdir().unwrap();
        let (whole, cut) = (temp.path().join("whole"), temp.path().join("cut"));
        let report = firebrick::train(Job::new(recipe(model), &whole)).unwrap();
        let short = Recipe {
            max_updates: Some(3),
            ..recipe(model)
        };
        firebrick::train(Job::new(short, &cut)).unwrap();
        let rest = Recipe {
            max_updates: None,
            ..firebrick::run_recipe(&cut).unwrap()
        };
        let resumed = firebrick::train(Job {
            start: Start::Resume,
            ..Job::new(rest, &cut)
        });
        assert_eq!(resumed.unwrap().resumed_from.as_deref(), Some("step 3"));
        assert!(bytes(&cut) == bytes(&whole), "{model}");

        let device = device("flex").unwrap();
        let trained = TrainedModel::read(&whole, &device).unwrap();
        let job = EvalJob {
            tta: None,
            model: &trained,
            images: images(model),
            numbered: false,
        };
        let found = evaluate(job, &mut |_, _| {}).unwrap();
        assert_eq!(Some(found.evaluation.scores), report.test, "{model}");
        // What it puts out are logarithms of probabilities.
        let picture = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/image/palette.png");
        let wanted = Wanted {
            logits: true,
            ..Wanted::default()
        };
        let mut said = Vec::new();
        let mut each = |prediction: Result<_, _>| said.push(prediction.unwrap());
        predict(&trained, vec![Ok(picture)], &wanted, &mut each);
        let logits = said[0].logits.as_ref().unwrap();
        let sum: f32 = logits.iter().map(|logit| logit.exp()).sum();
        assert!((sum - 1.0).abs() < 1e-5, "{model}: {sum}");
    }
}

#[test]
fn weight_decay_can_leave_out_the_fast_weights() {
    let temp = tempfile::tempdir().unwrap();
    let trained = |name: &str, group: Option<&str>| {
        let run = temp.path().join(name);
        let recipe = Recipe {
            groups: group
                .into_iter()
                .map(|rule| rule.parse().unwrap())
                .collect(),
            average: Pipeline::default(),
            max_updates: Some(1),
            ..recipe(MODELS[0])
        };
        firebrick::train(Job::new(recipe, &run)).unwrap();
        let file = std::fs::read(run.join("model.safetensors")).unwrap();
        StateDict::from_safetensors(&file).unwrap()
    };
    let all = trained("all", None);
    let some = trained("some", Some("*_group:weight_decay=0"));
    for (key, tensor) in &all.tensors {
        let same = *tensor == some.tensors[key];
        assert_eq!(same, !key.ends_with("_group"), "{key}");
    }
}

#[test]
fn they_are_members_of_ensembles() {
    let temp = tempfile::tempdir().unwrap();
    let directory = temp.path().join("both");
    std::fs::create_dir(&directory).unwrap();
    let mut members = Vec::new();
    for (name, model) in [("packed", MODELS[1]), ("plain", "small_cnn(width=2)")] {
        let run = temp.path().join(name);
        firebrick::train(Job::new(recipe(model), &run)).unwrap();
        let file = format!("{name}.safetensors");
        std::fs::copy(run.join("model.safetensors"), directory.join(&file)).unwrap();
        members.push(Member {
            name: name.into(),
            file,
        });
    }
    let manifest = Manifest::new(Kind::Independent, members);
    std::fs::write(directory.join(FILE), manifest.to_bytes()).unwrap();
    let device = device("flex").unwrap();
    let ensemble = Ensemble::open(&directory, Models::default(), device, false).unwrap();
    let job = firebrick::ensembles::EnsembleEval {
        ensemble: &ensemble,
        images: images(MODELS[1]),
        combine: "mean".parse().unwrap(),
        tta: None,
        fit_on: Split::Valid,
        calibrate: firebrick::ensembles::Calibrate::default(),
        line: None,
        strict: true,
        orders: 1,
        train_images: false,
        seed: 0,
    };
    let found = firebrick::ensembles::evaluate(&job, &mut |_, _| {}).unwrap();
    assert_eq!(found.report.members.len(), 2);
    assert!(found.report.ensemble.nll.is_finite());
}
