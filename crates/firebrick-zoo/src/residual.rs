//! The convolutions of residual blocks. Batch norm follows each of them, so none has a bias.

use burn::tensor::Device;
use firebrick_core::nn::{BatchNorm, BatchNormConfig, Conv2d, Conv2dConfig};

/// A 3×3 convolution that keeps the size, divided by the stride and rounded up.
pub(crate) fn conv3x3(inputs: usize, outputs: usize, stride: usize, device: &Device) -> Conv2d {
    Conv2dConfig::new([inputs, outputs], 3)
        .with_stride(stride)
        .with_padding(1)
        .with_bias(false)
        .init(device)
}

/// The shortcut that changes the number of planes: a 1×1 convolution and batch norm, which
/// PyTorch's `Sequential` calls `0` and `1`.
pub(crate) fn projection(
    inputs: usize,
    outputs: usize,
    stride: usize,
    device: &Device,
) -> (Conv2d, BatchNorm) {
    let conv = Conv2dConfig::new([inputs, outputs], 1)
        .with_stride(stride)
        .with_bias(false)
        .init(device);
    (conv, BatchNormConfig::new(outputs).init(device))
}
