//! Every operation of the kernels against burn's own: outputs and all gradients, on both CPU
//! backends, for images in any layout.

// Helpers of tests fail by panicking too.
#![allow(clippy::unwrap_used)]

use std::sync::{Mutex, MutexGuard, PoisonError};

use burn::backend::Flex;
use burn::module::{Module, Param};
use burn::tensor::ops::{AvgPoolOptions, ConvOptions, MaxPoolOptions};
use burn::tensor::{DType, Device, Tensor, TensorData};
use firebrick_core::data::Targets;
use firebrick_core::kernels;
use firebrick_core::loss::{CrossEntropy, Loss};
use firebrick_core::nn::{
    Activation, BatchNorm, BatchNormConfig, Conv2d, Conv2dConfig, ConvBnRelu, ConvBnReluConfig,
    conv_bn,
};
use firebrick_core::probe;
use rand::RngExt;

/// Of the largest value.
const TOLERANCE: f32 = 2e-5;

/// The switch is the process's: tests that turn it take turns.
static SWITCH: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    SWITCH.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What it gives with the kernels and without them.
fn both<T>(work: impl Fn() -> T) -> (T, T) {
    let _alone = alone();
    kernels::enable(true);
    let with = work();
    kernels::enable(false);
    let without = work();
    kernels::enable(true);
    (with, without)
}

fn devices() -> [Device; 2] {
    ["flex", "ndarray"].map(|name| firebrick_core::device(name).unwrap())
}

fn random(count: usize, seed: u64) -> Vec<f32> {
    let mut rng = firebrick_core::random::rng(seed, "kernels", 0, 0);
    (0..count).map(|_| rng.random_range(-1.0..1.0)).collect()
}

fn noise<const D: usize>(shape: [usize; D], seed: u64, device: &Device) -> Tensor<D> {
    let values = random(shape.iter().product(), seed);
    Tensor::from_data(TensorData::new(values, shape), device)
}

fn values<const D: usize>(tensor: &Tensor<D>) -> Vec<f32> {
    tensor.to_data().try_to_vec().unwrap()
}

/// How an image lies in memory.
#[derive(Debug, Clone, Copy)]
enum Lie {
    ChannelsFirst,
    ChannelsLast,
    /// `[W, C, N, H]`.
    Permuted,
    /// A part of a larger image whose memory is channels-last.
    Sliced,
    /// Its rows from the last to the first.
    Flipped,
}

const LIES: [Lie; 5] = [
    Lie::ChannelsFirst,
    Lie::ChannelsLast,
    Lie::Permuted,
    Lie::Sliced,
    Lie::Flipped,
];

/// The same values in another layout of memory.
fn lay(x: Tensor<4>, lie: Lie) -> Tensor<4> {
    let fresh = |x: Tensor<4>| Tensor::<4>::from_data(x.to_data(), &x.device());
    match lie {
        Lie::ChannelsFirst => x,
        Lie::ChannelsLast => fresh(x.permute([0, 2, 3, 1])).permute([0, 3, 1, 2]),
        Lie::Permuted => fresh(x.permute([3, 1, 0, 2])).permute([2, 1, 3, 0]),
        Lie::Sliced => {
            let [n, c, h, w] = x.dims();
            let mut large = Tensor::<4>::ones([n, h + 2, w + 3, c + 1], &x.device());
            let part = [0..n, 1..h + 1, 2..w + 2, 1..c + 1];
            large = large.slice_assign(part.clone(), x.permute([0, 2, 3, 1]));
            large.slice(part).permute([0, 3, 1, 2])
        }
        Lie::Flipped => fresh(x.flip([2])).flip([2]),
    }
}

/// Weighs every output differently, so that the gradient that comes in is no constant.
fn scalar<const D: usize>(output: &Tensor<D>, lie: Lie) -> Tensor<1> {
    let weight = noise(output.dims(), 77, &output.device());
    let weight = if D == 4 {
        let weight = Tensor::<4>::from_dispatch(weight.into_dispatch());
        Tensor::<D>::from_dispatch(lay(weight, lie).into_dispatch())
    } else {
        weight
    };
    (output.clone() * weight).sum()
}

