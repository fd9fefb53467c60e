//! Layers, loss and clipping against PyTorch's and timm's float64 values, from
//! `python3 xtask/golden/{nn,clipping}.py`, in f32 on every device of this machine.

// Helpers of tests fail by panicking too, and say what they skip.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)]

use burn::module::Param;
use burn::tensor::{Device, Tensor, TensorData};
use firebrick_core::Clipping;
use firebrick_core::data::Targets;
use firebrick_core::loss::{CrossEntropy, Loss};
use firebrick_core::nn::{BatchNormConfig, Conv2dConfig};
use firebrick_core::parameters::{Gradients, Parameter, Parameters};
use serde::Deserialize;

/// Of the largest entry expected; f32 rounds at 6e-8 and sums have some dozens of terms.
const TOLERANCE: f64 = 1e-5;

#[derive(Deserialize)]
struct Golden {
    conv2d: Vec<Conv2dCase>,
    batch_norm: Vec<BatchNormCase>,
    cross_entropy: Vec<CrossEntropyCase>,
    clip: Vec<ClipCase>,
}

#[derive(Deserialize)]
struct Array {
    shape: Vec<usize>,
    values: Vec<f64>,
}

#[derive(Deserialize)]
struct Conv2dCase {
    channels: [usize; 2],
    kernel: [usize; 2],
    stride: [usize; 2],
    padding: [usize; 2],
    dilation: [usize; 2],
    groups: usize,
    input: Array,
    weight: Array,
    bias: Option<Array>,
    cotangent: Array,
    output: Array,
    input_gradient: Array,
    weight_gradient: Array,
    bias_gradient: Option<Array>,
}

#[derive(Deserialize)]
struct BatchNormCase {
    eps: f64,
    momentum: f64,
    weight: Array,
    bias: Array,
    passes: Vec<BatchNormPass>,
}

#[derive(Deserialize)]
struct BatchNormPass {
    training: bool,
    input: Array,
    cotangent: Array,
    output: Array,
    input_gradient: Array,
    weight_gradient: Array,
    bias_gradient: Array,
    running_mean: Array,
    running_var: Array,
}

#[derive(Deserialize)]
struct CrossEntropyCase {
    label_smoothing: f64,
    class_weights: Option<Vec<f64>>,
    labels: Option<Vec<usize>>,
    soft: Option<Array>,
    logits: Array,
    loss: f64,
    gradient: Array,
}

#[derive(Deserialize)]
struct ClipCase {
    limit: f64,
    norm: f64,
    gradients: Vec<Array>,
    clipped: Vec<Array>,
}

impl Array {
    fn tensor<const D: usize>(&self, device: &Device) -> Tensor<D> {
        let values: Vec<f32> = self.values.iter().map(|value| *value as f32).collect();
        Tensor::from_data(TensorData::new(values, self.shape.clone()), device)
    }

    fn assert_near<const D: usize>(&self, found: &Tensor<D>, place: &str) {
        assert_eq!(found.dims().to_vec(), self.shape, "{place}");
        let largest = self
            .values
            .iter()
            .fold(1e-30_f64, |max, value| max.max(value.abs()));
        let found = found.to_data().iter::<f64>().collect::<Vec<_>>();
        for (index, (found, expected)) in found.iter().zip(&self.values).enumerate() {
            let error = (found - expected).abs() / largest;
            assert!(
                error <= TOLERANCE,
                "{place}[{index}]: {found} is not {expected}"
            );
        }
    }
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("golden/nn.json")).unwrap()
}

/// Runs a check on every device of this machine, with autodiff.
fn on_devices(check: impl Fn(&str, &Device)) {
    for name in ["flex", "ndarray", "wgpu"] {
        match firebrick_core::device(name) {
            Ok(device) => check(name, &device.autodiff()),
            Err(error) => println!("SKIPPED: {error}"),
        }
    }
}

#[test]
fn conv2d_is_pytorchs() {
    on_devices(|name, device| {
        for (index, case) in golden().conv2d.iter().enumerate() {
            let config = Conv2dConfig {
                kernel_size: case.kernel,
                stride: case.stride,
                padding: case.padding.map(|side| (side, side)),
                dilation: case.dilation,
                groups: case.groups,
                bias: case.bias.is_some(),
                ..Conv2dConfig::new(case.channels, 1)
            };
            let mut layer = config.init(device);
            layer.weight = Param::from_tensor(case.weight.tensor(device));
            layer.bias = case
                .bias
                .as_ref()
                .map(|bias| Param::from_tensor(bias.tensor(device)));
            let input = case.input.tensor::<4>(device).require_grad();
            let output = layer.forward(input.clone());
            let place = |what: &str| format!("conv2d {index} on {name}: {what}");
            case.output.assert_near(&output, &place("output"));
            let gradients = (output * case.cotangent.tensor(device)).sum().backward();
            let input = input.grad(&gradients).unwrap();
            case.input_gradient
                .assert_near(&input, &place("input gradient"));
            let weight = layer.weight.val().grad(&gradients).unwrap();
            case.weight_gradient
                .assert_near(&weight, &place("weight gradient"));
            if let (Some(bias), Some(expected)) = (&layer.bias, &case.bias_gradient) {
                let bias = bias.val().grad(&gradients).unwrap();
                expected.assert_near(&bias, &place("bias gradient"));
            }
        }
    });
}

