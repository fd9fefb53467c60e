//! Batch norm over channels-last rows, with the residual sum and the activation fused into it.
//!
//! Source: Ioffe and Szegedy, "Batch Normalization", ICML 2015; the gradient in two passes as every
//! library has it. With N rows, μ and σ² the mean and the biased variance of a channel, and g the
//! gradient with respect to what the activation a reads:
//!
//! ```text
//! y  = a?( x · scale + shift + residual? )       scale = γ / √(σ² + ε),  shift = β - μ · scale
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
mod scale;

use crate::activation::Activation;

/// Whether an activation is computed in the same pass: those that follow batch norm in the networks of today. Others are a
/// pass of their own.
#[must_use]
pub const fn fuses(activation: Activation) -> bool {
    matches!(
        activation,
        Activation::Relu | Activation::Relu6 | Activation::Hardswish | Activation::Silu
    )
}

/// As `with_function`, of those that are fused.
macro_rules! with_fused {
    ($activation:expr, |$function:ident| $work:expr) => {{
        use crate::activation::function::{Hardswish, Relu, Relu6, Silu};
        match $activation {
            Activation::Relu => {
                let $function = Relu;
                $work
            }
            Activation::Relu6 => {
                let $function = Relu6;
                $work
            }
            Activation::Hardswish => {
                let $function = Hardswish;
                $work
            }
            Activation::Silu => {
                let $function = Silu;
                $work
            }
            other => panic!("batch norm: {other:?} is not fused"),
        }
    }};
}
use with_fused;

pub use backward::{Gradients, Saved, backward};
pub use forward::{Fused, Trained, apply, forward_train};
