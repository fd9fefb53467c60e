//! Tensors that go through a formula together.

use burn::tensor::Tensor;

/// Tensors of one length that go through a formula together, such as a parameter, its state and its
/// gradient: one dtype, one device, no autodiff.
#[derive(Debug, Clone)]
pub struct Tensors<F, const WRITTEN: usize, const READ: usize> {
    /// What happens to them.
    pub formula: F,
    /// Those that change.
    pub written: [Tensor<1>; WRITTEN],
    /// Those that are read.
    pub read: [Tensor<1>; READ],
}
