//! Every operation against Burn's own: its output and all of its gradients.

use burn::backend::Flex;
use burn::tensor::ops::{AvgPoolOptions, ConvOptions, MaxPoolOptions};
use burn::tensor::{DType, Tensor};
use firebrick_core::data::Targets;
use firebrick_core::kernels::{self, Curve};
use firebrick_core::loss::{CrossEntropy, Loss};
use firebrick_core::nn::{Activation, BatchNormConfig, Conv2dConfig};

use crate::support::{
    Lie, TOLERANCE, assert_close, both, check, devices, noise, random, refusal, scalar, values,
    vector,
};

#[test]
fn the_kernels_are_what_runs() {
    let lies = |x: &Tensor<4>| {
        let tensor = x.clone().try_into_primitive::<Flex>().unwrap();
        tensor.layout().strides().to_vec()
    };
    let device = firebrick_core::device("flex").unwrap();
    let (with, without) = both(|| {
        let conv = Conv2dConfig::new([3, 5], 3).init(&device);
        let output = conv.forward(noise([2, 3, 8, 6], 1, &device));
        assert_eq!(output.dims(), [2, 5, 6, 4]);
        lies(&output)
    });
    assert_eq!(with, [120, 1, 20, 5], "channels-last");
    assert_eq!(without, [120, 24, 4, 1], "burn's own");
}

#[test]
fn conv2d_is_burns() {
    let cases = [
        (
            [2, 4, 7, 6],
            [6, 4, 3, 3],
            ConvOptions::new([1, 1], [1, 1], [1, 1], 1),
        ),
        (
            [2, 4, 7, 6],
            [6, 4, 3, 2],
            ConvOptions::new([2, 1], [0, 1], [1, 2], 1),
        ),
        (
            [3, 4, 5, 5],
            [8, 2, 3, 3],
            ConvOptions::new([1, 1], [1, 1], [1, 1], 2),
        ),
        (
            [2, 6, 5, 5],
            [6, 1, 3, 3],
            ConvOptions::new([1, 2], [1, 1], [1, 1], 6),
        ),
        (
            [2, 16, 4, 4],
            [32, 16, 1, 1],
            ConvOptions::new([1, 1], [0, 0], [1, 1], 1),
        ),
        (
            [2, 1, 5, 5],
            [3, 1, 5, 5],
            ConvOptions::new([1, 1], [2, 2], [1, 1], 1),
        ),
        (
            [2, 3, 1, 1],
            [4, 3, 1, 1],
            ConvOptions::new([1, 1], [0, 0], [1, 1], 1),
        ),
        (
            [2, 3, 6, 6],
            [4, 3, 3, 3],
            ConvOptions::new_with_padding([1, 1], [(0, 2), (1, 0)], [1, 1], 1),
        ),
    ];
    for (image, weight, options) in cases {
        let name = format!("conv2d of {image:?} with {weight:?}");
        check(&name, image, &[&weight, &[weight[0]]], |x, others| {
            let bias = Some(vector(&others[1]));
            kernels::conv2d(x, others[0].clone(), bias, options.clone())
        });
        check(&name, image, &[&weight], |x, others| {
            kernels::conv2d(x, others[0].clone(), None, options.clone())
        });
    }
}

#[test]
fn parts_of_a_batch_with_weights_of_their_own_are_burns() {
    for (image, weight, options) in [
        (
            [6, 4, 7, 6],
            [5, 4, 3, 3],
            ConvOptions::new([1, 1], [1, 1], [1, 1], 1),
        ),
        (
            [3, 16, 8, 8],
            [16, 16, 3, 3],
            ConvOptions::new([1, 1], [1, 1], [1, 1], 1),
        ),
        (
            [6, 4, 7, 6],
            [6, 2, 3, 2],
            ConvOptions::new([2, 1], [0, 1], [1, 1], 2),
        ),
    ] {
        let name = format!("parts of {image:?} with {weight:?}");
        let [outputs, inputs, height, width] = weight;
        let all = [3 * outputs, inputs, height, width];
        check(&name, image, &[&all], |x, others| {
            let weights = others[0].clone();
            let weights = weights.reshape([3, outputs, inputs, height, width]);
            kernels::conv2d_parts(x, weights, &options)
        });
        // Each part is convolved by its own weight.
        let device = firebrick_core::device("flex").unwrap();
        let (x, weights) = (noise(image, 1, &device), noise(all, 2, &device));
        let apart: Vec<_> = x
            .clone()
            .chunk(3, 0)
            .into_iter()
            .zip(weights.clone().chunk(3, 0))
            .map(|(x, weight)| kernels::conv2d(x, weight, None, options.clone()))
            .collect();
        let weights = weights.reshape([3, outputs, inputs, height, width]);
        let together = kernels::conv2d_parts(x, weights, &options);
        // Groups of few channels have a kernel of their own, which sums in another order.
        let (together, apart) = (values(&together), values(&Tensor::cat(apart, 0)));
        for (together, apart) in together.iter().zip(&apart) {
            assert!(
                (together - apart).abs() <= 4e-6 * apart.abs().max(1.0),
                "{name}: {together} {apart}"
            );
        }
    }
}

