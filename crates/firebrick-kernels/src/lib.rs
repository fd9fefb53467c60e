//! CPU kernels for the operations that convolutional networks spend their time in, on plain `f32` slices.
//!
//! Images are **channels-last** here: `[N, H, W, C]` row by row, which makes every kernel a loop
//! over vectors of channels. The binding in `firebrick-core` gives such memory the shape
//! `[N, C, H, W]` by strides; users never see it.
//!
//! Every kernel is deterministic: the same result for any number of threads. The instruction set is
//! chosen at run time ([`simd`]); results of different instruction sets differ by rounding.
//!
//! Functions panic when a slice does not have the length that the shapes give; the binding checks
//! what users can get wrong.

pub mod activation;
pub mod batch_norm;
pub mod conv2d;
pub mod cross_entropy;
pub mod dropout;
pub mod elementwise;
mod exponential;
pub mod layout;
pub mod linear;
pub mod memory;
pub mod optimizer;
mod output;
pub mod peak;
pub mod pool;
mod scratch;
pub mod simd;
pub mod subsample;
mod threads;

/// The shape of a batch of images in memory: `[n, h, w, c]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Image {
    /// Images.
    pub n: usize,
    /// Rows.
    pub h: usize,
    /// Columns.
    pub w: usize,
    /// Channels.
    pub c: usize,
}

impl Image {
    /// Elements.
    #[must_use]
    pub fn len(&self) -> usize {
        self.n * self.h * self.w * self.c
    }

    /// Whether there are no elements.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Pixels of all images.
    #[must_use]
    pub fn pixels(&self) -> usize {
        self.n * self.h * self.w
    }
}
