//! The same training on every device: same seed, same data, same numbers within a tolerance.

use firebrick::core::parameters::Parameters;
use firebrick::prelude::*;

/// The losses of 20 updates, and the parameters before and after them.
fn train(name: &str) -> Option<[Vec<f64>; 3]> {
    let device = match device(name) {
        Ok(device) => device.autodiff(),
        Err(error) => {
            println!("SKIPPED: parity on {name}: {error}");
            return None;
        }
    };
    let splits = firebrick::datasets::open(
        "glyphs(train=640, test=10)",
        &OpenOptions {
            valid_fraction: 0.0,
            ..OpenOptions::default()
        },
    )
    .unwrap();
    let preprocessing = Preprocessing {
        mean: vec![0.5],
        std: vec![0.25],
        ..Preprocessing::unnormalized(splits.channels, 32, 32)
    };
    let mut source = Loader::new(
        splits.train.clone(),
        preprocessing,
        None,
        Vec::new(),
        LoaderConfig {
            batch_size: 32,
            ..LoaderConfig::default()
        },
    )
    .unwrap();
    let input = Input {
        channels: splits.channels,
        height: 32,
        width: 32,
        classes: splits.train.classes().len(),
    };
    let model = firebrick::zoo::build(&Spec::new("small_cnn"), &input, 1, &device).unwrap();
    let before = values(model.clone());
    let config = TrainConfig {
        epochs: 1,
        ..TrainConfig::default()
    };
    let plan = plan(
        &"sgd(lr=0.01)".parse().unwrap(),
        &Spec::new("constant"),
        None,
        RunLength::new(1, 640, 32, 1),
    )
    .unwrap();
    let loss = CrossEntropy::default();
    let training = Training::new(model, plan.update, plan.schedule, &loss, &mut source);
    let outcome = fit(training, &config).unwrap();
    let losses: Vec<f64> = outcome
        .progress
        .curve
        .points
        .iter()
        .map(|(.., loss)| *loss)
        .collect();
    assert_eq!(losses.len(), 20);
    Some([losses, before, values(outcome.model)])
}

fn values(model: Model) -> Vec<f64> {
    let (_, parameters) = Parameters::take(model);
    let values = parameters.0.into_iter().map(|parameter| {
        parameter
            .value
            .into_data()
            .iter::<f64>()
            .collect::<Vec<_>>()
    });
    values.flatten().collect()
}

fn norm(values: impl Iterator<Item = f64>) -> f64 {
    values.map(|value| value * value).sum::<f64>().sqrt()
}

#[test]
fn flex_ndarray_and_wgpu_agree() {
    let [losses, before, parameters] = train("flex").unwrap();
    let way =
        norm(parameters.iter().zip(&before).map(|(a, b)| a - b)) / norm(parameters.iter().copied());
    assert!(
        way > 4e-3,
        "the updates must move the parameters far more than the tolerance, not {way:e}"
    );
    for name in ["ndarray", "wgpu"] {
        let Some([other_losses, _, other]) = train(name) else {
            continue;
        };
        let first = (losses[0] - other_losses[0]).abs() / losses[0].abs();
        assert!(
            first <= 1e-4,
            "{name}: first loss {} against {}",
            other_losses[0],
            losses[0]
        );
        let moved = norm(parameters.iter().zip(&other).map(|(a, b)| a - b))
            / norm(parameters.iter().copied());
        assert!(moved <= 1e-3, "{name}: parameters differ by {moved:e}");
        println!(
            "{name}: first loss {first:.1e} relative, parameters {moved:.1e} after 20 updates"
        );
    }
}

/// Six updates on one device, the rest on the other.
fn crosses(from: &str, to: &str) {
    if let Err(error) = device("wgpu") {
        println!("SKIPPED: a run from {from} to {to}: {error}");
        return;
    }
    let temp = tempfile::tempdir().unwrap();
    let out = temp.path().join("run");
    let recipe = Recipe {
        dataset: "glyphs(train=160, test=20)".into(),
        model: "lenet5".parse().unwrap(),
        optimizer: "sgd(lr=0.01, momentum=0.9)".parse().unwrap(),
        epochs: 2,
        batch_size: 16,
        ..Recipe::default()
    };
    let whole = firebrick::train(Job::new(recipe.clone(), temp.path().join("whole"))).unwrap();
    firebrick::train(Job::new(
        Recipe {
            device: from.into(),
            max_updates: Some(6),
            ..recipe
        },
        &out,
    ))
    .unwrap();
    let rest = Recipe {
        device: to.into(),
        max_updates: None,
        ..Recipe::read(&out.join("recipe.toml")).unwrap()
    };
    let report = firebrick::train(Job {
        start: Start::Resume,
        ..Job::new(rest, &out)
    })
    .unwrap();
    assert_eq!(
        (report.steps, report.resumed_from.as_deref()),
        (whole.steps, Some("step 6"))
    );
    let (a, b) = (report.train.unwrap().loss, whole.train.unwrap().loss);
    assert!(
        (a - b).abs() < 1e-3 * b,
        "{from} to {to}: loss {a}, on flex alone {b}"
    );
}

#[test]
fn a_run_goes_from_wgpu_to_flex() {
    crosses("wgpu", "flex");
}

#[test]
fn a_run_goes_from_flex_to_wgpu() {
    crosses("flex", "wgpu");
}
