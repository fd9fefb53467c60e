//! The kernels of `firebrick-kernels` as operations on Burn's tensors, with gradients.
//!
//! They compute f32 tensors of the CPU backends, `flex` and `ndarray`. For every other tensor, and while they are
//! switched off ([`enable`]), each operation uses Burn's own operations.
//!
//! Images keep the shape `[N, C, H, W]`. Their memory is channels-last between these operations;
//! any other layout is converted first, so they can be mixed with Burn's operations.

mod activation;
mod batch_norm;
mod channel_scale;
mod channels;
mod conv2d;
mod conv2d_parts;
mod dropout;
mod folded;
mod host;
mod layer_norm;
mod linear;
mod local_response_norm;
mod loss;
mod operation;
mod pool;
pub mod step;
mod subsample;

use std::sync::atomic::{AtomicBool, Ordering};

use burn::backend::DispatchDevice;
use burn::tensor::{DType, Tensor};
pub use firebrick_kernels::activation::Activation as Curve;
pub use firebrick_kernels::memory::keep_freed_pages;
pub use firebrick_kernels::mirror::mirrored_rows;
pub use firebrick_kernels::rounding::cut_off;
pub use firebrick_kernels::simd::{Level, level};
pub use firebrick_kernels::wide;

pub use activation::{
    add, add_relu, elu, gelu, hardsigmoid, hardswish, leaky_relu, relu, relu6, sigmoid, silu, tanh,
};
pub(crate) use batch_norm::fold as fold_scale_and_shift;
pub use batch_norm::{BatchNormTrained, batch_norm, batch_norm_train};
pub use channel_scale::channel_scale;
pub use channels::{channel_part, channel_shuffle, concat, interleave};
pub use conv2d::conv2d;
pub use conv2d_parts::conv2d_parts;
pub use dropout::{dropout, keep_mask};
pub(crate) use folded::{Folded, FoldedConv, Norm};
pub use layer_norm::layer_norm;
pub(crate) use layer_norm::{normalized, scaled};
pub use linear::linear;
pub(crate) use linear::linear_activated;
pub use local_response_norm::local_response_norm;
pub(crate) use loss::cross_entropy_sum;
pub use pool::{adaptive_avg_pool2d, avg_pool2d, global_avg_pool, max_pool2d};
pub use subsample::subsample;

static ENABLED: AtomicBool = AtomicBool::new(true);

/// Turns the kernels on, as they are at first, or off, in the whole process.
pub fn enable(on: bool) {
    ENABLED.store(on, Ordering::Relaxed);
}

/// Whether the kernels are on.
#[must_use]
pub fn enabled() -> bool {
    ENABLED.load(Ordering::Relaxed)
}

/// Whether the kernels take a tensor: they are on, it is f32, not empty, and in the CPU's memory.
pub(crate) fn take<const D: usize>(tensor: &Tensor<D>) -> bool {
    enabled()
        && tensor.dtype() == DType::F32
        && !tensor.dims().contains(&0)
        && on_cpu(tensor.device().as_dispatch())
}

fn on_cpu(device: &DispatchDevice) -> bool {
    match device {
        #[cfg(feature = "flex")]
        DispatchDevice::Flex(_) => true,
        #[cfg(feature = "ndarray")]
        DispatchDevice::NdArray(_) => true,
        DispatchDevice::Autodiff(device) => on_cpu(device),
        #[allow(unreachable_patterns)]
        _ => false,
    }
}
