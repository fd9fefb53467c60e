//! Penalties and constraints against PyTorch: `xtask/golden/penalties.py`.

#![allow(clippy::unwrap_used)]

use burn::tensor::{DType, Device, Tensor, TensorData};
use firebrick_core::parameters::{Parameter, Parameters};
use firebrick_core::penalty::{Action, Penalties};
use firebrick_regularize::penalty;
use serde::Deserialize;

#[derive(Deserialize)]
struct Golden {
    parameters: Vec<Values>,
    penalties: Vec<Charged>,
    constraints: Vec<Projected>,
    logits: Vec<Vec<f64>>,
    outputs: Vec<Outputs>,
}

#[derive(Deserialize)]
struct Values {
    path: String,
    shape: Vec<usize>,
    value: Vec<f64>,
}

#[derive(Deserialize)]
struct Charged {
    spec: String,
    path: String,
    value: f64,
    gradient: Vec<f64>,
    /// The pretrained weights that the penalty measures from.
    start: Option<Vec<f64>>,
}

#[derive(Deserialize)]
struct Projected {
    spec: String,
    path: String,
    projected: Vec<f64>,
}

#[derive(Deserialize)]
struct Outputs {
    spec: String,
    value: f64,
    gradient: Vec<f64>,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("golden/penalties.json")).unwrap()
}

impl Golden {
    fn parameter(&self, path: &str, device: &Device, dtype: DType) -> Parameter {
        let found = self.parameters.iter().find(|one| one.path == path).unwrap();
        Parameter {
            path: found.path.clone(),
            shape: found.shape.clone(),
            value: Tensor::from_data(TensorData::from(&found.value[..]), (device, dtype)),
        }
    }
}

/// Two types of two devices, with the tolerance of each.
fn places() -> Vec<(Device, DType, f64)> {
    let device = |name| firebrick_core::device(name).unwrap();
    vec![
        (device("flex"), DType::F64, 1e-12),
        (device("flex"), DType::F32, 2e-6),
        (device("ndarray"), DType::F64, 1e-12),
    ]
}

fn build(spec: &str) -> Penalties {
    penalty::build(&spec.parse().unwrap()).unwrap()
}

fn values(tensor: &Tensor<1>) -> Vec<f64> {
    tensor.to_data().iter::<f64>().collect()
}

#[track_caller]
fn assert_close(found: &[f64], expected: &[f64], tolerance: f64, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (a, b) in found.iter().zip(expected) {
        assert!(
            (a - b).abs() <= tolerance * (1.0 + b.abs()),
            "{what}: {a} is not {b}"
        );
    }
}

#[test]
fn values_and_gradients_are_pytorchs() {
    let golden = golden();
    for (device, dtype, tolerance) in places() {
        for case in &golden.penalties {
            let what = format!("{} of {}", case.spec, case.path);
            let parameter = golden.parameter(&case.path, &device, dtype);
            let start = case.start.iter().map(|start| Parameter {
                value: Tensor::from_data(TensorData::from(&start[..]), (&device, dtype)),
                ..parameter.clone()
            });
            let penalties = build(&case.spec);
            penalties.begin(&Parameters(start.collect()));
            let charged = penalties.charge(&Parameters(vec![parameter])).unwrap();
            let value = values(charged.values[0].as_ref().unwrap());
            assert_close(&value, &[case.value], tolerance, &what);
            let gradient = values(charged.gradients.0[0].as_ref().unwrap());
            assert_close(&gradient, &case.gradient, tolerance, &what);
        }
    }
}

#[test]
fn units_above_the_limit_are_scaled_as_by_torch_renorm() {
    let golden = golden();
    for (device, dtype, tolerance) in places() {
        for case in &golden.constraints {
            let parameters = Parameters(vec![golden.parameter(&case.path, &device, dtype)]);
            let after = build(&case.spec).after_update(parameters, &[0.1]);
            // PyTorch divides by the norm and 1e-7.
            let found = values(&after.0[0].value);
            assert_close(&found, &case.projected, tolerance.max(2e-7), &case.path);
        }
    }
}

#[test]
fn penalties_of_outputs_are_pytorchs() {
    let golden = golden();
    for (device, dtype, tolerance) in places() {
        for case in &golden.outputs {
            let rows = [golden.logits.len(), golden.logits[0].len()];
            let data = TensorData::new(golden.logits.concat(), rows);
            let device = device.clone().autodiff();
            let logits = Tensor::<2>::from_data(data, (&device, dtype)).require_grad();
            let charge = build(&case.spec).charge_outputs(&logits).remove(0).unwrap();
            let value = values(&charge.clone().inner());
            assert_close(&value, &[case.value], tolerance, &case.spec);
            let gradient = logits.grad(&charge.backward()).unwrap();
            let gradient: Vec<f64> = gradient.into_data().iter::<f64>().collect();
            // Burn divides by a number in f32 on the way back.
            assert_close(&gradient, &case.gradient, tolerance.max(1e-7), &case.spec);
        }
    }
}

#[test]
fn rules_are_for_the_parameters_that_they_say() {
    let golden = golden();
    let (device, dtype, _) = places().remove(0);
    let all = || {
        let all = golden.parameters.iter();
        let all = all.map(|one| golden.parameter(&one.path, &device, dtype));
        Parameters(all.collect())
    };
    let charged = build("l1(1, path=*.bias) | group_lasso(1, path=conv.*)").charge(&all());
    let there = charged.unwrap().gradients.0;
    let there: Vec<bool> = there.iter().map(Option::is_some).collect();
    assert_eq!(there, [false, false, true, true]);
    // Weights of layers alone have units to penalize.
    let there = build("orthogonal").charge(&all()).unwrap().gradients.0;
    let there: Vec<bool> = there.iter().map(Option::is_some).collect();
    assert_eq!(there, [true, true, true, false]);
    // A constraint or a decay adds nothing to the loss.
    assert!(
        build("max_norm(1) | l1(1, apply=decay)")
            .charge(&all())
            .is_none()
    );
    let rules = build("l1(1, apply=decay)").0;
    assert!(matches!(rules[0].action, Action::Decay(_)));
}
