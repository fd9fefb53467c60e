//! Two-dimensional convolution (the cross-correlation of PyTorch's `conv2d`, zero padding) and its
//! three gradients, on channels-last images.
//!
//! Forward pass and input gradient are one computation (`gather`): each output pixel gathers runs of
//! channels of source pixels, times slabs of weights packed for the vector length (`slabs`). It is done as
//! an implicit matrix product (`direct`) or Winograd's way (`winograd`), as `algorithm` decides. The weight
//! gradient is the outer product of an input pixel and a gradient pixel, summed over all pixels
//! (`weight_grad`). Convolutions whose groups have few channels, one above all, have kernels of their own
//! (`grouped`, and `depthwise` for what those do not do), and so have 1×1 convolutions of a few pixels
//! (`few_pixels`).

mod algorithm;
mod bias_grad;
mod depthwise;
mod direct;
mod epilogue;
mod few_pixels;
mod forward;
mod gather;
mod geometry;
mod grouped;
mod input_grad;
mod packed;
mod slabs;
mod taps;
mod tile;
mod weight_grad;
mod winograd;

pub use bias_grad::bias_grad;
pub use epilogue::Epilogue;
pub(crate) use forward::forward_transposed;
pub use forward::{forward, forward_packed};
pub use geometry::Conv2d;
pub use input_grad::input_grad;
pub use packed::{Packed, pack, pays_to_pack};
pub use weight_grad::weight_grad;
