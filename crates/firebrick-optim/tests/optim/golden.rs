//! PyTorch's values, in float64, from `python3 xtask/golden/optimizers.py`.

use std::collections::BTreeMap;

use burn::tensor::DType;
use serde::Deserialize;

use super::{Now, build, parameters, tensor, values};

#[derive(Deserialize)]
struct Optimizers {
    initial: Vec<f64>,
    gradients: Vec<Vec<f64>>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    spec: String,
    lr: f64,
    momentum: Option<Vec<f64>>,
    after: BTreeMap<usize, After>,
}

#[derive(Deserialize)]
struct After {
    value: Vec<f64>,
    state: BTreeMap<String, Vec<f64>>,
}

/// Distance over the largest entry expected.
fn distance(found: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let largest = expected
        .iter()
        .fold(0.0_f64, |max, value| max.max(value.abs()));
    let worst = found
        .iter()
        .zip(expected)
        .map(|(found, expected)| (found - expected).abs())
        .fold(0.0, f64::max);
    worst / largest.max(f64::MIN_POSITIVE)
}

fn follow(case: &Case, golden: &Optimizers, dtype: DType, tolerance: f64) {
    let device = firebrick_core::device("flex").unwrap();
    let mut update = build(&case.spec);
    let mut now = parameters([tensor(&golden.initial, &device, dtype)]);
    for (index, gradient) in golden.gradients.iter().enumerate() {
        let moment = Now {
            momentum: case.momentum.as_ref().map(|momentum| momentum[index]),
            ..Now::at(case.lr)
        };
        let gradient = Some(tensor(gradient, &device, dtype));
        now = moment.step(&mut *update, now, vec![gradient]);
        let Some(after) = case.after.get(&(index + 1)) else {
            continue;
        };
        let place = format!("{} after {} steps in {dtype:?}", case.spec, index + 1);
        let worst = distance(&values(&now.0[0].value), &after.value);
        assert!(worst <= tolerance, "{place}: value off by {worst:.1e}");
        let mut state = update.state().parameters.remove("p0").unwrap();
        assert_eq!(state.numbers.remove("step"), Some((index + 1) as f64));
        assert!(state.numbers.is_empty());
        let names: Vec<_> = state.tensors.keys().collect();
        assert_eq!(names, after.state.keys().collect::<Vec<_>>(), "{place}");
        for (name, expected) in &after.state {
            let worst = distance(&values(&state.tensors[name]), expected);
            assert!(worst <= tolerance, "{place}: {name} off by {worst:.1e}");
        }
    }
}

#[test]
fn optimizers_follow_pytorch() {
    let golden: Optimizers =
        serde_json::from_str(include_str!("../golden/optimizers.json")).unwrap();
    for entry in firebrick_optim::optimizer::entries() {
        let name = entry.about.name;
        let its = |case: &Case| case.spec.split('(').next() == Some(name);
        assert!(golden.cases.iter().any(its), "no golden case for {name}");
    }
    for case in &golden.cases {
        assert_eq!(case.after.len(), 4);
        follow(case, &golden, DType::F64, 1e-9);
        follow(case, &golden, DType::F32, 1e-5);
    }
}
