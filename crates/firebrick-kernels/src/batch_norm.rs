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
mod scale;

pub use backward::{Gradients, Saved, backward};
pub use forward::{Fused, Trained, apply, forward_train};
