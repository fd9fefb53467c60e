//! The gradient check itself, and the kernels in f32 under it.

use burn::module::{Module, Param};
use burn::tensor::{DType, Tensor, TensorData};
use firebrick_core::data::Targets;
use firebrick_core::gradcheck::{GradCheck, GradReport};
use firebrick_core::kernels;
use firebrick_core::loss::{CrossEntropy, Loss};
use firebrick_core::nn::{
    Activation, AvgPool2dConfig, BatchNormConfig, Conv2dConfig, LinearConfig,
};

use crate::support::{TOLERANCE, noise, scalar, training};

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
        let right = |place: &str, report: GradReport| {
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
        let images = of([3, 4, 3, 2]);
        let others = of([3, 2, 3, 2]);
        let factors = of([3, 4, 1, 1]);
        let vector = of([1, 4, 1, 1]).flatten::<1>(0, 3);
        let linear: [(&str, &dyn Fn(Tensor<4>) -> Tensor<4>); 8] = [
            ("adaptive pool", &|x| {
                kernels::adaptive_avg_pool2d(x, [2, 2])
            }),
            ("concat", &|x| kernels::concat(vec![others.clone(), x])),
            ("part", &|x| kernels::channel_part(x, 1, 2)),
            ("shuffle", &|x| kernels::channel_shuffle(x, 2)),
            ("interleave", &|x| kernels::interleave(x, others.clone())),
            ("sum", &|x| kernels::add(x, images.clone())),
            ("gate", &|x| {
                kernels::channel_scale(x, factors.clone(), None)
            }),
            ("gate", &|x| {
                kernels::channel_scale(images.clone(), x.narrow(2, 0, 1).narrow(3, 0, 1), None)
            }),
        ];
        for (place, function) in linear {
            let from = function(images.clone()).detach();
            let report = wide.tensor("input", &images, |x| moved(function(x), &from));
            right(place, report);
        }
        let curved: [(&str, &dyn Fn(Tensor<4>) -> Tensor<4>); 3] = [
            ("layer norm", &|x| {
                kernels::layer_norm(x, Some(vector.clone()), Some(vector.clone()), 1e-3)
            }),
            ("layer norm's weight", &|x| {
                let weight = x.narrow(0, 0, 1).narrow(2, 0, 1).narrow(3, 0, 1);
                kernels::layer_norm(images.clone(), Some(weight.flatten(0, 3)), None, 1e-3)
            }),
            ("response norm", &|x| {
                kernels::local_response_norm(x, 3, [0.9, 0.75, 1.0])
            }),
        ];
        for (place, function) in curved {
            let from = function(images.clone()).detach();
            let report = check.tensor("input", &images, |x| moved(function(x), &from));
            right(place, report);
        }
        for activation in [Activation::Silu, Activation::Gelu, Activation::Tanh] {
            let norm = BatchNormConfig::new(4).init(&device);
            let both = |x: Tensor<4>| norm.forward_activated(x, None, activation);
            let from = both(images.clone()).detach();
            let report = check.tensor("input", &images, |x| moved(both(x), &from));
            right("batch norm and activation", report);
        }
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

#[test]
fn a_loss_that_overflows_fails() {
    // Finite with a finite gradient, and infinite a step further.
    let input = Tensor::<1>::from_floats([1.13], &training());
    let report = GradCheck::default().tensor("input", &input, |x| (x * 3e38).sum());
    assert!(report.worst.autograd.is_finite(), "{report}");
    assert!(report.worst.error.is_infinite(), "{report}");
}
