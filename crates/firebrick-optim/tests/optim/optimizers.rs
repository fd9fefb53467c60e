//! Every optimizer against its reference and against the contracts, from the files in
//! `tests/golden/optimizers`, one for each optimizer: `python3 xtask/golden/optimizers/NAME.py`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use burn::tensor::module::conv2d;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use firebrick_core::parameters::{Gradients, Parameters};
use firebrick_core::spec::Spec;
use firebrick_core::update::{Step, Update};
use firebrick_optim::optimizer;
use firebrick_optim::testkit::{self, Descent, bowl, coupled, parameters};
use serde::Deserialize;

#[derive(Deserialize)]
struct Golden {
    cases: Vec<Case>,
    cnn: Vec<Trained>,
}

#[derive(Deserialize)]
struct Case {
    spec: String,
    lr: f64,
    momentum: Option<Vec<f64>>,
    weight_decay: Option<Vec<f64>>,
    function: Option<String>,
    f32_tolerance: Option<f64>,
    after: BTreeMap<u64, BTreeMap<String, After>>,
}

#[derive(Deserialize)]
struct After {
    value: Vec<f64>,
    state: Option<BTreeMap<String, Vec<f64>>>,
    view: Option<Vec<f64>>,
}

#[derive(Deserialize)]
struct Trained {
    spec: String,
    lr: f64,
    losses: BTreeMap<u64, f64>,
    values: BTreeMap<String, Vec<f64>>,
}

/// The golden file of each optimizer, by name.
fn golden() -> BTreeMap<String, Golden> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/optimizers");
    let files = std::fs::read_dir(folder).unwrap().map(|file| {
        let path = file.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_string();
        let text = std::fs::read_to_string(&path).unwrap();
        let golden = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        (name, golden)
    });
    files.collect()
}

fn build(spec: &str) -> Box<dyn Update> {
    optimizer::build(&spec.parse().unwrap())
        .unwrap_or_else(|error| panic!("{spec}: {error}"))
        .update
}

fn flex() -> Device {
    firebrick_core::device("flex").unwrap()
}

const SHAPES: [(&str, &[usize]); 3] = [
    ("bias", &[7]),
    ("weight", &[4, 3]),
    ("kernel", &[3, 2, 2, 2]),
];
const BIAS: [f64; 7] = [1.0, -0.5, 0.25, 0.0, 2.0, -1.5, 0.01];

fn initial(name: &str, len: usize) -> Vec<f64> {
    if name == "bias" {
        return BIAS.to_vec();
    }
    let value = |index| 0.6 * (2.1 * index as f64 + name.len() as f64).sin();
    (0..len).map(value).collect()
}

fn gradient(name: &str, len: usize, step: u64) -> Vec<f64> {
    let offset = if name == "bias" {
        0.0
    } else {
        0.4 * name.len() as f64
    };
    let entry = |index: usize| {
        if name == "bias" && (index == 3 || (index == 5 && step >= 10)) {
            return 0.0;
        }
        let (k, i) = (step as f64, index as f64);
        (0.7 * k + 1.3 * i + offset).cos() * 0.93_f64.powf(k) * (1.0 + i / 3.0)
    };
    (0..len).map(entry).collect()
}

/// Distance over the largest entry expected.
fn distance(found: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let largest = |worst: f64, value: &f64| worst.max(value.abs());
    let scale = expected.iter().fold(0.0, largest);
    let apart = found.iter().zip(expected).map(|(a, b)| (a - b).abs());
    // A NaN is as far as can be.
    let apart: Vec<_> = apart
        .map(|d| if d.is_nan() { f64::INFINITY } else { d })
        .collect();
    apart.iter().fold(0.0, largest) / scale.max(f64::MIN_POSITIVE)
}

fn numbers(tensor: &Tensor<1>) -> Vec<f64> {
    tensor.to_data().iter::<f64>().collect()
}

