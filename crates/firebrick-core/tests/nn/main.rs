//! Layers compared with PyTorch and with central differences; parameters by path, gradients and state dicts.

// Helpers of tests fail by panicking too, and say what they skip.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)]

mod freeze;
mod gradcheck;
mod normalization;
mod state_dict;

use std::collections::BTreeSet;

use burn::module::{Module, Param};
use burn::tensor::{DType, Device, Tensor, TensorData};
use firebrick_core::data::Targets;
use firebrick_core::gradcheck::GradCheck;
use firebrick_core::loss::{CrossEntropy, Loss};
use firebrick_core::nn::{
    Activation, AvgPool2dConfig, BatchNorm, BatchNormConfig, Conv2d, Conv2dConfig, GlobalAvgPool,
    Linear, LinearConfig, MaxPool2dConfig,
};
use firebrick_core::parameters::{Gradients, Parameters};
use firebrick_core::spec::Spec;
use firebrick_core::state_dict::StateDict;
use rand::RngExt;

fn plain() -> Device {
    firebrick_core::device("flex").unwrap()
}

fn training() -> Device {
    plain().autodiff()
}

/// Values in [-1, 1) of a fixed seed, f64, on an autodiff device.
fn noise<const D: usize>(shape: [usize; D]) -> Tensor<D> {
    let mut rng = firebrick_core::random::rng(1, "test", 0, 0);
    let count = shape.iter().product();
    let values: Vec<f64> = (0..count).map(|_| rng.random_range(-1.0..1.0)).collect();
    Tensor::from_data(TensorData::new(values, shape), (&training(), DType::F64))
}

/// A scalar that weighs every output differently.
fn scalar<const D: usize>(output: Tensor<D>) -> Tensor<1> {
    (output.clone().square() + output.sin()).sum()
}

fn values<const D: usize>(tensor: &Tensor<D>) -> Vec<f32> {
    tensor.to_data().convert::<f32>().try_to_vec().unwrap()
}

fn assert_close(found: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(found.len(), expected.len(), "{found:?} {expected:?}");
    let close = found
        .iter()
        .zip(expected)
        .all(|(a, b)| (a - b).abs() <= tolerance);
    assert!(close, "{found:?} is not {expected:?} within {tolerance}");
}

// Gradients. In f64 the difference quotient is good to about 1e-10.
const TOLERANCE: f64 = 1e-6;

#[test]
fn conv2d_gradients() {
    let plain = Conv2dConfig::new([4, 6], 3);
    let configs = [
        plain.clone(),
        plain.clone().with_stride(2).with_padding(1),
        plain.clone().with_bias(false),
        Conv2dConfig {
            groups: 2,
            ..plain.clone()
        }
        .with_padding(1),
        Conv2dConfig {
            dilation: [2, 1],
            ..plain.clone()
        },
        Conv2dConfig {
            padding: [(0, 1), (2, 0)],
            stride: [2, 1],
            ..plain
        },
    ];
    for config in configs {
        let conv = config.init(&training());
        let input = noise([2, 4, 7, 6]);
        let check = GradCheck::in_f64();
        let report = check.module(&conv, |conv| scalar(conv.forward(input.clone())));
        assert_eq!(report.dtype, DType::F64);
        report.assert_within(TOLERANCE);
        let conv = f64_weights(conv);
        check
            .tensor("input", &input, |input| scalar(conv.forward(input)))
            .assert_within(TOLERANCE);
    }
}

/// The module with parameters and statistics in f64.
fn f64_weights<M: Module>(module: M) -> M {
    struct Widen;
    impl burn::module::ModuleMapper for Widen {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            let tracked = param.is_require_grad();
            param.map(|tensor| {
                tensor
                    .inner()
                    .cast(DType::F64)
                    .autodiff()
                    .set_require_grad(tracked)
            })
        }
    }
    module.map(&mut Widen)
}

#[test]
fn conv2d_pads_each_side_as_told() {
    // A 1×1 kernel of weight 1 shows where the zeros went.
    let config = Conv2dConfig {
        padding: [(1, 0), (0, 2)],
        ..Conv2dConfig::new([1, 1], 1)
    };
    let mut conv = config.with_bias(false).init(&plain());
    conv.weight = Param::from_tensor(Tensor::ones([1, 1, 1, 1], &plain()));
    let output = conv.forward(Tensor::ones([1, 1, 1, 1], &plain()));
    assert_eq!(output.dims(), [1, 1, 2, 3]);
    assert_eq!(values(&output), [0.0, 0.0, 0.0, 1.0, 0.0, 0.0]);
}