#[test]
fn batch_norm_is_pytorchs_in_training_and_evaluation() {
    on_devices(|name, device| {
        for (index, case) in golden().batch_norm.iter().enumerate() {
            let config = BatchNormConfig {
                epsilon: case.eps,
                momentum: case.momentum,
                ..BatchNormConfig::new(case.weight.shape[0])
            };
            let mut layer = config.init(device);
            layer.gamma = Param::from_tensor(case.weight.tensor(device));
            layer.beta = Param::from_tensor(case.bias.tensor(device));
            for (at, pass) in case.passes.iter().enumerate() {
                // Evaluation with gradients: PyTorch's `eval()`, our cleared flag.
                layer.training = Param::from_bool(pass.training);
                let place = |what: &str| format!("batch norm {index}.{at} on {name}: {what}");
                let input = pass.input.tensor::<4>(device).require_grad();
                let output = layer.forward(input.clone());
                pass.output.assert_near(&output, &place("output"));
                let gradients = (output * pass.cotangent.tensor(device)).sum().backward();
                let input = input.grad(&gradients).unwrap();
                pass.input_gradient
                    .assert_near(&input, &place("input gradient"));
                let weight = layer.gamma.val().grad(&gradients).unwrap();
                pass.weight_gradient
                    .assert_near(&weight, &place("weight gradient"));
                let bias = layer.beta.val().grad(&gradients).unwrap();
                pass.bias_gradient
                    .assert_near(&bias, &place("bias gradient"));
                let (mean, var) = (layer.running_mean.value(), layer.running_var.value());
                pass.running_mean.assert_near(&mean, &place("running mean"));
                pass.running_var
                    .assert_near(&var, &place("running variance"));
            }
        }
    });
}

#[test]
fn cross_entropy_is_pytorchs() {
    on_devices(|name, device| {
        for (index, case) in golden().cross_entropy.iter().enumerate() {
            let loss = CrossEntropy {
                label_smoothing: case.label_smoothing,
                class_weights: case.class_weights.clone(),
            };
            let targets = match (&case.labels, &case.soft) {
                (Some(labels), _) => Targets::Classes(labels.clone()),
                (None, Some(soft)) => Targets::Soft {
                    values: soft.values.iter().map(|value| *value as f32).collect(),
                    classes: soft.shape[1],
                },
                (None, None) => panic!("case {index} has no targets"),
            };
            let logits = case.logits.tensor::<2>(device).require_grad();
            let value = loss.build().unwrap().loss(logits.clone(), &targets);
            let mean = value.sum / value.weight;
            let place = format!("cross-entropy {index} on {name}");
            let found = f64::from(mean.clone().into_scalar::<f32>());
            let error = (found - case.loss).abs() / case.loss;
            assert!(error <= TOLERANCE, "{place}: {found} is not {}", case.loss);
            let gradient = logits.grad(&mean.backward()).unwrap();
            case.gradient.assert_near(&gradient, &place);
        }
    });
}

#[test]
fn clipping_by_the_norm_is_pytorchs() {
    on_devices(|name, device| {
        for case in golden().clip {
            let tensors = case
                .gradients
                .iter()
                .map(|gradient| Some(gradient.tensor(device)));
            let gradients = Gradients(tensors.collect());
            let norm = gradients.norm();
            assert!(
                (norm - case.norm).abs() / case.norm <= TOLERANCE,
                "{name}: {norm}"
            );
            let clipped = gradients.clip_norm(norm, case.limit);
            for (found, expected) in clipped.0.iter().zip(&case.clipped) {
                expected.assert_near(found.as_ref().unwrap(), name);
            }
        }
    });
}

#[derive(Deserialize)]
struct Clippings {
    parameters: Vec<Clipped>,
    cases: Vec<Limited>,
}

#[derive(Deserialize)]
struct Clipped {
    path: String,
    shape: Vec<usize>,
    value: Vec<f64>,
    gradient: Vec<f64>,
}

#[derive(Deserialize)]
struct Limited {
    limits: Limits,
    clipped: std::collections::BTreeMap<String, Vec<f64>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Limits {
    value: Option<f64>,
    tensor_norm: Option<f64>,
    agc: Option<f64>,
    norm: Option<f64>,
}

#[test]
fn limits_are_pytorchs_and_timms_in_order() {
    let golden: Clippings = serde_json::from_str(include_str!("golden/clipping.json")).unwrap();
    on_devices(|name, device| {
        let array = |values: &[f64]| Array {
            shape: vec![values.len()],
            values: values.to_vec(),
        };
        let tensor = |values: &[f64]| array(values).tensor::<1>(device);
        let parameter = |one: &Clipped| Parameter {
            path: one.path.clone(),
            shape: one.shape.clone(),
            value: tensor(&one.value),
        };
        let parameters = Parameters(golden.parameters.iter().map(parameter).collect());
        for case in &golden.cases {
            let Limits {
                value,
                tensor_norm,
                agc,
                norm,
            } = case.limits;
            let clipping = Clipping {
                value,
                tensor_norm,
                agc,
                norm,
            };
            let gradients = golden.parameters.iter();
            let gradients = gradients.map(|one| Some(tensor(&one.gradient)));
            let gradients = Gradients(gradients.collect());
            let norm = gradients.norm();
            let found = clipping.apply(gradients, &parameters, norm);
            for (found, one) in found.0.iter().flatten().zip(&golden.parameters) {
                let expected = array(&case.clipped[&one.path]);
                expected.assert_near(found, &format!("{clipping:?}, {} on {name}", one.path));
            }
        }
    });
}
