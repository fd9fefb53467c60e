//! Images in any layout of memory, and what an operation gives with the kernels and without.

use std::sync::{Mutex, MutexGuard, PoisonError};

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};
use firebrick_core::kernels;
use firebrick_core::nn::{Conv2dConfig, ConvBnRelu, ConvBnReluConfig};
use rand::RngExt;

/// Of the largest value.
pub(crate) const TOLERANCE: f32 = 2e-5;

/// The switch is the process's: tests that turn it take turns.
pub(crate) static SWITCH: Mutex<()> = Mutex::new(());

pub(crate) fn alone() -> MutexGuard<'static, ()> {
    SWITCH.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What it gives with the kernels and without them.
pub(crate) fn both<T>(work: impl Fn() -> T) -> (T, T) {
    let _alone = alone();
    kernels::enable(true);
    let with = work();
    kernels::enable(false);
    let without = work();
    kernels::enable(true);
    (with, without)
}

pub(crate) fn devices() -> [Device; 2] {
    ["flex", "ndarray"].map(|name| firebrick_core::device(name).unwrap())
}

pub(crate) fn random(count: usize, seed: u64) -> Vec<f32> {
    let mut rng = firebrick_core::random::rng(seed, "kernels", 0, 0);
    (0..count).map(|_| rng.random_range(-1.0..1.0)).collect()
}

pub(crate) fn noise<const D: usize>(shape: [usize; D], seed: u64, device: &Device) -> Tensor<D> {
    let values = random(shape.iter().product(), seed);
    Tensor::from_data(TensorData::new(values, shape), device)
}

pub(crate) fn values<const D: usize>(tensor: &Tensor<D>) -> Vec<f32> {
    tensor.to_data().try_to_vec().unwrap()
}

/// How an image lies in memory.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Lie {
    ChannelsFirst,
    ChannelsLast,
    /// `[W, C, N, H]`.
    Permuted,
    /// A part of a larger image whose memory is channels-last.
    Sliced,
    /// Its rows from the last to the first.
    Flipped,
}

pub(crate) const LIES: [Lie; 5] = [
    Lie::ChannelsFirst,
    Lie::ChannelsLast,
    Lie::Permuted,
    Lie::Sliced,
    Lie::Flipped,
];

/// The same values in another layout of memory.
pub(crate) fn lay(x: Tensor<4>, lie: Lie) -> Tensor<4> {
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
pub(crate) fn scalar<const D: usize>(output: &Tensor<D>, lie: Lie) -> Tensor<1> {
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
pub(crate) fn assert_close(what: &str, found: &[f32], expected: &[f32], tolerance: f32) {
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
pub(crate) fn check<const D: usize>(
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
pub(crate) fn vector(tensor: &Tensor<4>) -> Tensor<1> {
    tensor.clone().flatten(0, 3)
}

pub(crate) struct Fill(pub(crate) u64);

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

/// A layer whose statistics have moved, for evaluation.
pub(crate) fn evaluated(bias: bool, device: &Device) -> ConvBnRelu {
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

/// The message that it panics with.
pub(crate) fn refusal(work: &dyn Fn()) -> String {
    let error = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).unwrap_err();
    match error.downcast::<String>() {
        Ok(text) => *text,
        Err(error) => (*error.downcast::<&str>().unwrap()).to_string(),
    }
}