#[test]
fn linear_gradients() {
    let linear = LinearConfig::new(5, 3).init(&training());
    let input = noise([4, 5]);
    let check = GradCheck::in_f64();
    check
        .module(&linear, |linear| scalar(linear.forward(input.clone())))
        .assert_within(TOLERANCE);
    let linear = f64_weights(linear);
    check
        .tensor("input", &input, |input| scalar(linear.forward(input)))
        .assert_within(TOLERANCE);
}

#[test]
fn batch_norm_gradients_in_training_and_frozen() {
    let norm = BatchNormConfig::new(3).init(&training());
    let input = noise([4, 3, 2, 2]);
    let check = GradCheck::in_f64();
    check
        .module(&norm, |norm| scalar(norm.forward(input.clone())))
        .assert_within(TOLERANCE);
    let training = f64_weights(norm.clone());
    let report = check.tensor("input", &input, |input| scalar(training.forward(input)));
    report.assert_within(TOLERANCE);
    let frozen = f64_weights(norm.freeze());
    let report = check.tensor("input", &input, |input| scalar(frozen.forward(input)));
    report.assert_within(TOLERANCE);
}

#[test]
fn pool_gradients() {
    let input = noise([2, 2, 7, 7]);
    let check = GradCheck::in_f64();
    let max = MaxPool2dConfig {
        stride: 2,
        padding: 1,
        ..MaxPool2dConfig::new(3)
    };
    check
        .tensor("max", &input, |input| scalar(max.init().forward(input)))
        .assert_within(TOLERANCE);
    for count_include_pad in [true, false] {
        let average = AvgPool2dConfig {
            stride: 2,
            padding: 1,
            count_include_pad,
            ..AvgPool2dConfig::new(3)
        };
        let report = check.tensor("average", &input, |x| scalar(average.init().forward(x)));
        report.assert_within(TOLERANCE);
    }
    check
        .tensor("mean", &input, |x| scalar(GlobalAvgPool {}.forward(x)))
        .assert_within(TOLERANCE);
}

#[test]
fn pools_follow_pytorch_at_the_border() {
    let image = Tensor::<1>::from_floats([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0], &plain())
        .neg()
        .reshape([1, 1, 3, 3]);
    let max = MaxPool2dConfig {
        padding: 1,
        ..MaxPool2dConfig::new(2)
    };
    // The border never wins, even against negative values.
    assert_eq!(
        values(&max.init().forward(image.clone())),
        [-1.0, -2.0, -4.0, -5.0]
    );
    let ceil = MaxPool2dConfig {
        ceil_mode: true,
        ..MaxPool2dConfig::new(2)
    };
    assert_eq!(
        values(&ceil.init().forward(image.clone())),
        [-1.0, -3.0, -7.0, -9.0]
    );
    let average = |count_include_pad| AvgPool2dConfig {
        padding: 1,
        count_include_pad,
        ..AvgPool2dConfig::new(2)
    };
    let with_border = average(true).init().forward(image.clone());
    assert_close(&values(&with_border), &[-0.25, -1.25, -2.75, -7.0], 1e-6);
    let without = average(false).init().forward(image);
    assert_close(&values(&without), &[-1.0, -2.5, -5.5, -7.0], 1e-6);
}

#[test]
fn activation_gradients_and_values() {
    // Away from the kink at 0.
    let input = noise([4, 4]);
    let input = input.clone() + input.sign() * 0.1;
    for (name, activation) in Activation::ALL {
        let report = GradCheck::in_f64().tensor(name, &input, |x| scalar(activation.forward(x)));
        report.assert_within(TOLERANCE);
    }
    // Values of PyTorch 2 at -1 and 2.
    let expected = [
        ("relu", [0.0, 2.0]),
        ("leaky_relu", [-0.01, 2.0]),
        ("elu", [-0.632_120_55, 2.0]),
        ("gelu", [-0.158_655_26, 1.954_499_7]),
        ("silu", [-0.268_941_43, 1.761_594_2]),
        ("tanh", [-0.761_594_2, 0.964_027_6]),
        ("sigmoid", [0.268_941_43, 0.880_797_1]),
        ("identity", [-1.0, 2.0]),
    ];
    for (name, expected) in expected {
        let activation = Activation::from_spec(&Spec::new(name)).unwrap();
        let output = activation.forward(Tensor::<1>::from_floats([-1.0, 2.0], &plain()));
        assert_close(&values(&output), &expected, 1e-6);
    }
}

