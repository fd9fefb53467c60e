//! The layers against PyTorch's semantics and against central differences, and the tools that
//! models are taken apart with: parameters by path, gradients, state dictionaries.

// Helpers of tests fail by panicking too, and say what they skip.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)]

use std::collections::BTreeSet;

use burn::module::{Module, Param};
use burn::tensor::{DType, Device, Tensor, TensorData, Tolerance};
use firebrick_core::data::Targets;
use firebrick_core::gradcheck::GradCheck;
use firebrick_core::loss::{CrossEntropy, Loss};
use firebrick_core::nn::{
    Activation, AvgPool2dConfig, BatchNorm, BatchNormConfig, Conv2d, Conv2dConfig, GlobalAvgPool,
    Linear, LinearConfig, MaxPool2dConfig,
};
use firebrick_core::parameters::{Gradients, Parameters};
use firebrick_core::spec::Spec;
use firebrick_core::state_dict::{StateDict, WeightsError};
use firebrick_core::weights_file::WeightsFile;
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
        let report = GradCheck::default().tensor(name, &input, |x| scalar(activation.forward(x)));
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
                let report = GradCheck::default().tensor("logits", &logits, |logits| {
                    let value = loss.loss(logits, &targets);
                    value.mean()
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
        let value = loss.loss(logits.clone(), targets);
        values(&(value.mean()))[0]
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

// Batch norm.

fn norm_of(input: &[f32], norm: &BatchNorm) -> Vec<f32> {
    let device = norm.gamma.device();
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

// The gradient check itself.

#[test]
fn a_wrong_gradient_is_found_and_named() {
    let linear = LinearConfig::new(2, 1).init(&training());
    let input = noise([3, 2]);
    // The weight's gradient is lost: differences see it, autograd does not.
    let report = GradCheck::in_f64().module(&linear, |linear| {
        let product = input.clone().matmul(linear.weight.val().detach());
        scalar(product + linear.bias.as_ref().unwrap().val().reshape([1, 1]))
    });
    assert_eq!(report.worst.path, "weight");
    assert!(
        report.worst.error > 0.01 && report.worst.autograd == 0.0,
        "{report}"
    );
    let message = std::panic::catch_unwind(|| report.assert_within(TOLERANCE)).unwrap_err();
    let message = message.downcast_ref::<String>().unwrap();
    assert!(message.contains("weight"), "{message}");
    // A single wrong entry is found where it is.
    let report = GradCheck {
        entries: 64,
        ..GradCheck::default()
    }
    .tensor("input", &input, |input| {
        let entry = input.clone().slice([1..2, 1..2]).detach() * 50.0;
        scalar(input) + entry.reshape([1])
    });
    assert_eq!(report.worst.index, Some(vec![1, 1]), "{report}");
}

/// Σ x² + sin x, scaled, whose gradient is `times` too large.
fn exaggerated(x: Tensor<2>, scale: f64, times: f64) -> Tensor<1> {
    let value = scalar(x.clone()) * scale;
    let constant = scalar(x.detach()) * scale;
    value * times - constant * (times - 1.0)
}

#[test]
fn errors_are_relative_at_every_scale_of_the_loss() {
    let input = noise([3, 4]);
    for scale in [1e-12, 1e-6, 1.0, 1e6] {
        for (check, input) in [
            (GradCheck::in_f64(), input.clone()),
            (GradCheck::in_f32(), input.clone().cast(DType::F32)),
        ] {
            let report = |times| check.tensor("x", &input, |x| exaggerated(x, scale, times));
            report(1.0).assert_right();
            for times in [0.5, 0.9, 1.1, 2.0, -1.0] {
                let report = report(times);
                assert!(
                    report.worst.error > 5.0 * report.tolerance(),
                    "{times} times at scale {scale:e}: {report}"
                );
            }
        }
    }
}

#[derive(Module, Debug)]
struct Two {
    large: Param<Tensor<2>>,
    small: Param<Tensor<2>>,
}

#[test]
fn a_small_gradient_beside_a_large_one_is_looked_at() {
    for (check, dtype, small) in [
        (GradCheck::in_f64(), DType::F64, 1e-8),
        (GradCheck::in_f32(), DType::F32, 0.05),
    ] {
        let input = noise([3, 4]).cast(dtype);
        let two = Two {
            large: Param::from_tensor(input.clone()),
            small: Param::from_tensor(input),
        };
        let report = |times| {
            check.module(&two, |two| {
                let [large, own] = [&two.large, &two.small].map(Param::val);
                large.sum() + exaggerated(own, small, times)
            })
        };
        report(1.0).assert_right();
        let wrong = report(2.0);
        assert_eq!(wrong.worst.path, "small", "{wrong}");
        assert!(wrong.worst.error > 5.0 * wrong.tolerance(), "{wrong}");
    }
}

#[test]
fn a_gradient_that_the_loss_drowns_is_counted() {
    let input = noise([3, 4]).cast(DType::F32);
    let drowned = |x: Tensor<2>| scalar(x) * 1e-6 + 1e3;
    let report = GradCheck::in_f32().tensor("x", &input, drowned);
    assert_eq!(report.hidden, report.comparisons, "{report}");
    assert!(
        report.to_string().contains("lost in the rounding"),
        "{report}"
    );
    let report = GradCheck::in_f64().tensor("x", &input, drowned);
    assert_eq!(report.hidden, 0, "{report}");
}

#[test]
fn a_gradient_of_nothing_but_rounding_is_right() {
    // What is added before a batch norm is taken out by it: the gradient is zero.
    for check in [GradCheck::in_f64(), GradCheck::in_f32()] {
        let dtype = check.dtype.unwrap();
        let conv = Conv2dConfig::new([3, 4], 3).init(&training());
        let norm = BatchNormConfig::new(4).init(&training());
        let input = noise([4, 3, 5, 5]).cast(dtype);
        let report = check.module(&(conv, norm), |(conv, norm)| {
            scalar(norm.forward(conv.forward(input.clone())))
        });
        report.assert_right();
    }
}

/// How far an output has moved, every entry weighed differently: next to nothing, so that its rounding
/// hides nothing. The weights have nothing to do with [`noise`]: along its own input, a batch norm does
/// not move.
fn moved<const D: usize>(output: Tensor<D>, from: &Tensor<D>) -> Tensor<1> {
    let count = output.shape().num_elements();
    let weight = |index: usize| (index * 7919 % 1009) as f32 / 1009.0 - 0.5;
    let weights: Vec<f32> = (0..count).map(weight).collect();
    let data = TensorData::new(weights, output.dims());
    let weights = Tensor::<D>::from_data(data, (&output.device(), DType::F32));
    ((output - from.clone()) * weights).sum()
}

#[test]
fn the_kernels_gradients_are_those_of_differences_in_f32() {
    for name in ["flex", "ndarray"] {
        let device = firebrick_core::device(name).unwrap().autodiff();
        let of = |shape: [usize; 4]| {
            let values = noise(shape).to_data().convert::<f32>();
            Tensor::<4>::from_data(values, (&device, DType::F32))
        };
        // The default is the type of what is checked.
        let check = GradCheck::default();
        // A linear function has no curve that a wide step would meet.
        let wide = GradCheck {
            step: Some(0.1),
            ..check.clone()
        };
        let right = |place: &str, report: firebrick_core::gradcheck::GradReport| {
            assert_eq!((report.dtype, report.hidden), (DType::F32, 0), "{report}");
            assert!(
                report.worst.error <= report.tolerance(),
                "{place} on {name}: {report}"
            );
        };
        // The second one is wide enough for Winograd's way.
        for (config, shape) in [
            (Conv2dConfig::new([4, 6], 3).with_stride(2), [2, 4, 7, 6]),
            (
                Conv2dConfig::new([16, 16], 3).with_padding(1),
                [5, 16, 16, 16],
            ),
            (
                Conv2dConfig {
                    groups: 8,
                    ..Conv2dConfig::new([8, 8], 3)
                },
                [2, 8, 6, 6],
            ),
            (Conv2dConfig::new([5, 3], 1), [2, 5, 4, 4]),
        ] {
            let place = format!("{config:?}");
            let mut conv = config.init(&device);
            let weight = of(conv.weight.val().dims()) * 0.2;
            conv.weight = Param::from_tensor(weight.detach());
            let input = of(shape);
            let from = conv.forward(input.clone()).detach();
            let report = wide.module(&conv, |conv| moved(conv.forward(input.clone()), &from));
            right(&place, report);
            let report = wide.tensor("input", &input, |input| moved(conv.forward(input), &from));
            right(&place, report);
        }
        let norm = BatchNormConfig::new(3).init(&device);
        let input = of([4, 3, 2, 2]);
        let from = norm.forward(input.clone()).detach();
        let report = check.module(&norm, |norm| moved(norm.forward(input.clone()), &from));
        right("batch norm", report);
        let report = check.tensor("input", &input, |input| moved(norm.forward(input), &from));
        right("batch norm", report);
        let linear = LinearConfig::new(5, 3).init(&device);
        let rows = of([4, 5, 1, 1]).reshape([4, 5]);
        let from = linear.forward(rows.clone()).detach();
        let report = check.module(&linear, |linear| moved(linear.forward(rows.clone()), &from));
        right("linear", report);
        let pool = AvgPool2dConfig::new(3).init();
        let input = of([2, 2, 7, 7]);
        let from = pool.forward(input.clone()).detach();
        let report = wide.tensor("input", &input, |input| moved(pool.forward(input), &from));
        right("pool", report);
        // Away from the kink at 0.
        let input = of([1, 1, 4, 4]);
        let input = input.clone() + input.sign() * 0.1;
        for (name, activation) in Activation::ALL {
            let from = activation.forward(input.clone()).detach();
            let report = check.tensor(name, &input, |x| moved(activation.forward(x), &from));
            right(name, report);
        }
        let loss = CrossEntropy::default();
        let report = check.tensor("logits", &rows, |logits| {
            loss.loss(logits, &Targets::Classes(vec![0, 3, 1, 4]))
                .mean()
        });
        right("cross-entropy", report);
    }
}

#[test]
fn a_gradient_that_is_not_a_number_fails() {
    let input = Tensor::<1>::from_floats([-1.0, 1.0], &training());
    let report = GradCheck::default().tensor("input", &input, |x| x.sqrt().sum());
    assert!(report.worst.error.is_infinite(), "{report}");
}

// State dictionaries.

#[test]
fn keys_and_layouts_are_pytorchs() {
    let net = net(&plain());
    let dict = StateDict::of(&net);
    let shape = |key: &str| dict.tensors[key].shape().to_vec();
    assert_eq!(shape("bn.weight"), [2]);
    assert_eq!(shape("bn.running_var"), [2]);
    assert_eq!(shape("shortcut.1.weight"), [3]);
    assert_eq!(shape("blocks.0.weight"), [3, 2]);
    // The same matrix, transposed.
    let weight = net.blocks[0].weight.val().transpose().into_data();
    weight.assert_approx_eq::<f32>(&dict.tensors["blocks.0.weight"], Tolerance::absolute(0.0));
}

fn file(dict: &StateDict) -> StateDict {
    StateDict::from_safetensors(&dict.to_safetensors().unwrap()).unwrap()
}

#[test]
fn equal_dictionaries_give_equal_bytes() {
    let mut dict = StateDict::of(&net(&plain()));
    for at in 0..8 {
        dict.metadata
            .insert(format!("key{at}"), format!("\"value\" {at}\n"));
    }
    assert_eq!(file(&dict), dict);
    let bytes = dict.to_safetensors().unwrap();
    for _ in 0..16 {
        assert_eq!(file(&dict).to_safetensors().unwrap(), bytes);
    }
    // The format asks for tensors at a multiple of 8 bytes.
    let header = u64::from_le_bytes(bytes[..8].try_into().unwrap());
    assert_eq!(header % 8, 0);
    assert_eq!(file(&StateDict::default()), StateDict::default());
}

#[test]
fn a_dictionary_that_does_not_fit_changes_nothing() {
    let device = plain();
    let fitting = StateDict::of(&net(&device));
    let target = net(&device);
    let before = StateDict::of(&target);
    let broken = |change: fn(&mut StateDict)| {
        let mut dict = fitting.clone();
        change(&mut dict);
        // A clone shares the statistics, so a partial load would show in the original.
        let error = dict.load_into(target.clone()).unwrap_err();
        assert!(matches!(error, WeightsError::Mismatch(_)));
        assert_eq!(StateDict::of(&target), before);
        error.to_string()
    };
    let missing = broken(|dict| {
        dict.tensors.remove("conv.weight");
        dict.tensors.insert(
            "bn.running_mean".into(),
            TensorData::new(vec![9f32, 9.0], [2]),
        );
    });
    assert!(
        missing.contains("`conv.weight` [2, 1, 3, 3] is missing"),
        "{missing}"
    );
    let extra = broken(|dict| {
        dict.tensors
            .insert("fc.weight".into(), TensorData::new(vec![0f32], [1]));
    });
    assert!(
        extra.contains("`fc.weight` is in the file but not in the model"),
        "{extra}"
    );
    let shape = broken(|dict| {
        dict.tensors
            .insert("head.weight".into(), TensorData::new(vec![0f32; 6], [3, 2]));
    });
    assert!(
        shape.contains("`head.weight` is [3, 2] in the file but [2, 3] in the model"),
        "{shape}"
    );
    let many = broken(|dict| dict.tensors.clear());
    assert!(many.contains("; and 12 more"), "{many}");
    assert_eq!(StateDict::of(&fitting.load_into(target).unwrap()), fitting);
}

#[test]
fn files_that_are_no_weights_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let wrong = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let error = WeightsFile::open(&path).unwrap_err().to_string();
        assert!(error.contains(name), "{error}");
        error
    };
    let missing = WeightsFile::open(&dir.path().join("none.safetensors"))
        .unwrap_err()
        .to_string();
    assert!(missing.contains("none.safetensors"), "{missing}");
    let bytes = StateDict::of(&net(&plain())).to_safetensors().unwrap();
    for cut in [0, 7, 100, bytes.len() - 1] {
        let error = wrong("cut.safetensors", &bytes[..cut]);
        assert!(error.contains("not a readable weights file"), "{error}");
    }
    for name in ["text.pth", "text.th", "text.safetensors"] {
        wrong(name, b"these are no weights, whatever the name says");
    }
    wrong("empty.pt", b"");
}
