//! What residual blocks share. Batch norm follows each of their convolutions, so none has a bias.

use burn::tensor::{Device, Tensor};
use firebrick_core::nn::{Activation, BatchNorm, BatchNormConfig, Conv2d, Conv2dConfig, conv_bn};
use firebrick_core::spec::{Spec, Value};
use firebrick_regularize::dropout::DropPath;

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

/// The end of a block: `activation(drop_path(bn(conv(planes))) + shortcut)`.
pub(crate) fn add_branch(
    (conv, bn): (&Conv2d, &BatchNorm),
    drop_path: &DropPath,
    planes: Tensor<4>,
    shortcut: Tensor<4>,
    activation: Activation,
) -> Tensor<4> {
    if !drop_path.is_active(&planes) {
        return conv_bn(conv, bn, planes, Some(shortcut), activation);
    }
    let branch = conv_bn(conv, bn, planes, None, Activation::Identity);
    activation.forward(drop_path.forward(branch) + shortcut)
}

/// A spec without a `drop_path` that drops nothing: runs and files from before the option existed have the same one.
pub(crate) fn without_idle_drop_path(mut spec: Spec) -> Spec {
    let idle = |(key, value): &(String, Value)| {
        key == "drop_path" && matches!(value, Value::Number(p) if *p <= 0.0)
    };
    spec.named.retain(|option| !idle(option));
    spec
}