#[test]
fn an_activation_takes_no_arguments() {
    let error = |text: &str| {
        Activation::from_spec(&text.parse().unwrap())
            .unwrap_err()
            .to_string()
    };
    assert!(error("leaky_relu(0.2)").contains("`leaky_relu` takes no arguments"));
    assert!(error("rel").contains("did you mean `relu`?"));
}

#[test]
fn cross_entropy_gradients() {
    let logits = noise([3, 4]);
    let soft = Targets::Soft {
        values: vec![0.1, 0.2, 0.3, 0.4, 1.0, 0.0, 0.0, 0.0, 0.5, 0.0, 0.5, 0.0],
        classes: 4,
    };
    for targets in [Targets::Classes(vec![0, 3, 1]), soft] {
        for label_smoothing in [0.0, 0.1] {
            for class_weights in [None, Some(vec![1.0, 2.0, 0.5, 3.0])] {
                let loss = CrossEntropy {
                    label_smoothing,
                    class_weights,
                };
                let report = GradCheck::in_f64().tensor("logits", &logits, |logits| {
                    loss.loss(logits, &targets).mean()
                });
                report.assert_within(TOLERANCE);
            }
        }
    }
}

#[test]
fn cross_entropy_values() {
    // Closed form: log-probabilities of two logits (0, ln 3) are ln 1/4 and ln 3/4.
    let logits = Tensor::<2>::from_floats([[0.0, 3f32.ln()], [0.0, 3f32.ln()]], &plain());
    let (low, high) = (4f32.ln(), (4f32 / 3.0).ln());
    let value = |loss: CrossEntropy, targets: &Targets| {
        values(&loss.loss(logits.clone(), targets).mean())[0]
    };
    let classes = Targets::Classes(vec![0, 1]);
    let smooth = |label_smoothing, class_weights| CrossEntropy {
        label_smoothing,
        class_weights,
    };
    let close =
        |found: f32, expected: f32| assert!((found - expected).abs() < 1e-6, "{found} {expected}");
    close(value(smooth(0.0, None), &classes), (low + high) / 2.0);
    // Each target becomes (0.9, 0.1).
    let (first, second) = (0.9 * low + 0.1 * high, 0.1 * low + 0.9 * high);
    close(value(smooth(0.2, None), &classes), (first + second) / 2.0);
    // The mean divides by the sum of the targets' weights.
    let weights = Some(vec![1.0, 3.0]);
    close(
        value(smooth(0.0, weights.clone()), &classes),
        (low + 3.0 * high) / 4.0,
    );
    // Smoothing weighs each class it spreads to.
    let spread = 0.1 * (low + 3.0 * high);
    let hard = 0.8 * low + 0.8 * 3.0 * high;
    close(
        value(smooth(0.2, weights.clone()), &classes),
        (hard + 2.0 * spread) / 4.0,
    );
    // Soft targets divide by the number of images, whatever the weights.
    let soft = Targets::Soft {
        values: vec![1.0, 0.0, 0.0, 1.0],
        classes: 2,
    };
    close(value(smooth(0.0, weights), &soft), (low + 3.0 * high) / 2.0);
    // One-hot rows are smoothed as classes are.
    close(value(smooth(0.2, None), &soft), (first + second) / 2.0);
}

#[test]
fn guessing_costs_what_equal_scores_cost() {
    let logits = Tensor::<2>::zeros([4, 3], &plain());
    let targets = Targets::Classes(vec![0, 1, 1, 2]);
    for label_smoothing in [0.0, 0.2] {
        for class_weights in [None, Some(vec![1.0, 3.0, 0.5])] {
            let loss = CrossEntropy {
                label_smoothing,
                class_weights,
            };
            let guess = loss.of_guess(&[1, 2, 1]).unwrap();
            let found = values(&loss.loss(logits.clone(), &targets).mean())[0];
            let apart = (guess - f64::from(found)).abs();
            assert!(apart < 1e-6, "{loss:?}: {guess} for {found}");
        }
    }
    let two_classes = CrossEntropy {
        class_weights: Some(vec![1.0, 2.0]),
        ..CrossEntropy::default()
    };
    assert_eq!(two_classes.of_guess(&[1, 2, 1]), None);
    assert_eq!(two_classes.of_guess(&[0, 0]), None);
}

