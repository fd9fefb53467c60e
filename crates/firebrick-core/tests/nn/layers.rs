//! Gradients of layers and the loss against central differences, and values against PyTorch.

use burn::module::Param;
use burn::tensor::{DType, Tensor};
use firebrick_core::data::Targets;
use firebrick_core::gradcheck::GradCheck;
use firebrick_core::loss::{CrossEntropy, Loss};
use firebrick_core::nn::{
    Activation, AdaptiveAvgPool2d, AvgPool2dConfig, Conv2dConfig, GlobalAvgPool, LinearConfig,
    LocalResponseNorm, MaxPool2dConfig, channel_shuffle,
};
use firebrick_core::spec::Spec;

use crate::support::{
    TOLERANCE, assert_close, f64_weights, noise, plain, scalar, training, values,
};

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
        ("relu6", [0.0, 2.0]),
        ("hardsigmoid", [0.333_333_34, 0.833_333_3]),
        ("hardswish", [-0.333_333_34, 1.666_666_6]),
        ("identity", [-1.0, 2.0]),
    ];
    for (name, expected) in expected {
        let activation = Activation::from_spec(&Spec::new(name)).unwrap();
        let output = activation.forward(Tensor::<1>::from_floats([-1.0, 2.0], &plain()));
        assert_close(&values(&output), &expected, 1e-6);
    }
}

#[test]
fn adaptive_pooling_has_pytorchs_windows() {
    let pixels: Vec<f32> = (0..15).map(|at| (7 * at % 15) as f32).collect();
    let image = Tensor::<1>::from_floats(pixels.as_slice(), &plain()).reshape([1, 1, 5, 3]);
    let pooled = |size| values(&AdaptiveAvgPool2d::new(size).forward(image.clone()));
    assert_close(&pooled([2, 2]), &[7.0, 9.0, 6.5, 6.0], 1e-6);
    assert_close(
        &pooled([3, 5]),
        &[
            3.0, 6.5, 10.0, 9.75, 9.5, 7.0, 8.0, 9.0, 7.5, 6.0, 6.0, 5.75, 5.5, 5.25, 5.0,
        ],
        1e-6,
    );
    let input = noise([2, 3, 5, 7]);
    let report = GradCheck::in_f64().tensor("input", &input, |input| {
        scalar(AdaptiveAvgPool2d::new([3, 2]).forward(input))
    });
    report.assert_within(TOLERANCE);
}

/// Sizes that are odd and even: the neighbourhood of an even one has one more channel before than behind.
#[test]
fn local_response_norm_is_pytorchs() {
    let input = Tensor::<1>::from_floats([1.0, 2.0, -3.0, 4.0, 5.0], &plain());
    let input = input.reshape([1, 5, 1, 1]);
    let layer = |size| LocalResponseNorm {
        alpha: 1.5,
        k: 2.0,
        ..LocalResponseNorm::new(size)
    };
    for (size, expected) in [
        (
            3,
            [
                0.323_661_18,
                0.384_900_18,
                -0.366_444_56,
                0.337_704_75,
                0.483_986_35,
            ],
        ),
        (
            2,
            [
                0.468_274_47,
                0.538_615_8,
                -0.472_707_9,
                0.411_430_42,
                0.365_225_85,
            ],
        ),
    ] {
        assert_close(
            &values(&layer(size).forward(input.clone())),
            &expected,
            1e-6,
        );
    }
    let input = noise([2, 7, 2, 3]);
    let report =
        GradCheck::in_f64().tensor("input", &input, |input| scalar(layer(5).forward(input)));
    report.assert_within(TOLERANCE);
}

#[test]
fn a_channel_shuffle_deals_groups_out_in_turn() {
    let input = Tensor::<1>::from_floats([0.0, 1.0, 2.0, 3.0, 4.0, 5.0], &plain());
    let shuffled = |groups| {
        values(&channel_shuffle(
            input.clone().reshape([1, 6, 1, 1]),
            groups,
        ))
    };
    assert_eq!(shuffled(2), [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
    assert_eq!(shuffled(3), [0.0, 2.0, 4.0, 1.0, 3.0, 5.0]);
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
