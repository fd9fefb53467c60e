//! The channel shuffle.
//!
//! Source: Zhang, Zhou, Lin and Sun, "ShuffleNet: An Extremely Efficient Convolutional Neural Network for Mobile Devices",
//! CVPR 2018, section 3.1; PyTorch's `ChannelShuffle`.

use burn::tensor::Tensor;

use crate::kernels;

/// Deals the channels of each group out in turn: of channels `0 1 2 3 4 5` in two groups it makes `0 3 1 4 2 5`.
///
/// # Shapes
/// `[N, C, H, W]` to the same.
///
/// # Panics
/// When `groups` does not divide the channels.
#[must_use]
pub fn channel_shuffle(input: Tensor<4>, groups: usize) -> Tensor<4> {
    kernels::channel_shuffle(input, groups)
}