#[test]
fn conv2d_gradients_are_only_what_is_asked() {
    for device in devices() {
        let device = device.autodiff();
        for tracked in 0..8_u32 {
            let (with, without) = both(|| {
                let mark = |bit: u32| tracked & 1 << bit != 0;
                let x = noise([2, 3, 5, 5], 1, &device).set_require_grad(mark(0));
                let weight = noise([4, 3, 3, 3], 2, &device).set_require_grad(mark(1));
                let bias = noise([4], 3, &device).set_require_grad(mark(2));
                let options = ConvOptions::new([1, 1], [1, 1], [1, 1], 1);
                let y = kernels::conv2d(x.clone(), weight.clone(), Some(bias.clone()), options);
                assert_eq!(y.is_tracked(), tracked != 0);
                if tracked == 0 {
                    return [None, None, None];
                }
                let gradients = scalar(&y, Lie::ChannelsFirst).backward();
                [
                    x.grad(&gradients).map(|g| values(&g)),
                    weight.grad(&gradients).map(|g| values(&g)),
                    bias.grad(&gradients).map(|g| values(&g)),
                ]
            });
            for (bit, (with, without)) in with.iter().zip(&without).enumerate() {
                assert_eq!(with.is_some(), tracked & 1 << bit != 0);
                if let (Some(with), Some(without)) = (with, without) {
                    assert_close("conv2d", with, without, TOLERANCE);
                }
            }
        }
    }
}

#[test]
fn batch_norm_is_burns() {
    let image = [3, 5, 4, 6];
    for relu in [None, Some(Curve::Relu)] {
        check("batch norm", image, &[&[5], &[5]], |x, others| {
            let [gamma, beta] = [&others[0], &others[1]].map(vector);
            kernels::batch_norm_train(x, gamma, beta, 1e-5, None, relu).output
        });
        check(
            "batch norm and sum",
            image,
            &[&[5], &[5], &image],
            |x, others| {
                let [gamma, beta] = [&others[0], &others[1]].map(vector);
                let residual = Some(others[2].clone());
                kernels::batch_norm_train(x, gamma, beta, 1e-5, residual, relu).output
            },
        );
        let given = |others: &[Tensor<4>]| {
            let device = others[0].device();
            let affine = [&others[0], &others[1]].map(vector);
            (
                affine,
                [noise([5], 8, &device), noise([5], 9, &device).abs() + 0.5],
            )
        };
        check("given statistics", image, &[&[5], &[5]], |x, others| {
            let (affine, statistics) = given(others);
            kernels::batch_norm(x, affine, statistics, 1e-5, None, relu)
        });
        check(
            "given statistics and sum",
            image,
            &[&[5], &[5], &image],
            |x, others| {
                let (affine, statistics) = given(others);
                kernels::batch_norm(x, affine, statistics, 1e-5, Some(others[2].clone()), relu)
            },
        );
    }
    // Of other ranks.
    check(
        "batch norm of rank 2",
        [4, 6, 1, 1],
        &[&[6], &[6]],
        |x, others| {
            let [gamma, beta] = [&others[0], &others[1]].map(vector);
            let x: Tensor<2> = x.reshape([4, 6]);
            kernels::batch_norm_train(x, gamma, beta, 1e-5, None, Some(Curve::Relu)).output
        },
    );
    check(
        "batch norm of rank 3",
        [4, 6, 1, 5],
        &[&[6], &[6]],
        |x, others| {
            let [gamma, beta] = [&others[0], &others[1]].map(vector);
            let x: Tensor<3> = x.reshape([4, 6, 5]);
            kernels::batch_norm_train(x, gamma, beta, 1e-5, None, None).output
        },
    );
}

