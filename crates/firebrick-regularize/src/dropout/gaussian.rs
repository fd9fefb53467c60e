//! Gaussian dropout: multiplies by normal noise with mean 1.
//!
//! Source: Srivastava et al., "Dropout", JMLR 15 (2014), section 10; Keras' `GaussianDropout`:
//!
//! ```text
//! training:    y = x · (1 + σ·n),  n ~ N(0, 1),  σ = √(p / (1 - p))
//! evaluation:  y = x
//! ```
//!
//! Mean and variance of the factor are those of inverted dropout with the same `p`. Where its noise would be infinite, at
//! `p = 1`, it gives zeros.

use std::sync::Arc;

use burn::tensor::Tensor;
use firebrick_core::ConfigError;
use firebrick_core::about::About;
use firebrick_core::random::HostRng;
use rand::RngExt;
use rand_distr::StandardNormal;
use serde::{Deserialize, Serialize};

use super::mask::{generator, times, zeroed};
use super::probability::{KEEP, P, drop_probability};
use super::{DropoutUnit, Perturbation, What};

/// The name in spec strings.
pub const NAME: &str = "gaussian_dropout";

/// Configuration of Gaussian dropout.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GaussianDropoutConfig {
    /// The drop probability of the dropout whose noise it has, in [0, 1].
    pub p: f64,
    /// 1 - p, in place of `p`.
    pub keep: Option<f64>,
}

impl Default for GaussianDropoutConfig {
    fn default() -> Self {
        Self { p: 0.5, keep: None }
    }
}

impl DropoutUnit for GaussianDropoutConfig {
    const ABOUT: About = About::new(
        NAME,
        "multiplies by Gaussian noise of mean 1 and variance p / (1 - p)",
        &[P, KEEP],
    )
    .source("Srivastava et al. 2014, \"Dropout\", section 10; Keras' GaussianDropout");

    fn what(&self) -> Result<What, ConfigError> {
        let p = drop_probability(NAME, self.p, Self::default().p, self.keep)?;
        Ok(What::Features(Arc::new(Gaussian(p))))
    }
}

/// The drop probability of the dropout with the same noise.
#[derive(Debug)]
struct Gaussian(f64);

impl Perturbation for Gaussian {
    fn train(&self, features: Tensor<4>) -> Tensor<4> {
        if self.0 <= 0.0 {
            return features;
        }
        if self.0 >= 1.0 {
            return zeroed(features);
        }
        let shape = features.dims();
        let mut rng = generator(&features.device());
        let factors = sample(shape.iter().product(), self.0, &mut rng);
        times(features, factors, shape)
    }

    fn shifts_variance(&self) -> bool {
        self.0 > 0.0
    }
}

/// A factor for each of `count` elements; `p` in [0, 1).
#[must_use]
pub fn sample(count: usize, p: f64, rng: &mut HostRng) -> Vec<f64> {
    let deviation = (p / (1.0 - p)).sqrt();
    let factor = |_| 1.0 + deviation * rng.sample::<f64, _>(StandardNormal);
    (0..count).map(factor).collect()
}

#[cfg(test)]
mod tests {
    use firebrick_core::random::rng;

    use super::*;

    #[test]
    fn draws_are_pinned() {
        let draws = sample(3, 0.5, &mut rng(7, "layer", 3, 0));
        let expected = PINNED;
        for (found, expected) in draws.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-12, "{draws:?}");
        }
    }

    const PINNED: [f64; 3] = [
        1.097_967_113_242_701_1,
        1.306_050_198_245_599_4,
        1.455_043_377_777_916_8,
    ];

    #[test]
    fn mean_and_variance_are_those_of_dropout() {
        for p in [0.1, 0.5, 0.8] {
            let factors = sample(100_000, p, &mut rng(1, "layer", 0, 0));
            let count = factors.len() as f64;
            let mean = factors.iter().sum::<f64>() / count;
            let variance = factors.iter().map(|f| (f - mean).powi(2)).sum::<f64>() / count;
            let wanted = p / (1.0 - p);
            let error = (wanted / count).sqrt();
            assert!((mean - 1.0).abs() < 5.0 * error, "{p}: {mean}");
            // The standard error of a normal sample's variance.
            let error = wanted * (2.0 / count).sqrt();
            assert!((variance - wanted).abs() < 5.0 * error, "{p}: {variance}");
        }
    }
}