#[track_caller]
fn assert_close(what: &str, found: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let scale = expected.iter().fold(1.0_f32, |top, v| top.max(v.abs()));
    for (i, (a, b)) in found.iter().zip(expected).enumerate() {
        let same = (a - b).abs() <= tolerance * scale || a.to_bits() == b.to_bits();
        assert!(same, "{what}: at {i} {a} is not {b}");
    }
    assert!(expected.iter().any(|v| *v != 0.0), "{what}: all zeros");
}

/// Checks a function of images and up to three other tensors: output and gradients, with the
/// kernels and without.
fn check<const D: usize>(
    name: &str,
    image: [usize; 4],
    others: &[&[usize]],
    function: impl Fn(Tensor<4>, &[Tensor<4>]) -> Tensor<D>,
) {
    for device in devices() {
        for lie in LIES {
            let (with, without) = both(|| {
                let device = device.clone().autodiff();
                let x = lay(noise(image, 1, &device), lie).require_grad();
                let others: Vec<Tensor<4>> = others
                    .iter()
                    .zip(2..)
                    .map(|(shape, seed)| {
                        let mut full = [1; 4];
                        full[..shape.len()].copy_from_slice(shape);
                        noise(full, seed, &device).require_grad()
                    })
                    .collect();
                let output = function(x.clone(), &others);
                let gradients = scalar(&output, lie).backward();
                let tracked = std::iter::once(&x).chain(&others);
                let found: Vec<_> = tracked
                    .map(|tensor| values(&tensor.grad(&gradients).unwrap()))
                    .collect();
                (values(&output), found)
            });
            let what = format!("{name} on {device:?}, {lie:?}");
            assert_close(&what, &with.0, &without.0, TOLERANCE);
            for (index, (a, b)) in with.1.iter().zip(&without.1).enumerate() {
                assert_close(&format!("{what}, gradient {index}"), a, b, TOLERANCE);
            }
        }
    }
}

/// `[n, 1, 1, 1]` as a vector.
fn vector(tensor: &Tensor<4>) -> Tensor<1> {
    tensor.clone().flatten(0, 3)
}

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
    for relu in [false, true] {
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
            kernels::batch_norm_train(x, gamma, beta, 1e-5, None, true).output
        },
    );
    check(
        "batch norm of rank 3",
        [4, 6, 1, 5],
        &[&[6], &[6]],
        |x, others| {
            let [gamma, beta] = [&others[0], &others[1]].map(vector);
            let x: Tensor<3> = x.reshape([4, 6, 5]);
            kernels::batch_norm_train(x, gamma, beta, 1e-5, None, false).output
        },
    );
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