#[test]
fn batch_norm_and_any_activation_are_those_that_are_composed() {
    let image = [3, 5, 4, 6];
    for activation in [
        Curve::LeakyRelu(0.1),
        Curve::Elu,
        Curve::Gelu,
        Curve::Silu,
        Curve::Tanh,
        Curve::Sigmoid,
        Curve::Relu6,
        Curve::Hardsigmoid,
        Curve::Hardswish,
    ] {
        let name = format!("{activation:?}");
        // Far enough out for every part of the function.
        let affine = |others: &[Tensor<4>]| {
            let [gamma, beta] = [&others[0], &others[1]].map(vector);
            [gamma * 5.0, beta]
        };
        check(&name, image, &[&[5], &[5]], |x, others| {
            let [gamma, beta] = affine(others);
            kernels::batch_norm_train(x, gamma, beta, 1e-5, None, Some(activation)).output
        });
        let name = format!("{name} of a sum");
        check(&name, image, &[&[5], &[5], &image], |x, others| {
            let [gamma, beta] = affine(others);
            let residual = Some(others[2].clone());
            kernels::batch_norm_train(x, gamma, beta, 1e-5, residual, Some(activation)).output
        });
        let name = format!("{name} with given statistics");
        check(&name, image, &[&[5], &[5], &image], |x, others| {
            let device = others[0].device();
            let statistics = [noise([5], 8, &device), noise([5], 9, &device).abs() + 0.5];
            let residual = Some(others[2].clone());
            let affine = affine(others);
            kernels::batch_norm(x, affine, statistics, 1e-5, residual, Some(activation))
        });
    }
}

#[test]
fn normalizations_over_channels_are_those_that_are_composed() {
    let image = [3, 21, 4, 2];
    check("layer norm", image, &[&[21], &[21]], |x, others| {
        let [weight, bias] =
            [&others[0], &others[1]].map(|vector| Some(crate::support::vector(vector)));
        kernels::layer_norm(x, weight, bias, 1e-3)
    });
    check("plain layer norm", image, &[], |x, _| {
        kernels::layer_norm(x, None, None, 1e-3)
    });
    for size in [1, 2, 5, 60] {
        for beta in [0.75, 0.5, 1.0, 0.6] {
            check("response norm", image, &[], |x, _| {
                kernels::local_response_norm(x * 3.0, size, [0.5, beta, 1.0])
            });
        }
    }
}

#[test]
fn channels_move_as_burns() {
    let image = [2, 6, 4, 3];
    let [two, seven] = [[2, 2, 4, 3], [2, 7, 4, 3]];
    check("concat", image, &[&two, &seven, &two], |x, others| {
        let others = others.iter().cloned();
        kernels::concat(std::iter::once(x).chain(others).collect())
    });
    check(
        "concat of six",
        image,
        &[&two, &seven, &two],
        |x, others| {
            let [a, b, c] = [0, 1, 2].map(|index| others[index].clone());
            kernels::concat(vec![a.clone(), x.clone(), b, c, x, a])
        },
    );
    check("concat of parts", image, &[&seven], |x, others| {
        let part = kernels::channel_part(others[0].clone(), 2, 4);
        kernels::concat(vec![
            x.narrow(1, 1, 3),
            part,
            others[0].clone().narrow(1, 6, 1),
        ])
    });
    check("a single one", image, &[], |x, _| {
        kernels::concat(vec![x]) * 2.0
    });
    for (first, count) in [(0, 2), (3, 3), (0, 6), (5, 1)] {
        check("part", image, &[], |x, _| {
            kernels::channel_part(x, first, count)
        });
    }
    for groups in [1, 2, 3, 6] {
        check("shuffle", image, &[], |x, _| {
            kernels::channel_shuffle(x, groups)
        });
    }
    let half = [2, 3, 4, 3];
    check("interleave", image, &[&image], |x, others| {
        kernels::interleave(x, others[0].clone())
    });
    check("interleave the first half", image, &[&half], |x, others| {
        kernels::interleave(x, others[0].clone())
    });
    check("sum", image, &[&image], |x, others| {
        kernels::add(x, others[0].clone())
    });
}