fn follow(case: &Case, dtype: DType, tolerance: f64) {
    let lens = SHAPES.map(|(name, shape)| (name, shape.iter().product::<usize>()));
    let named = SHAPES.map(|(name, shape)| (name, shape, initial(name, shape.iter().product())));
    let (update, start) = (build(&case.spec), parameters(&named, &flex(), dtype));
    let mut descent = match case.function.as_deref() {
        None => Descent::along(update, start, |step| {
            lens.map(|(name, len)| gradient(name, len, step)).concat()
        }),
        Some("bowl") => Descent::new(update, start, bowl, 1.0),
        Some("coupled") => Descent::new(update, start, coupled, 1.0),
        Some(other) => panic!("{}: no function {other}", case.spec),
    };
    for index in 0..50 {
        let at = |values: &Option<Vec<f64>>| values.as_ref().map(|all| all[index as usize]);
        descent.step(&Step {
            momentum: at(&case.momentum),
            weight_decay: at(&case.weight_decay),
            ..Step::new(index, case.lr)
        });
        let Some(after) = case.after.get(&(index + 1)) else {
            continue;
        };
        let place = format!("{} after {} steps in {dtype:?}", case.spec, index + 1);
        let state = descent.update.state();
        let view = descent.update.evaluation_view(&descent.parameters);
        for (number, one) in descent.parameters.0.iter().enumerate() {
            let (name, expected) = (&one.path, &after[&one.path]);
            let worst = distance(&numbers(&one.value), &expected.value);
            assert!(worst <= tolerance, "{place}: {name} off by {worst:.1e}");
            if let Some(wanted) = &expected.view {
                let view = view.as_ref().unwrap_or_else(|| panic!("{place}: no view"));
                let worst = distance(&numbers(&view.0[number].value), wanted);
                assert!(
                    worst <= tolerance,
                    "{place}: the view of {name} off by {worst:.1e}"
                );
            }
            for (what, wanted) in expected.state.iter().flatten() {
                let Some(found) = state.parameters[name].tensors.get(what) else {
                    panic!("{place}: no {what} is kept for {name}");
                };
                let worst = distance(&numbers(found), wanted);
                assert!(
                    worst <= tolerance,
                    "{place}: {what} of {name} off by {worst:.1e}"
                );
            }
        }
    }
    assert_eq!(case.after.len(), 4, "{}", case.spec);
}

#[test]
fn optimizers_follow_their_references() {
    let golden = golden();
    for entry in optimizer::REGISTRY.entries() {
        let name = entry.about.name;
        let file = golden.get(name);
        assert!(
            file.is_some_and(|file| !file.cases.is_empty()),
            "no golden values for {name}"
        );
    }
    for case in golden.values().flat_map(|file| &file.cases) {
        follow(case, DType::F64, 1e-9);
        follow(case, DType::F32, case.f32_tolerance.unwrap_or(1e-5));
    }
}

/// The network of `harness.py`: convolution, rectifier, mean over 2×2, linear, cross-entropy.
const NETWORK: [(&str, &[usize]); 4] = [
    ("conv.weight", &[4, 1, 3, 3]),
    ("conv.bias", &[4]),
    ("fc.weight", &[16, 3]),
    ("fc.bias", &[3]),
];

/// The loss and the gradients of the network.
fn evaluate(device: &Device, images: &Tensor<4>, at: &Parameters) -> (f64, Gradients) {
    let leaf = |index: usize| {
        let value = Tensor::<1>::from_data(at.0[index].value.to_data(), (device, DType::F64));
        value.require_grad()
    };
    let leaves = [0, 1, 2, 3].map(leaf);
    let [weight, bias, matrix, offset] = leaves.clone();
    let options = ConvOptions::new([1, 1], [0, 0], [1, 1], 1);
    let maps = conv2d(
        images.clone(),
        weight.reshape([4, 1, 3, 3]),
        Some(bias),
        options,
    );
    let maps = burn::tensor::activation::relu(maps);
    let squares = maps.reshape([12, 4, 2, 2, 2, 2]);
    let pooled = squares.mean_dim(5).mean_dim(3);
    let logits = pooled.reshape([12, 16]).matmul(matrix.reshape([16, 3])) + offset.reshape([1, 3]);
    let labels: Vec<i64> = (0..12).map(|index| index % 3).collect();
    let labels = Tensor::<1, Int>::from_data(TensorData::new(labels, [12]), device);
    let picked =
        burn::tensor::activation::log_softmax(logits, 1).gather(1, labels.reshape([12, 1]));
    let loss = picked.mean().neg();
    let value = loss.to_data().iter::<f64>().next().unwrap();
    let mut gradients = loss.backward();
    let gradients = leaves.map(|leaf| leaf.grad_remove(&mut gradients));
    (value, Gradients(gradients.to_vec()))
}

