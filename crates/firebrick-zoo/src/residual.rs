//! What residual blocks share. Batch norm follows each of their convolutions, so none has a bias.

use burn::tensor::Tensor;
use firebrick_core::nn::{Activation, BatchNorm, Conv2dConfig};
use firebrick_regularize::dropout::DropPath;

use crate::members::MemberConv;

/// A 3×3 convolution that keeps the size, divided by the stride and rounded up.
pub(crate) fn conv3x3(inputs: usize, outputs: usize, stride: usize) -> Conv2dConfig {
    Conv2dConfig::new([inputs, outputs], 3)
        .with_stride(stride)
        .with_padding(1)
        .with_bias(false)
}

/// The 1×1 convolution of the shortcut that changes the number of planes. Batch norm follows; PyTorch's
/// `Sequential` calls the two `0` and `1`.
pub(crate) fn projection(inputs: usize, outputs: usize, stride: usize) -> Conv2dConfig {
    Conv2dConfig::new([inputs, outputs], 1)
        .with_stride(stride)
        .with_bias(false)
}

/// The end of a block: `activation(drop_path(bn(conv(planes))) + shortcut)`.
pub(crate) fn add_branch(
    (conv, bn): (&MemberConv, &BatchNorm),
    drop_path: &DropPath,
    planes: Tensor<4>,
    shortcut: Tensor<4>,
    activation: Activation,
) -> Tensor<4> {
    if !drop_path.is_active(&planes) {
        return conv.with_bn(bn, planes, Some(shortcut), activation);
    }
    let branch = conv.with_bn(bn, planes, None, Activation::Identity);
    activation.forward(drop_path.forward(branch) + shortcut)
}
