//! Batch norm over channels-last rows, with the residual sum and the rectifier fused into it.
//!
//! Source: Ioffe and Szegedy, "Batch Normalization", ICML 2015; the gradient in two passes as every
//! library has it. With N rows, μ and σ² the mean and the biased variance of a channel, and g the
//! gradient where the rectifier lets it pass:
//!
//! ```text
//! y  = relu?( x · scale + shift + residual? )    scale = γ / √(σ² + ε),  shift = β - μ · scale
//! dβ = Σ g,   dγ = Σ g · (x - μ) / √(σ² + ε)
//! dx = scale · ( g - dβ / N - (x - μ) / √(σ² + ε) · dγ / N )
//! ```
//!
//! Forward reads `x` twice: once for the statistics, once to apply them. Backward reads it twice
//! too. Rows are cut into chunks of a fixed size; each is summed in f32, around a mean of its own
//! for the variance, and the chunks' sums are combined in order in f64. So the result does not
//! depend on the number of threads, and a large mean does not spoil the variance.

mod backward;
mod forward;
mod lines;

pub use backward::backward;
pub use forward::{apply, forward_train};

/// What a forward pass in training gives.
#[derive(Debug, Clone)]
pub struct Trained {
    /// The normalized images, `[pixels, channels]`.
    pub output: Vec<f32>,
    /// Mean of each channel.
    pub mean: Vec<f32>,
    /// Biased variance of each channel.
    pub variance: Vec<f32>,
}

/// What happens to each element once it is normalized, in this order.
#[derive(Debug, Clone, Copy, Default)]
pub struct Fused<'a> {
    /// Added, `[pixels, channels]`.
    pub residual: Option<&'a [f32]>,
    /// Whether what is below zero becomes zero.
    pub relu: bool,
}

/// What the backward pass needs of the forward pass.
#[derive(Debug, Clone, Copy)]
pub struct Saved<'a> {
    /// Input, `[pixels, channels]`.
    pub x: &'a [f32],
    /// Scale of each channel.
    pub gamma: &'a [f32],
    /// Shift of each channel.
    pub beta: &'a [f32],
    /// [`Trained::mean`].
    pub mean: &'a [f32],
    /// [`Trained::variance`].
    pub variance: &'a [f32],
    /// What was added to the variance.
    pub eps: f32,
    /// [`Fused::relu`].
    pub relu: bool,
    /// [`Trained::output`], exactly when there was a residual and a rectifier: its sign says where
    /// the gradient passes. Without a residual the sign is computed again from `x`.
    pub output: Option<&'a [f32]>,
}

/// Gradients of the loss.
#[derive(Debug, Clone)]
pub struct Gradients {
    /// Of the input, `[pixels, channels]`.
    pub x: Vec<f32>,
    /// Of the scale.
    pub gamma: Vec<f32>,
    /// Of the shift.
    pub beta: Vec<f32>,
    /// Of the residual, where it was asked for and is not `dy` itself.
    pub residual: Option<Vec<f32>>,
}

/// What the forward pass multiplies with and adds, each `[channels]`. Both passes call this, so that
/// they agree on the sign of what goes into the rectifier.
fn scale_and_shift(
    gamma: &[f32],
    beta: &[f32],
    mean: &[f32],
    variance: &[f32],
    eps: f32,
) -> (Vec<f32>, Vec<f32>) {
    let fold = |channel: usize| {
        let inverse = 1.0 / (f64::from(variance[channel]) + f64::from(eps)).sqrt();
        let scale = f64::from(gamma[channel]) * inverse;
        let shift = f64::from(beta[channel]) - f64::from(mean[channel]) * scale;
        (scale as f32, shift as f32)
    };
    (0..gamma.len()).map(fold).unzip()
}
