//! Alpha dropout: drops values to the lower end of SELU, and keeps mean and variance.
//!
//! Source: Klambauer et al., "Self-Normalizing Neural Networks", NIPS 2017; PyTorch's `AlphaDropout`:
//!
//! ```text
//! α = 1.7580993408473766 (SELU's λ·α),  a = 1 / √((1 - p)(1 + p·α²)),  b = a·α·p
//! training:    y = a·x + b where an element stays (probability 1 - p),  y = b - a·α elsewhere
//! evaluation:  y = x
//! ```
//!
//! For inputs of mean 0 and variance 1, the output has mean 0 and variance 1 as well. As in PyTorch, `p = 1` gives zeros.

use std::sync::Arc;

use burn::tensor::{Tensor, TensorData};
use firebrick_core::ConfigError;
use firebrick_core::about::About;
use firebrick_core::kernels::keep_mask;
use serde::{Deserialize, Serialize};

use super::mask::{generator, key, zeroed};
use super::probability::{KEEP, P, drop_probability};
use super::{DropoutUnit, Perturbation, What};

/// The name in spec strings.
pub const NAME: &str = "alpha_dropout";

/// The negative of SELU's lower end.
const ALPHA: f64 = 1.758_099_340_847_376_6;

/// Configuration of alpha dropout.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AlphaDropoutConfig {
    /// Probability of dropping an element, in [0, 1].
    pub p: f64,
    /// 1 - p, in place of `p`.
    pub keep: Option<f64>,
}

impl Default for AlphaDropoutConfig {
    fn default() -> Self {
        Self { p: 0.5, keep: None }
    }
}

impl DropoutUnit for AlphaDropoutConfig {
    const ABOUT: About = About::new(
        NAME,
        "sets values to SELU's negative limit; the mean and the variance stay the same",
        &[P, KEEP],
    )
    .source("Klambauer et al. 2017, \"Self-Normalizing Neural Networks\"; PyTorch's AlphaDropout");

    fn what(&self) -> Result<What, ConfigError> {
        let p = drop_probability(NAME, self.p, Self::default().p, self.keep)?;
        Ok(What::Features(Arc::new(Alpha(p))))
    }
}

/// The probability of dropping.
#[derive(Debug)]
struct Alpha(f64);

impl Perturbation for Alpha {
    fn train(&self, features: Tensor<4>) -> Tensor<4> {
        if self.0 <= 0.0 {
            return features;
        }
        if self.0 >= 1.0 {
            return zeroed(features);
        }
        let mask = keep_mask(
            &features,
            1.0 - self.0,
            key(&mut generator(&features.device())),
        );
        apply(features, mask, self.0)
    }
}

/// Drops the elements whose `mask` is 0; it is 1 for those that stay.
///
/// # Shapes
/// Both the same; `p` in (0, 1).
#[must_use]
pub fn apply(features: Tensor<4>, mask: Tensor<4>, p: f64) -> Tensor<4> {
    let scale = 1.0 / ((1.0 - p) * (1.0 + p * ALPHA * ALPHA)).sqrt();
    let number = |value: f64| {
        let data = TensorData::new(vec![value], [1; 4]);
        Tensor::<4>::from_data(data, (&features.device(), features.dtype()))
    };
    // a·x·m + a·α·m + (b - a·α)
    let (scale, up, down) = (
        number(scale),
        number(scale * ALPHA),
        number(scale * ALPHA * (p - 1.0)),
    );
    features * (mask.clone() * scale) + (mask * up + down)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dropout::tests::{SCOPE, normal, values};

    #[test]
    fn mean_and_variance_stay() {
        for p in [0.1, 0.5] {
            let layer = AlphaDropoutConfig { p, keep: None }.layer().unwrap();
            let input = normal([16, 8, 20, 20]);
            let output = values(&SCOPE.enter(|| layer.forward(input)));
            let count = output.len() as f64;
            let mean = output.iter().map(|v| f64::from(*v)).sum::<f64>() / count;
            let square = output.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>() / count;
            // Five standard errors of the mean; the fourth moment is below 5.
            assert!(mean.abs() < 5.0 / count.sqrt(), "{p}: {mean}");
            assert!((square - 1.0).abs() < 10.0 / count.sqrt(), "{p}: {square}");
        }
    }
}