// Batch norm.

fn norm_of(input: &[f32], norm: &BatchNorm) -> Vec<f32> {
    let device = norm.gamma.as_ref().unwrap().device();
    values(&norm.forward(Tensor::<1>::from_floats(input, &device).reshape([input.len(), 1])))
}

#[test]
fn running_variance_is_unbiased_and_read_after_one_batch() {
    let norm = BatchNormConfig::new(1).init(&training());
    // Mean 4, biased variance 4, unbiased 8; momentum 0.1.
    let output = norm_of(&[2.0, 6.0], &norm);
    assert_close(&output, &[-1.0, 1.0], 1e-4);
    let dict = StateDict::of(&norm);
    let read = |key: &str| dict.tensors[key].try_to_vec::<f32>().unwrap()[0];
    assert!((read("running_mean") - 0.4).abs() < 1e-6);
    assert!((read("running_var") - (0.9 + 0.1 * 8.0)).abs() < 1e-6);
    // Evaluation uses them.
    let expected = (2.0 - 0.4) / (1.7f32 + 1e-5).sqrt();
    assert_close(&norm_of(&[2.0], &norm.valid()), &[expected], 1e-5);
}

#[test]
fn freezing_and_evaluation_keep_the_statistics() {
    let norm = BatchNormConfig::new(1).init(&training());
    norm_of(&[2.0, 6.0], &norm);
    let before = StateDict::of(&norm);
    norm_of(&[100.0, 300.0], &norm.valid());
    assert_eq!(StateDict::of(&norm), before);
    let frozen = norm.freeze();
    norm_of(&[100.0, 300.0], &frozen);
    assert_eq!(StateDict::of(&frozen), before);
    // One value for each channel is enough where no statistics are taken.
    norm_of(&[1.0], &frozen);
}

#[test]
fn statistics_go_through_valid_and_train() {
    let norm = BatchNormConfig::new(1).init(&training());
    norm_of(&[2.0, 6.0], &norm);
    let copy = norm.valid().train();
    assert_eq!(StateDict::of(&copy), StateDict::of(&norm));
    norm_of(&[2.0, 6.0], &copy);
    // The copy trains on, alone.
    assert_ne!(StateDict::of(&copy), StateDict::of(&norm));
    let mean = StateDict::of(&copy).tensors["running_mean"]
        .try_to_vec::<f32>()
        .unwrap()[0];
    assert!((mean - 0.76).abs() < 1e-6, "{mean}");
}

/// burn's running statistics are shared by clones; this pins the documented trap.
#[test]
fn a_clone_shares_statistics() {
    let norm = BatchNormConfig::new(1).init(&training());
    let clone = norm.clone();
    norm_of(&[2.0, 6.0], &norm);
    assert_eq!(StateDict::of(&clone), StateDict::of(&norm));
}

#[test]
#[should_panic(expected = "more than one value for each channel")]
fn one_value_for_each_channel_cannot_train() {
    norm_of(&[1.0], &BatchNormConfig::new(1).init(&training()));
}

// Parameters and gradients.

#[derive(Module, Debug)]
struct Net {
    conv: Conv2d,
    bn: BatchNorm,
    blocks: Vec<Linear>,
    shortcut: Option<(Linear, BatchNorm)>,
    head: Head,
}

#[derive(Module, Debug)]
enum Head {
    Wide(Linear),
}

fn net(device: &Device) -> Net {
    let linear = |inputs, outputs| LinearConfig::new(inputs, outputs).init(device);
    Net {
        conv: Conv2dConfig::new([1, 2], 3).init(device),
        bn: BatchNormConfig::new(2).init(device),
        blocks: vec![linear(2, 3), linear(3, 3)],
        shortcut: Some((linear(3, 3), BatchNormConfig::new(3).init(device))),
        head: Head::Wide(linear(3, 2)),
    }
}

