//! Layers with PyTorch's semantics and Burn's record keys. They replace Burn's own layers.
//!
//! The structs are named as in Burn, because weight adapters match names exactly. The layers compute with
//! [`crate::kernels`], which use Burn's operations where we have no kernel.

mod activation;
mod batch_ensemble;
mod batch_norm;
mod channel_shuffle;
mod conv2d;
mod conv_bn_relu;
mod fold;
mod group_norm;
mod layer_norm2d;
mod linear;
mod local_response_norm;
mod packed_linear;
mod pool;
mod std_conv2d;

pub use activation::Activation;
pub use batch_ensemble::{BatchConv2d, BatchConv2dConfig, BatchLinear, BatchLinearConfig};
pub use batch_norm::{
    BatchNorm, BatchNorm as BatchNorm2d, BatchNormConfig, BatchNormConfig as BatchNorm2dConfig,
    fewest_values_per_channel, with_batch_norm_momentum, with_pooled_batch_norm,
};
pub use channel_shuffle::channel_shuffle;
pub use conv_bn_relu::{ConvBnRelu, ConvBnReluConfig, conv_bn};
pub use conv2d::{Conv2d, Conv2dConfig};
pub use fold::fold;
pub use group_norm::{GroupNorm, GroupNormConfig};
pub use layer_norm2d::{LayerNorm2d, LayerNorm2dConfig};
pub use linear::{Linear, LinearConfig};
pub use local_response_norm::LocalResponseNorm;
pub use packed_linear::{PackedLinear, PackedLinearConfig};
pub use pool::{
    AdaptiveAvgPool2d, AvgPool2d, AvgPool2dConfig, GlobalAvgPool, MaxPool2d, MaxPool2dConfig,
};
pub use std_conv2d::{StdConv2d, StdConv2dConfig};
