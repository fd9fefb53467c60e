//! CPU kernels for the operations that convolutional networks spend their time in, on plain `f32` slices.
//!
//! Images are **channels-last** here: `[N, H, W, C]` row by row, which makes every kernel a loop
//! over vectors of channels. The binding in `firebrick-core` gives such memory the shape
//! `[N, C, H, W]` by strides; users never see it.
//!
//! Every kernel is deterministic: the same result for any number of threads. The instruction set is
//! chosen at run time ([`simd`]); results of different instruction sets differ by rounding.
//!
//! If the length of a slice does not match the shapes, or a geometry is impossible, a function panics with a message
//! that says what does not match, before it touches any memory. The binding checks what users can get wrong.

pub mod activation;
pub mod batch_norm;
pub mod channel_scale;
pub mod channels;
pub mod conv2d;
pub mod cross_entropy;
pub mod dropout;
pub mod elementwise;
mod exponential;
mod image;
pub mod layer_norm;
pub mod layout;
pub mod linear;
mod lines;
pub mod local_response_norm;
pub mod memory;
pub mod mirror;
pub mod optimizer;
mod output;
pub mod peak;
pub mod pool;
pub mod resample;
pub mod rounding;
mod scratch;
pub mod simd;
pub mod subsample;
mod threads;

pub use image::Image;
