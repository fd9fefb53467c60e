use std::collections::BTreeMap;

use burn::module::Param;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor, TensorData};
use firebrick_core::length::RunLength;
use firebrick_core::parameters::{Parameter, Parameters};
use firebrick_core::spec::Pipeline;
use serde::Deserialize;

use super::running::Running;
use super::*;

/// As in `xtask/golden/averages.py`.
const RUN: RunLength = RunLength {
    updates: 40,
    updates_per_epoch: 8,
};

#[derive(Deserialize)]
struct Golden {
    cases: BTreeMap<String, Vec<f32>>,
}

fn device() -> Device {
    firebrick_core::device("flex").unwrap()
}

/// A layer with the weights after an update.
fn layer(step: u64) -> Linear {
    let device = device();
    let values: Vec<f32> = (0..8)
        .map(|at| (((step * 31 + at * 17) % 101) as f64 / 50.0 - 1.0 + step as f64 / 20.0) as f32)
        .collect();
    let tensor = |values: &[f32], shape: &[usize]| TensorData::new(values.to_vec(), shape);
    let weight = Tensor::<2>::from_data(tensor(&values[..6], &[3, 2]), &device);
    let bias = Tensor::<1>::from_data(tensor(&values[6..], &[2]), &device);
    Linear {
        weight: Param::from_tensor(weight),
        bias: Some(Param::from_tensor(bias)),
    }
}

fn flat(parameters: &Parameters) -> Vec<f32> {
    let values = parameters.0.iter();
    values
        .flat_map(|one: &Parameter| one.value.to_data().iter::<f32>().collect::<Vec<_>>())
        .collect()
}

fn one(text: &str) -> Result<NamedAverage, firebrick_core::ConfigError> {
    let mut built = build(&text.parse().unwrap(), RUN)?;
    Ok(built.remove(0))
}

/// The average over the run; it is saved and restored after update `cut`.
fn averaged(text: &str, cut: u64) -> Vec<f32> {
    let average = one(text).unwrap().average;
    let mut running = Running::default();
    for step in 1..=RUN.updates {
        if average.pace.takes(step) {
            running.take(Parameters::of(&layer(step)), &average.weighting, step);
        }
        if step == cut
            && let Some(state) = running.save()
        {
            running = Running::restore(state, &layer(0)).unwrap();
        }
    }
    flat(&running.average().unwrap())
}

#[test]
fn averages_are_those_of_pytorch_and_timm() {
    let golden = include_str!("../../tests/golden/averages.json");
    let golden: Golden = serde_json::from_str(golden).unwrap();
    assert_eq!(golden.cases.len(), 10);
    for (text, expected) in golden.cases {
        let found = averaged(&text, 0);
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(&expected) {
            assert!(
                (found - expected).abs() < 1e-6,
                "{text}: {found} {expected}"
            );
        }
    }
}

#[test]
fn an_average_that_is_saved_and_restored_goes_on_bit_for_bit() {
    for entry in REGISTRY.entries() {
        let text = format!("{}(start=5, every=3)", entry.about.name);
        for cut in [7, 8, 20, 39] {
            assert_eq!(averaged(&text, cut), averaged(&text, 0), "{text} {cut}");
        }
    }
    // More than ten are kept in their order, whatever order their names have.
    let many = "lawa(13, every=1)";
    for cut in [11, 30, 34, 39] {
        assert_eq!(averaged(many, cut), averaged(many, 0), "{cut}");
    }
}

#[test]
fn the_average_of_equal_weights_is_these_weights() {
    for entry in REGISTRY.entries() {
        let average = one(&format!("{}(every=1, start=0)", entry.about.name))
            .unwrap()
            .average;
        let mut running = Running::default();
        for step in 1..=30 {
            running.take(Parameters::of(&layer(3)), &average.weighting, step);
        }
        let same = flat(&Parameters::of(&layer(3)));
        assert_eq!(
            flat(&running.average().unwrap()),
            same,
            "{}",
            entry.about.name
        );
    }
}

#[test]
fn state_that_does_not_fit_is_refused() {
    let average = one("polyak").unwrap().average;
    let mut running = Running::default();
    running.take(Parameters::of(&layer(1)), &average.weighting, 1);
    let state = running.save().unwrap();
    let other = LinearConfig::new(4, 2).init(&device());
    let error = Running::restore(state.clone(), &other).unwrap_err();
    assert!(error.to_string().contains("weight"), "{error}");
    let mut odd = state;
    let (_, data) = odd.tensors.pop_first().unwrap();
    odd.tensors.insert("bias".into(), data);
    let error = Running::restore(odd, &layer(1)).unwrap_err();
    assert!(error.to_string().contains("`bias`"), "{error}");
}

#[test]
fn two_averages_of_one_unit_have_two_names() {
    let pipeline: Pipeline = "ema(0.9) | swa | ema(0.99)".parse().unwrap();
    let built = build(&pipeline, RUN).unwrap();
    let names: Vec<&str> = built.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["ema", "swa", "ema-2"]);
    let again = build(&spec(&built), RUN).unwrap();
    assert_eq!(spec(&again), spec(&built));
}

#[test]
fn mistakes_are_named() {
    for (text, needle) in [
        ("ema(1.0)", "ema: decay = 1"),
        ("ema(warmup=true, power=0)", "ema: power = 0"),
        ("swa(start=100%)", "swa: start = 100%"),
        ("lawa(0)", "lawa: k = 0"),
        ("swaa", "did you mean `swa`"),
        ("polyak(every=41)", "polyak: every = 41"),
    ] {
        let error = one(text).err().unwrap().to_string();
        assert!(error.contains(needle), "{text}: {error}");
    }
}