fn train(trained: &Trained) {
    let device = flex().autodiff();
    let pixel = |index: usize| {
        let [n, i, j] = [index / 36, index / 6 % 6, index % 6].map(|at| at as f64);
        (0.3 * n + 0.7 * i + 1.1 * j + 0.5 * n * i).sin()
    };
    let pixels: Vec<f64> = (0..12 * 36).map(pixel).collect();
    let images = TensorData::new(pixels, [12, 1, 6, 6]);
    let images = Tensor::<4>::from_data(images, (&device, DType::F64));
    let mut number = -1.0;
    let named = NETWORK.map(|(name, shape)| {
        number += 1.0;
        let value = |index| 0.4 * (1.7 * index as f64 + number).sin();
        let len: usize = shape.iter().product();
        (name, shape, (0..len).map(value).collect())
    });
    let losses = std::cell::RefCell::new(BTreeMap::new());
    let mut descent = Descent {
        update: build(&trained.spec),
        parameters: parameters(&named, &flex(), DType::F64),
        evaluate: Box::new(|step, at| {
            let (loss, gradients) = evaluate(&device, &images, at);
            losses.borrow_mut().entry(step).or_insert(loss);
            (loss, gradients)
        }),
    };
    let last = *trained.losses.keys().next_back().unwrap();
    descent.run(0..last + 1, trained.lr);
    for (step, expected) in &trained.losses {
        let found = losses.borrow()[step];
        let off = (found - expected).abs() / expected.abs();
        let place = format!("{}: loss {step} of the network", trained.spec);
        assert!(
            off <= 1e-9,
            "{place} is {found}, not {expected}: off by {off:.1e}"
        );
    }
    for one in &descent.parameters.0 {
        let worst = distance(&numbers(&one.value), &trained.values[&one.path]);
        let place = format!("{}: {} of the network", trained.spec, one.path);
        assert!(worst <= 1e-9, "{place} off by {worst:.1e}");
    }
}

#[test]
fn two_hundred_steps_of_a_small_network_follow_their_references() {
    for (name, file) in golden() {
        assert!(!file.cnn.is_empty(), "no network for {name}");
        file.cnn.iter().for_each(train);
    }
}

/// The contracts of the defaults, and of every spec of the golden files: each option on its own.
fn keep_the_contracts(entries: impl Iterator<Item = optimizer::Entry>) {
    let golden = golden();
    for entry in entries {
        let name = entry.about.name;
        let cases = golden[name].cases.iter();
        let specs = cases.map(|case| case.spec.parse::<Spec>().unwrap());
        let mut seen = BTreeSet::new();
        for spec in std::iter::once(Spec::new(name)).chain(specs) {
            // Cases with the same options differ in their schedules, which the contracts do not have.
            let canonical = optimizer::build(&spec).unwrap().spec;
            if seen.insert(canonical.to_string()) {
                testkit::every_contract(entry, &spec);
            }
        }
    }
}

// This takes longer than all other tests of the program together: two halves run beside each other.

#[test]
fn every_second_optimizer_keeps_the_contracts() {
    keep_the_contracts(optimizer::REGISTRY.entries().into_iter().step_by(2));
}

#[test]
fn every_other_optimizer_keeps_the_contracts() {
    keep_the_contracts(optimizer::REGISTRY.entries().into_iter().skip(1).step_by(2));
}

#[test]
fn fields_out_of_range_are_named() {
    for entry in optimizer::REGISTRY.entries() {
        testkit::fields_out_of_range_are_named(entry);
    }
}

#[test]
fn every_field_of_every_optimizer_matters() {
    for entry in optimizer::REGISTRY.entries() {
        testkit::every_field_matters(entry);
    }
}
