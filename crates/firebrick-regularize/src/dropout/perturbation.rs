//! What a unit of the dropout family does: [`Perturbation`].

use std::fmt::Debug;

use burn::tensor::Tensor;

/// What a unit does to features. It has no parameters: all it is lies in its configuration.
pub trait Perturbation: Debug + Send + Sync {
    /// In training. Draws come from [`random`](super::DropoutLayer#randomness) alone.
    ///
    /// # Shapes
    /// `[N, C, H, W]` to the same, unless the unit pools. Vectors come as `[N, C, 1, 1]` and sequences as
    /// `[N, C, L, 1]`.
    fn train(&self, features: Tensor<4>) -> Tensor<4>;

    /// Whether training changes the variance of the features, so that it should not be followed by a batch norm
    /// ([`variance_shift`](firebrick_core::variance_shift)).
    fn shifts_variance(&self) -> bool {
        false
    }

    /// In evaluation, and where the layer is frozen: nothing, for most.
    ///
    /// # Shapes
    /// As [`Self::train`].
    fn evaluate(&self, features: Tensor<4>) -> Tensor<4> {
        features
    }
}
