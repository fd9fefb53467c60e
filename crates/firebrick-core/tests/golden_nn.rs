//! Layers, loss and clipping against PyTorch's and timm's float64 values, in f32 on every device of this
//! machine, activations and the loss in f64 too where a device has it. The values come from
//! `python3 xtask/golden/{nn,clipping,conv2d_error,distillation}.py`.

// Helpers of tests fail by panicking too, and say what they skip.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)]

use burn::module::Param;
use burn::tensor::activation::log_softmax;
use burn::tensor::{DType, Device, Tensor, TensorData};
use firebrick_core::Clipping;
use firebrick_core::data::Targets;
use firebrick_core::loss::{CrossEntropy, Distillation, Loss, LossConfig};
use firebrick_core::nn::{Activation, BatchNormConfig, Conv2dConfig};
use firebrick_core::parameters::{Gradients, Parameter, Parameters};
use firebrick_core::spec::Spec;
use rand_distr::{Distribution, StandardNormal};
use serde::Deserialize;

/// Of the largest entry expected; f32 rounds at 6e-8 and sums have some dozens of terms.
const TOLERANCE: f64 = 1e-5;

/// In f64, of the largest entry expected.
const TOLERANCE_F64: f64 = 1e-14;

#[derive(Deserialize)]
struct Golden {
    conv2d: Vec<Conv2dCase>,
    batch_norm: Vec<BatchNormCase>,
    cross_entropy: Vec<CrossEntropyCase>,
    clip: Vec<ClipCase>,
    activation: Vec<ActivationCase>,
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
struct DistillationGolden {
    distillation: Vec<DistillationCase>,
}

#[derive(Deserialize)]
struct DistillationCase {
    temperature: f64,
    alpha: f64,
    label_smoothing: f64,
    labels: Option<Vec<usize>>,
    soft: Option<Array>,
    logits: Array,
    teacher: Array,
    loss: f64,
    gradient: Array,
}

#[derive(Deserialize)]
struct ActivationCase {
    name: String,
    input: Array,
    cotangent: Array,
    output: Array,
    input_gradient: Array,
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

    fn tensor_in<const D: usize>(&self, device: &Device, dtype: DType) -> Tensor<D> {
        let data = TensorData::new(self.values.clone(), self.shape.clone());
        Tensor::from_data(data, (device, dtype))
    }

    fn assert_near<const D: usize>(&self, found: &Tensor<D>, place: &str) {
        let tolerance = if found.dtype() == DType::F64 {
            TOLERANCE_F64
        } else {
            TOLERANCE
        };
        assert_eq!(found.dims().to_vec(), self.shape, "{place}");
        let largest = self
            .values
            .iter()
            .fold(1e-30_f64, |max, value| max.max(value.abs()));
        let found = found.to_data().iter::<f64>().collect::<Vec<_>>();
        for (index, (found, expected)) in found.iter().zip(&self.values).enumerate() {
            let error = (found - expected).abs() / largest;
            assert!(
                error <= tolerance,
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
                momentum: Some(case.momentum),
                ..BatchNormConfig::new(case.weight.shape[0])
            };
            let mut layer = config.init(device);
            layer.gamma = Some(Param::from_tensor(case.weight.tensor(device)));
            layer.beta = Some(Param::from_tensor(case.bias.tensor(device)));
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
                let weight = layer
                    .gamma
                    .as_ref()
                    .unwrap()
                    .val()
                    .grad(&gradients)
                    .unwrap();
                pass.weight_gradient
                    .assert_near(&weight, &place("weight gradient"));
                let bias = layer.beta.as_ref().unwrap().val().grad(&gradients).unwrap();
                pass.bias_gradient
                    .assert_near(&bias, &place("bias gradient"));
                let running = [&layer.running_mean, &layer.running_var];
                let [mean, var] = running.map(|running| running.as_ref().unwrap().value());
                pass.running_mean.assert_near(&mean, &place("running mean"));
                pass.running_var
                    .assert_near(&var, &place("running variance"));
            }
        }
    });
}

/// f32, and f64 where the device has it.
fn types(device: &Device) -> Vec<DType> {
    let mut types = vec![DType::F32];
    types.extend(firebrick_core::computes_in_f64(device).then_some(DType::F64));
    types
}