#[test]
fn factors_of_channels_are_burns() {
    let image = [3, 5, 4, 6];
    for factors in [[3, 5, 1, 1], [1, 5, 1, 1]] {
        check("factors", image, &[&factors], |x, others| {
            kernels::channel_scale(x, others[0].clone(), None)
        });
        check(
            "factors and sum",
            image,
            &[&factors, &image],
            |x, others| kernels::channel_scale(x, others[0].clone(), Some(others[1].clone())),
        );
        check("constant factors", image, &[&image], |x, others| {
            let factors = noise(factors, 5, &x.device());
            kernels::channel_scale(x, factors, Some(others[0].clone()))
        });
    }
    // What the kernels refuse.
    check("one factor", image, &[&[3, 1, 1, 1]], |x, others| {
        kernels::channel_scale(x, others[0].clone(), None)
    });
}

#[test]
fn running_statistics_move_as_before() {
    for device in devices() {
        let (with, without) = both(|| {
            let device = device.clone().autodiff();
            let bn = BatchNormConfig::new(3).init(&device);
            for seed in 0..3 {
                let x = noise([4, 3, 5, 5], seed, &device) + 2.0;
                let _ = match seed {
                    0 => bn.forward(x),
                    1 => bn.forward_relu(x),
                    _ => bn.forward_add_relu(x.clone(), x),
                };
            }
            let statistics = [&bn.running_mean, &bn.running_var]
                .map(|running| running.as_ref().unwrap().value());
            assert!(statistics.iter().all(|tensor| !tensor.is_tracked()));
            statistics.map(|tensor| values(&tensor)).concat()
        });
        assert_close("running statistics", &with, &without, TOLERANCE);
    }
}

#[test]
fn rectifiers_are_burns() {
    let image = [2, 3, 4, 5];
    check("relu", image, &[], |x, _| kernels::relu(x));
    check("relu of rank 2", image, &[], |x, _| {
        kernels::relu(x.reshape([6, 20]))
    });
    check("add and relu", image, &[&image], |x, others| {
        kernels::add_relu(x, others[0].clone())
    });
    check("broadcast sum and relu", image, &[&[1, 3]], |x, others| {
        kernels::add_relu(x, others[0].clone())
    });
}

#[test]
fn activations_are_those_that_are_composed() {
    for (name, activation) in Activation::ALL {
        check(name, [2, 3, 4, 5], &[], |x, _| activation.forward(x * 3.0));
        let row = |x: Tensor<4>| x.reshape([2, 60]);
        check(name, [2, 3, 4, 5], &[], |x, _| activation.forward(row(x)));
    }
}

#[test]
fn pools_are_burns() {
    let image = [2, 3, 7, 9];
    let max = |size: usize, stride: usize, padding: usize, ceil: bool| {
        MaxPoolOptions::new([size; 2])
            .with_stride([stride; 2])
            .with_padding_pairs([(padding, padding); 2])
            .with_ceil_mode(ceil)
    };
    for options in [
        max(2, 2, 0, false),
        max(3, 2, 1, false),
        max(3, 1, 1, false),
        max(2, 2, 0, true),
        max(3, 3, 1, true),
        max(3, 4, 0, false),
    ] {
        check(&format!("{options:?}"), image, &[], |x, _| {
            kernels::max_pool2d(x, options.clone())
        });
    }
    for include in [false, true] {
        for (size, stride, padding) in [(2, 2, 0), (3, 2, 1), (3, 1, 1)] {
            let options = AvgPoolOptions::new([size; 2])
                .with_stride([stride; 2])
                .with_padding_pairs([(padding, padding); 2])
                .with_count_include_pad(include);
            check(&format!("{options:?}"), image, &[], |x, _| {
                kernels::avg_pool2d(x, options.clone())
            });
        }
    }
    for (size, stride, padding) in [(2, 2, 0), (3, 2, 1), (3, 2, 0), (2, 3, 0)] {
        let options = AvgPoolOptions::new([size; 2])
            .with_stride([stride; 2])
            .with_padding_pairs([(padding, padding); 2])
            .with_count_include_pad(false)
            .with_ceil_mode(true);
        check(&format!("{options:?}"), image, &[], |x, _| {
            kernels::avg_pool2d(x, options.clone())
        });
    }
    for output in [[1, 1], [3, 4], [7, 9], [7, 2], [9, 12]] {
        check(&format!("adaptive {output:?}"), image, &[], |x, _| {
            kernels::adaptive_avg_pool2d(x, output) * 2.0
        });
    }
    check("global", image, &[], |x, _| kernels::global_avg_pool(x));
    for (stride, around) in [(2, (1, 2)), (1, (0, 3)), (3, (2, 0))] {
        check("subsample", image, &[], |x, _| {
            kernels::subsample(x, stride, around)
        });
    }
}

