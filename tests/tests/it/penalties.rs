//! Penalties as a recipe names them, against what optimizers do by themselves.

use firebrick::prelude::*;

/// The parameters after an epoch of training.
fn trained(optimizer: &str, penalize: &str) -> Vec<(String, Vec<f32>, Vec<usize>)> {
    let recipe = Recipe {
        dataset: "glyphs(train=108, test=27)".into(),
        model: "lenet5".parse().unwrap(),
        optimizer: optimizer.parse().unwrap(),
        penalize: penalize.parse().unwrap(),
        batch_size: 32,
        epochs: 1,
        seed: 3,
        ..Recipe::default()
    };
    let model = Session::open(&recipe).unwrap().train().unwrap().model;
    let parameters = firebrick::core::parameters::Parameters::of(&model);
    let values = parameters.0.into_iter();
    values
        .map(|one| {
            let values = one.value.to_data().iter::<f32>().collect();
            (one.path, values, one.shape)
        })
        .collect()
}

fn largest_difference(
    a: &[(String, Vec<f32>, Vec<usize>)],
    b: &[(String, Vec<f32>, Vec<usize>)],
) -> f32 {
    let values = |all: &[(String, Vec<f32>, Vec<usize>)]| -> Vec<f32> {
        all.iter()
            .flat_map(|(_, values, _)| values.clone())
            .collect()
    };
    let (a, b) = (values(a), values(b));
    a.iter()
        .zip(&b)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, f32::max)
}

#[test]
fn l2_is_sgds_weight_decay_of_twice_its_strength() {
    let decayed = trained("sgd(lr=0.05, momentum=0.9, weight_decay=0.02)", "none");
    let penalized = trained("sgd(lr=0.05, momentum=0.9)", "l2(0.01)");
    let neither = trained("sgd(lr=0.05, momentum=0.9)", "none");
    let (same, other) = (
        largest_difference(&decayed, &penalized),
        largest_difference(&decayed, &neither),
    );
    assert!(same < 1e-6 && other > 1e-4, "{same} {other}");
    // As decay, it is AdamW's, which takes it before the step instead of after.
    let decayed = trained("adamw(lr=0.05, eps=1, weight_decay=0.2)", "none");
    let penalized = trained(
        "adamw(lr=0.05, eps=1, weight_decay=0)",
        "l2(0.1, apply=decay)",
    );
    let neither = trained("adamw(lr=0.05, eps=1, weight_decay=0)", "none");
    let (near, other) = (
        largest_difference(&decayed, &penalized),
        largest_difference(&decayed, &neither),
    );
    assert!(near < 0.05 * other && other > 1e-5, "{near} {other}");
}

#[test]
fn constraints_hold_at_the_end_of_training() {
    let limit = 0.45;
    let norms = |penalize: &str| -> Vec<f32> {
        let all = trained("sgd(lr=0.5)", penalize);
        let (_, values, shape) = all
            .into_iter()
            .find(|(path, ..)| path == "conv2.weight")
            .unwrap();
        let rows = values.chunks(values.len() / shape[0]);
        rows.map(|row| row.iter().map(|w| w * w).sum::<f32>().sqrt())
            .collect()
    };
    let free = norms("none");
    assert!(free.iter().any(|norm| *norm > limit), "{free:?}");
    let held = norms("max_norm(0.45)");
    assert!(held.iter().all(|norm| *norm <= limit + 1e-6), "{held:?}");
}

#[test]
fn mistakes_in_the_setting_are_named() {
    for (penalize, needle) in [
        (
            "l1(1e-5, path=head.*)",
            "l1: path `head.*` matches no parameter",
        ),
        ("l1(1e-5) | maxnorm(3)", "max_norm"),
        ("l2(-1)", "l2: lambda = -1"),
        ("max_norm(3, path=*.bias)", "only vectors"),
    ] {
        let recipe = Recipe {
            dataset: "glyphs(train=108, test=27)".into(),
            penalize: penalize.parse().unwrap(),
            ..Recipe::default()
        };
        let error = Session::open(&recipe).and_then(|session| session.model().map(drop));
        let error = error.unwrap_err().to_string();
        assert!(error.contains(needle), "{penalize}: {error}");
    }
}