#[test]
fn cross_entropy_is_pytorchs() {
    on_devices(|name, device| {
        for dtype in types(device) {
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
                let logits = case.logits.tensor_in::<2>(device, dtype).require_grad();
                let mean = loss.build().unwrap().loss(logits.clone(), &targets).mean();
                let place = format!("cross-entropy {index} on {name} in {dtype:?}");
                let expected = Array {
                    shape: vec![1],
                    values: vec![case.loss],
                };
                expected.assert_near(&mean, &place);
                let gradient = logits.grad(&mean.backward()).unwrap();
                case.gradient.assert_near(&gradient, &place);
            }
        }
    });
}

#[test]
fn distillation_is_pytorchs() {
    let golden = include_str!("golden/distillation.json");
    let golden: DistillationGolden = serde_json::from_str(golden).unwrap();
    assert_eq!(golden.distillation.len(), 16);
    on_devices(|name, device| {
        for (index, case) in golden.distillation.iter().enumerate() {
            let hard = Spec::new("cross_entropy").with("label_smoothing", case.label_smoothing);
            let loss = Distillation {
                temperature: case.temperature,
                alpha: case.alpha,
                loss: hard,
            };
            let loss = loss.make().unwrap();
            let numbers = |array: &Array| -> Vec<f32> {
                array.values.iter().map(|value| *value as f32).collect()
            };
            let labels = match (&case.labels, &case.soft) {
                (Some(labels), _) => Targets::Classes(labels.clone()),
                (None, Some(soft)) => Targets::Soft {
                    values: numbers(soft),
                    classes: soft.shape[1],
                },
                (None, None) => panic!("case {index} has no targets"),
            };
            let taught = Targets::Taught {
                labels: Box::new(labels.clone()),
                teacher: numbers(&case.teacher),
            };
            let logits = case.logits.tensor::<2>(device).require_grad();
            let mean = loss.loss(logits.clone(), &taught).mean();
            let place = format!("distillation {index} on {name}");
            let expected = Array {
                shape: vec![1],
                values: vec![case.loss],
            };
            expected.assert_near(&mean, &place);
            let gradient = logits.grad(&mean.backward()).unwrap();
            case.gradient.assert_near(&gradient, &place);
            // Without a teacher, as in validation, it is the loss on the labels.
            let plain = CrossEntropy {
                label_smoothing: case.label_smoothing,
                ..CrossEntropy::default()
            };
            let of = |loss: &dyn Loss, targets: &Targets| {
                let mean = loss.loss(logits.clone(), targets).mean();
                mean.into_data().iter::<f64>().sum::<f64>()
            };
            assert_eq!(of(&*loss, &labels), of(&plain, &labels), "{place}");
            // What a loss on labels makes of the same targets.
            assert_eq!(of(&plain, &taught), of(&plain, &labels), "{place}");
        }
    });
}

#[test]
fn activations_and_their_gradients_are_pytorchs() {
    let golden = golden().activation;
    for (name, _) in Activation::ALL {
        let found = golden.iter().any(|case| case.name == name);
        assert!(found, "{name} has no golden values");
    }
    on_devices(|device_name, device| {
        for dtype in types(device) {
            for case in &golden {
                let function = |x: Tensor<2>| match case.name.as_str() {
                    "log_softmax" => log_softmax(x.clamp(-9.5, 9.5), 1),
                    name => Activation::from_spec(&Spec::new(name)).unwrap().forward(x),
                };
                let input = case.input.tensor_in::<2>(device, dtype).require_grad();
                let output = function(input.clone());
                let place = format!("{} on {device_name} in {dtype:?}", case.name);
                entrywise(&case.output, &output, &format!("{place}: value"));
                let plain = function(case.input.tensor_in(&device.clone().inner(), dtype));
                entrywise(&case.output, &plain, &format!("{place}: value alone"));
                let cotangent = case.cotangent.tensor_in(device, dtype);
                let gradients = (output * cotangent).sum().backward();
                let gradient = input.grad(&gradients).unwrap();
                let place = format!("{place}: gradient");
                entrywise(&case.input_gradient, &gradient, &place);
            }
        }
    });
}

