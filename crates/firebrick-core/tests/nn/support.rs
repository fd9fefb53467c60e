//! Devices, noise and a small network.

use burn::module::{Module, Param};
use burn::tensor::{DType, Device, Tensor, TensorData};
use firebrick_core::nn::{BatchNorm, BatchNormConfig, Conv2d, Conv2dConfig, Linear, LinearConfig};
use rand::RngExt;

pub(crate) fn plain() -> Device {
    firebrick_core::device("flex").unwrap()
}

pub(crate) fn training() -> Device {
    plain().autodiff()
}

/// Values in [-1, 1) of a fixed seed, f64, on an autodiff device.
pub(crate) fn noise<const D: usize>(shape: [usize; D]) -> Tensor<D> {
    let mut rng = firebrick_core::random::rng(1, "test", 0, 0);
    let count = shape.iter().product();
    let values: Vec<f64> = (0..count).map(|_| rng.random_range(-1.0..1.0)).collect();
    Tensor::from_data(TensorData::new(values, shape), (&training(), DType::F64))
}

/// A scalar that weighs every output differently.
pub(crate) fn scalar<const D: usize>(output: Tensor<D>) -> Tensor<1> {
    (output.clone().square() + output.sin()).sum()
}

pub(crate) fn values<const D: usize>(tensor: &Tensor<D>) -> Vec<f32> {
    tensor.to_data().convert::<f32>().try_to_vec().unwrap()
}

pub(crate) fn assert_close(found: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(found.len(), expected.len(), "{found:?} {expected:?}");
    let close = found
        .iter()
        .zip(expected)
        .all(|(a, b)| (a - b).abs() <= tolerance);
    assert!(close, "{found:?} is not {expected:?} within {tolerance}");
}

/// In f64 the difference quotient is good to about 1e-10.
pub(crate) const TOLERANCE: f64 = 1e-6;

/// The module with parameters and statistics in f64.
pub(crate) fn f64_weights<M: Module>(module: M) -> M {
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

#[derive(Module, Debug)]
pub(crate) struct Net {
    pub(crate) conv: Conv2d,
    pub(crate) bn: BatchNorm,
    pub(crate) blocks: Vec<Linear>,
    pub(crate) shortcut: Option<(Linear, BatchNorm)>,
    pub(crate) head: Head,
}

#[derive(Module, Debug)]
pub(crate) enum Head {
    Wide(Linear),
}

pub(crate) fn net(device: &Device) -> Net {
    let linear = |inputs, outputs| LinearConfig::new(inputs, outputs).init(device);
    Net {
        conv: Conv2dConfig::new([1, 2], 3).init(device),
        bn: BatchNormConfig::new(2).init(device),
        blocks: vec![linear(2, 3), linear(3, 3)],
        shortcut: Some((linear(3, 3), BatchNormConfig::new(3).init(device))),
        head: Head::Wide(linear(3, 2)),
    }
}