#[test]
fn parameters_are_taken_and_put_back_by_path() {
    let net = net(&training());
    let before = StateDict::of(&net);
    let listed = Parameters::list(&net);
    let (empty, parameters) = Parameters::take(net);
    let paths: Vec<_> = parameters
        .0
        .iter()
        .map(|parameter| parameter.path.as_str())
        .collect();
    let expected = [
        "conv.weight",
        "conv.bias",
        "bn.weight",
        "bn.bias",
        "blocks.0.weight",
        "blocks.0.bias",
        "blocks.1.weight",
        "blocks.1.bias",
        "shortcut.0.weight",
        "shortcut.0.bias",
        "shortcut.1.weight",
        "shortcut.1.bias",
        // The enum's variant is not in the path.
        "head.weight",
        "head.bias",
    ];
    assert_eq!(paths, expected);
    assert_eq!(paths.iter().collect::<BTreeSet<_>>().len(), paths.len());
    let shapes: Vec<_> = parameters
        .0
        .iter()
        .map(|p| (p.path.clone(), p.shape.clone()))
        .collect();
    assert_eq!(shapes, listed);
    assert!(
        parameters
            .0
            .iter()
            .all(|parameter| !parameter.value.device().is_autodiff())
    );
    let net = parameters.clone().put(empty);
    assert_eq!(StateDict::of(&net), before);
    // What was put back trains: a gradient arrives.
    let mut gradients =
        scalar(net.conv.forward(Tensor::ones([1, 1, 4, 4], &training()))).backward();
    let gradients = Gradients::take(&net, &mut gradients);
    let with_gradient: Vec<_> = gradients.0.iter().map(Option::is_some).collect();
    assert_eq!(with_gradient[..3], [true, true, false]);
}

#[test]
fn frozen_parameters_are_not_taken() {
    let mut net = net(&training());
    net.blocks = net.blocks.into_iter().map(Module::freeze).collect();
    let before = StateDict::of(&net);
    let (empty, parameters) = Parameters::take(net);
    assert!(
        parameters
            .0
            .iter()
            .all(|parameter| !parameter.path.starts_with("blocks"))
    );
    assert_eq!(parameters.0.len(), 10);
    assert_eq!(StateDict::of(&parameters.put(empty)), before);
}

fn gradients(of: &[&[f32]]) -> Gradients {
    Gradients(
        of.iter()
            .map(|values| Some(Tensor::from_floats(*values, &plain())))
            .collect(),
    )
}

fn flat(gradients: &Gradients) -> Vec<f32> {
    gradients.0.iter().flatten().flat_map(values).collect()
}

#[test]
fn norm_and_clipping_by_hand() {
    let of = || gradients(&[&[2.0, 2.0], &[8.0], &[-8.0, -8.0]]);
    let norm = of().norm();
    assert!((norm - 200f64.sqrt()).abs() < 1e-5, "{norm}");
    let clipped = flat(&of().clip_norm(norm, 1.0));
    let (small, large) = (0.141_421_35, 0.565_685_4);
    assert_close(&clipped, &[small, small, large, -large, -large], 1e-6);
    assert_eq!(flat(&of().clip_norm(norm, 15.0)), flat(&of()));
    assert_eq!(flat(&of().clip_value(3.0)), [2.0, 2.0, 3.0, -3.0, -3.0]);
    let sum = gradients(&[&[1.0]]).add_scaled(gradients(&[&[10.0]]), 0.5);
    assert_eq!(flat(&sum), [6.0]);
    let one_sided = Gradients(vec![None]).add_scaled(gradients(&[&[10.0]]), 0.5);
    assert_eq!(flat(&one_sided), [5.0]);
}

#[test]
fn the_first_gradient_that_is_not_finite_is_found() {
    assert_eq!(gradients(&[&[1.0, -1.0], &[0.0]]).first_not_finite(), None);
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let found = gradients(&[&[1.0], &[0.0, bad, 2.0], &[bad]]).first_not_finite();
        assert_eq!(found, Some(1), "{bad}");
        assert!(!gradients(&[&[1.0], &[bad]]).norm().is_finite());
    }
    let missing = Gradients(vec![None, Some(Tensor::from_floats([f32::NAN], &plain()))]);
    assert_eq!(missing.first_not_finite(), Some(1));
}