/// Each entry within a few roundings of itself, or of 1 if it is smaller than 1.
fn entrywise(expected: &Array, found: &Tensor<2>, place: &str) {
    let tolerance = if found.dtype() == DType::F64 {
        1e-14
    } else {
        2e-6
    };
    let found = found.to_data().iter::<f64>().collect::<Vec<_>>();
    for (index, (found, expected)) in found.iter().zip(&expected.values).enumerate() {
        let error = (found - expected).abs() / expected.abs().max(1.0);
        assert!(
            error <= tolerance,
            "{place}[{index}]: {found} is not {expected}"
        );
    }
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

#[derive(Deserialize)]
struct ConvErrors {
    batch: usize,
    side: usize,
    rows: Vec<ConvError>,
}

/// PyTorch's root-mean-square error in f32, relative to the result's size.
#[derive(Deserialize)]
struct ConvError {
    channels: usize,
    rectified: bool,
    output: f64,
    input_gradient: f64,
    weight_gradient: f64,
}

/// Draws of the normal distribution times `scale`, exact in f32.
fn normal(shape: [usize; 4], scale: f64, stream: u64) -> Array {
    let mut rng = firebrick_core::random::rng(1, "error", stream, 0);
    let mut draw = |_| {
        let value: f64 = StandardNormal.sample(&mut rng);
        f64::from((value * scale) as f32)
    };
    Array {
        shape: shape.to_vec(),
        values: (0..shape.iter().product()).map(&mut draw).collect(),
    }
}

/// 3×3 convolutions go Winograd's way, which rounds more. The bound is three times PyTorch's error, and
/// twice for weight gradients, which are sums over images.
#[test]
fn convolutions_err_at_most_three_times_as_much_as_pytorchs() {
    let golden: ConvErrors =
        serde_json::from_str(include_str!("golden/conv2d_error.json")).unwrap();
    let device = firebrick_core::device("flex").unwrap().autodiff();
    for row in &golden.rows {
        let (channels, side) = (row.channels, golden.side);
        let image = [golden.batch, channels, side, side];
        let mut x = normal(image, 1.0, 0);
        if row.rectified {
            x.values
                .iter_mut()
                .for_each(|value| *value = value.max(0.0));
        }
        let scale = 1.0 / (9.0 * channels as f64).sqrt();
        let weight = normal([channels, channels, 3, 3], scale, 1);
        let cotangent = normal(image, 1.0, 2);
        // The exact result is slow to compute: with many channels it has one image only, and no weight
        // gradient, which sums over all images.
        let few = channels <= 64;
        let run = |dtype, images: usize, weight_too: bool| {
            let config = Conv2dConfig::new([channels, channels], 3).with_padding(1);
            let mut layer = config.with_bias(false).init(&device);
            let weight = Param::from_tensor(weight.tensor_in::<4>(&device, dtype));
            layer.weight = weight.set_require_grad(weight_too);
            let part = |array: &Array| array.tensor_in::<4>(&device, dtype).narrow(0, 0, images);
            let x = part(&x).detach().require_grad();
            let y = layer.forward(x.clone());
            let gradients = (y.clone() * part(&cotangent)).sum().backward();
            let weight = layer.weight.val().grad(&gradients);
            [Some(y.without_autodiff()), x.grad(&gradients), weight].map(|tensor| {
                tensor.map_or_else(Vec::new, |tensor| tensor.to_data().iter::<f64>().collect())
            })
        };
        let found = run(DType::F32, golden.batch, true);
        let exact = run(DType::F64, if few { golden.batch } else { 1 }, few);
        let bounds = [
            ("output", 3.0 * row.output),
            ("input gradient", 3.0 * row.input_gradient),
            ("weight gradient", 2.0 * row.weight_gradient),
        ];
        for ((what, bound), (found, exact)) in bounds.into_iter().zip(found.iter().zip(&exact)) {
            let squares = found.iter().zip(exact).map(|(a, b)| (a - b).powi(2));
            let (squares, size): (f64, f64) = (squares.sum(), exact.iter().map(|b| b * b).sum());
            if exact.is_empty() {
                continue;
            }
            let error = (squares / size).sqrt();
            let place = format!(
                "{what} of {channels} channels, rectified: {}",
                row.rectified
            );
            println!("{place}: {error:.2e}, at most {bound:.2e}");
            assert!(error <= bound, "{place}: {error:.2e} is above {bound:.2e}");
        }
    }
}