/// The message that it panics with.
fn refusal(work: &dyn Fn()) -> String {
    let error = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).unwrap_err();
    match error.downcast::<String>() {
        Ok(text) => *text,
        Err(error) => (*error.downcast::<&str>().unwrap()).to_string(),
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

/// Our layers, burn's layers and burn's operations in turn; one tensor used three times.
#[derive(Module, Debug)]
struct Mixed {
    first: ConvBnRelu,
    burns: burn::nn::conv::Conv2d,
    norm: burn::nn::GroupNorm,
    conv: Conv2d,
    bn: BatchNorm,
    linear: burn::nn::Linear,
}

impl Mixed {
    fn new(device: &Device) -> Self {
        let burns = burn::nn::conv::Conv2dConfig::new([6, 6], [3, 3])
            .with_padding(burn::nn::PaddingConfig2d::Same);
        Self {
            first: ConvBnReluConfig::new([3, 6], 3).init(device),
            burns: burns.init(device),
            norm: burn::nn::GroupNormConfig::new(2, 6).init(device),
            conv: Conv2dConfig::new([6, 6], 3).with_padding(1).init(device),
            bn: BatchNormConfig::new(6).init(device),
            linear: burn::nn::LinearConfig::new(6, 4).init(device),
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<2> {
        let x = self.first.forward(x);
        let y = burn::tensor::activation::gelu(self.norm.forward(self.burns.forward(x.clone())));
        let y = conv_bn(&self.conv, &self.bn, y, Some(x.clone()), Activation::Relu);
        let y = self.first.bn.forward_add_relu(y.clone(), y) + x;
        self.linear.forward(kernels::global_avg_pool(y))
    }
}

struct Fill(u64);

impl burn::module::ModuleMapper for Fill {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        self.0 += 1;
        let seed = self.0;
        param.map(|tensor| {
            let fresh = noise(tensor.dims(), seed, &tensor.device()) + 0.1;
            fresh.detach().set_require_grad(tensor.is_require_grad())
        })
    }
}

#[test]
fn ours_and_burns_mix_in_one_model() {
    for device in devices() {
        let (with, without) = both(|| {
            let device = device.clone().autodiff();
            let model = Mixed::new(&device).map(&mut Fill(20));
            let x = noise([2, 3, 6, 5], 1, &device).require_grad();
            let output = model.forward(x.clone());
            let gradients = scalar(&output, Lie::ChannelsFirst).backward();
            let of = |found: Option<Tensor<4>>| values(&found.unwrap());
            [
                values(&output),
                of(x.grad(&gradients)),
                of(model.first.conv.weight.grad(&gradients)),
                of(model.burns.weight.grad(&gradients)),
                of(model.conv.weight.grad(&gradients)),
                values(
                    &model
                        .first
                        .bn
                        .gamma
                        .as_ref()
                        .unwrap()
                        .grad(&gradients)
                        .unwrap(),
                ),
                values(&model.bn.beta.as_ref().unwrap().grad(&gradients).unwrap()),
            ]
        });
        for (with, without) in with.iter().zip(&without) {
            assert_close("mixed", with, without, 1e-4);
        }
    }
}

#[test]
fn gradient_checkpointing_gives_the_same() {
    let device = firebrick_core::device("flex").unwrap();
    let gradient = |device: &Device| {
        let model = Mixed::new(device).map(&mut Fill(20));
        let x = noise([2, 3, 6, 5], 1, device).require_grad();
        let gradients = scalar(&model.forward(x.clone()), Lie::ChannelsFirst).backward();
        values(&x.grad(&gradients).unwrap())
    };
    let _alone = alone();
    let plain = gradient(&device.clone().autodiff());
    let saving = gradient(&device.autodiff().gradient_checkpointing());
    assert_close("checkpointing", &saving, &plain, 1e-6);
}

#[test]
fn a_tensor_used_twice_gets_both_gradients() {
    let image = [2, 3, 4, 5];
    // Of ours, of burn's, and of both, with the sum of either layout.
    check("twice", image, &[], |x, _| {
        let y = kernels::relu(x.square());
        kernels::relu(y.clone()) + kernels::relu(y * 0.5)
    });
    check("thrice", image, &[], |x, _| {
        let y = kernels::relu(x + 0.1);
        let sum = kernels::add_relu(y.clone(), y.clone());
        kernels::add_relu(sum, y)
    });
    check("a leaf", image, &[], |x, _| {
        kernels::add_relu(kernels::relu(x.clone()), kernels::relu(x.clone())) + x
    });
}

/// Sums of gradients rely on this: what a pass has summed up, no later pass meets again.
#[test]
fn burn_refuses_a_second_backward_pass_over_the_same_tensor() {
    for device in devices() {
        let (with, without) = both(|| {
            let device = device.clone().autodiff();
            let x = noise([2, 3, 4, 5], 1, &device).require_grad();
            // Of burn's own operation, whose step tells the kernels nothing.
            let y = burn::tensor::activation::tanh(x);
            let pass = || {
                let gradients = kernels::relu(y.clone()).sum().backward();
                drop(gradients);
            };
            pass();
            refusal(&pass)
        });
        assert!(with.contains("already been consumed"), "{with}");
        assert!(without.contains("already been consumed"), "{without}");
    }
}

/// A layer whose statistics have moved, for evaluation.
fn evaluated(bias: bool, device: &Device) -> ConvBnRelu {
    let config = ConvBnReluConfig {
        conv: Conv2dConfig::new([3, 6], 3).with_padding(1).with_bias(bias),
    };
    let layer = config.init(&device.clone().autodiff()).map(&mut Fill(40));
    let variance = noise([6], 50, device).abs() + 0.5;
    layer
        .bn
        .running_var
        .as_ref()
        .unwrap()
        .update(variance.autodiff());
    layer.valid()
}

#[test]
fn folded_inference_is_the_layers_one_by_one() {
    for device in devices() {
        for (bias, residual, activation) in [
            (false, false, Activation::Relu),
            (true, true, Activation::Relu),
            (true, false, Activation::Identity),
            (false, true, Activation::Tanh),
        ] {
            for lie in LIES {
                let (with, without) = both(|| {
                    let layer = evaluated(bias, &device);
                    let x = lay(noise([2, 3, 5, 4], 1, &device), lie);
                    let residual = residual.then(|| lay(noise([2, 6, 5, 4], 2, &device), lie));
                    let (conv, bn) = (&layer.conv, &layer.bn);
                    // The first call folds, the second finds it folded.
                    let first = conv_bn(conv, bn, x.clone(), residual.clone(), activation);
                    let second = conv_bn(conv, bn, x, residual, activation);
                    assert_eq!(values(&first), values(&second));
                    values(&first)
                });
                assert_close("folded", &with, &without, TOLERANCE);
            }
        }
    }
}

#[test]
fn folded_weights_follow_every_change() {
    for device in devices() {
        let _alone = alone();
        let layer = evaluated(true, &device);
        let x = noise([2, 3, 5, 4], 1, &device);
        let plain = |layer: &ConvBnRelu| {
            let output = layer.bn.forward(layer.conv.forward(x.clone()));
            values(&kernels::relu(output))
        };
        let mut before = values(&layer.forward(x.clone()));
        let mut changed = |what: &str, layer: &ConvBnRelu| {
            let now = values(&layer.forward(x.clone()));
            assert_close(what, &now, &plain(layer), TOLERANCE);
            assert_ne!(now, before, "{what} changed nothing");
            before = now;
        };
        let mut layer = layer;
        layer.conv.weight = layer.conv.weight.map(|w| w * 1.5);
        changed("weight", &layer);
        layer.conv.bias = layer.conv.bias.map(|bias| bias.map(|b| b + 0.5));
        changed("bias", &layer);
        layer.bn.gamma = layer.bn.gamma.map(|gamma| gamma.map(|gamma| gamma * -1.0));
        changed("gamma", &layer);
        layer.bn.beta = layer.bn.beta.map(|beta| beta.map(|beta| beta + 1.0));
        changed("beta", &layer);
        let mean = layer.bn.running_mean.as_ref().unwrap().value() + 0.5;
        layer.bn.running_mean.as_ref().unwrap().update(mean);
        let _ = layer.bn.running_mean.as_ref().unwrap().value_sync();
        changed("running mean", &layer);
        let variance = layer.bn.running_var.as_ref().unwrap().value() * 4.0;
        layer.bn.running_var.as_ref().unwrap().update(variance);
        let _ = layer.bn.running_var.as_ref().unwrap().value_sync();
        changed("running variance", &layer);
        layer.bn.epsilon = 0.5;
        changed("epsilon", &layer);
        layer.conv.padding = [(0, 2), (1, 1)];
        changed("padding", &layer);
    }
}

#[test]
fn an_observer_sees_every_layer() {
    let kinds = |device: &Device, layer: &ConvBnRelu| {
        let x = noise([2, 3, 5, 4], 1, device);
        let residual = noise([2, 6, 5, 4], 2, device);
        let (output, seen) = probe::observe(layer, |layer| {
            layer.forward_add(x.clone(), residual.clone())
        });
        let rows: Vec<_> = seen
            .iter()
            .map(|row| (row.path.clone(), row.kind.clone(), row.shape.clone()))
            .collect();
        (
            values(&output),
            values(&layer.forward_add(x, residual)),
            rows,
        )
    };
    let device = firebrick_core::device("flex").unwrap();
    let _alone = alone();
    let shape = vec![2, 6, 5, 4];
    let expected = vec![
        ("conv".to_string(), "Conv2d".to_string(), shape.clone()),
        ("bn".to_string(), "BatchNorm".to_string(), shape.clone()),
        ("bn".to_string(), "relu".to_string(), shape),
    ];
    let layer = evaluated(false, &device);
    for (device, layer) in [
        (device.clone(), layer.clone()),
        (device.autodiff(), layer.train()),
    ] {
        let (observed, unobserved, rows) = kinds(&device, &layer);
        assert_eq!(rows, expected);
        assert_close("observed", &observed, &unobserved, TOLERANCE);
    }
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
