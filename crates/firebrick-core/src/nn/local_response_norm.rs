//! Local response normalization across channels.
//!
//! Source: Krizhevsky, Sutskever and Hinton, "ImageNet Classification with Deep Convolutional Neural Networks", NIPS 2012,
//! section 3.3; PyTorch's `LocalResponseNorm`:
//!
//! ```text
//! y[c] = x[c] / (k + alpha · (x[c - size/2]² + … + x[c + (size - 1)/2]²) / size)^beta        channels outside count as 0
//! ```
//!
//! The paper leaves out the division by `size`: its alpha of 1e-4 at a size of 5 is 5e-4 here.

use burn::module::Module;
use burn::tensor::Tensor;

use crate::{kernels, probe};

/// Divides each channel by what its neighbours are at the same place; PyTorch's `LocalResponseNorm`.
#[derive(Module, Debug)]
pub struct LocalResponseNorm {
    /// Channels of a neighbourhood.
    pub size: usize,
    /// Factor of the mean of squares.
    pub alpha: f64,
    /// Exponent of the divisor.
    pub beta: f64,
    /// Added to the mean of squares.
    pub k: f64,
}

impl LocalResponseNorm {
    /// PyTorch's defaults: `alpha` 1e-4, `beta` 0.75, `k` 1.
    #[must_use]
    pub fn new(size: usize) -> Self {
        Self {
            size,
            alpha: 1e-4,
            beta: 0.75,
            k: 1.0,
        }
    }

    /// # Shapes
    /// `[N, C, H, W]` to the same.
    #[must_use]
    pub fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let constants = [self.alpha, self.beta, self.k];
        let output = kernels::local_response_norm(input, self.size, constants);
        probe::record("LocalResponseNorm", None, &output, 0);
        output
    }
}