#[test]
fn linear_is_burns() {
    let matrix = |weight: &Tensor<4>| weight.clone().reshape([20, 7]);
    check("linear", [2, 3, 4, 5], &[&[20, 7], &[7]], |x, others| {
        let x: Tensor<2> = x.reshape([6, 20]);
        kernels::linear(x, matrix(&others[0]), Some(vector(&others[1])))
    });
    check(
        "linear of rank 3",
        [2, 3, 4, 5],
        &[&[20, 7]],
        |x, others| {
            let x: Tensor<3> = x.reshape([2, 3, 20]);
            kernels::linear(x, matrix(&others[0]), None)
        },
    );
    check(
        "linear of planes",
        [6, 4, 5, 1],
        &[&[20, 7]],
        |x, others| kernels::linear(x.flatten::<2>(1, 3), matrix(&others[0]), None),
    );
}

#[test]
fn cross_entropy_is_burns() {
    let hard = Targets::Classes(vec![0, 3, 1, 3, 2, 2]);
    let soft = Targets::Soft {
        values: random(24, 5).iter().map(|v| v.abs()).collect(),
        classes: 4,
    };
    for targets in [hard, soft] {
        for label_smoothing in [0.0, 0.1, 1.0] {
            for class_weights in [None, Some(vec![0.5, 2.0, 0.0, 1.25])] {
                let loss = CrossEntropy {
                    label_smoothing,
                    class_weights,
                };
                let name = format!("{loss:?} of {targets:?}");
                check(&name, [2, 3, 4, 1], &[], |x, _| {
                    let logits: Tensor<2> = x.reshape([6, 4]) * 5.0;
                    let value = loss.loss(logits, &targets);
                    value.mean()
                });
            }
        }
    }
}

#[test]
fn what_the_kernels_refuse_is_burns() {
    let device = firebrick_core::device("flex").unwrap();
    let (with, without) = both(|| {
        let x = noise([2, 3, 5, 5], 1, &device);
        let wrong_channels = refusal(&|| {
            let options = ConvOptions::new([1, 1], [0, 0], [1, 1], 1);
            let weight = noise([4, 2, 3, 3], 2, &device);
            let _ = kernels::conv2d(x.clone(), weight, None, options);
        });
        let wrong_features = refusal(&|| {
            let x = noise([2, 3], 1, &device);
            let _ = kernels::linear(x, noise([4, 2], 2, &device), None);
        });
        [wrong_channels, wrong_features]
    });
    assert_eq!(with, without);
    // Windows that the kernels cannot place: whatever burn makes of them.
    let (with, without) = both(|| {
        let x = noise([1, 1, 3, 3], 1, &device);
        let options = MaxPoolOptions::new([2, 2]).with_padding_pairs([(2, 2); 2]);
        let work = || values(&kernels::max_pool2d(x.clone(), options.clone()));
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).ok()
    });
    assert_eq!(with, without);
    // Other types, and no images at all.
    let (with, without) = both(|| {
        let x = noise([2, 3, 5, 5], 1, &device).cast(DType::F64);
        let wide = kernels::relu(x).to_data();
        let none = kernels::relu(Tensor::<4>::zeros([0, 3, 5, 5], &device)).to_data();
        [wide, none]
    });
    assert_eq!(with, without);
}

#[test]
fn not_a_number_passes_through() {
    for device in devices() {
        let (with, without) = both(|| {
            let x = Tensor::<1>::from_data([f32::NAN, -1.0, 2.0, f32::INFINITY], &device);
            let x: Tensor<4> = x.reshape([1, 1, 2, 2]);
            let pooled = kernels::max_pool2d(x.clone(), MaxPoolOptions::new([2, 1]));
            let mean = kernels::global_avg_pool(x.clone());
            let bits = |values: Vec<f32>| -> Vec<_> {
                values.iter().map(|v| v.is_nan().then_some(0)).collect()
            };
            (
                bits(values(&kernels::relu(x))),
                bits(values(&pooled)),
                bits(values(&mean)),
            )
        });
        assert_eq!(with.0[0], Some(0), "relu");
        assert_eq!(with.1[0], Some(0), "max");
        assert_eq!(with.2, without.2, "mean");
    }
}
