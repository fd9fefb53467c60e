//! ShakeDrop: disturbs the residual branch, by another factor in the backward pass than in the forward one.
//!
//! Source: Yamada et al., "ShakeDrop Regularization for Deep Residual Learning", IEEE Access 7 (2019), equation 6:
//!
//! ```text
//! b ~ Bernoulli(1 - p),  α ~ U(alpha),  β ~ U(beta), for each image
//! forward in training:   y = (b + α - b·α) · x        that is x, or α·x with probability p
//! backward in training:  dx = (b + β - b·β) · dy
//! evaluation:            y = (1 - p + p · mean of alpha) · x
//! ```
//!
//! It belongs on the branch, before the sum, and after a batch norm. `alpha=[0, 0], beta=[0, 0]` is the stochastic depth of Huang et al.
//! (2016).

use std::sync::Arc;

use burn::tensor::Tensor;
use firebrick_core::ConfigError;
use firebrick_core::about::{About, Field, Range};
use firebrick_core::random::HostRng;
use rand::RngExt;
use serde::{Deserialize, Serialize};

use super::mask::{generator, times};
use super::probability::{KEEP, P, drop_probability};
use super::{DropoutUnit, Perturbation, What};

/// The name in spec strings.
pub const NAME: &str = "shake_drop";

/// Configuration of ShakeDrop.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ShakeDropConfig {
    /// Probability of disturbing a branch, in [0, 1]. The paper has it rise from block to block, as
    /// [`drop_path_rates`](super::drop_path_rates) does.
    pub p: f64,
    /// 1 - p, in place of `p`.
    pub keep: Option<f64>,
    /// The range of the forward factor.
    pub alpha: [f64; 2],
    /// The range of the backward factor.
    pub beta: [f64; 2],
}

impl Default for ShakeDropConfig {
    fn default() -> Self {
        Self {
            p: 0.5,
            keep: None,
            alpha: [-1.0, 1.0],
            beta: [0.0, 1.0],
        }
    }
}

impl DropoutUnit for ShakeDropConfig {
    const ABOUT: About = About::new(
        NAME,
        "multiplies the residual branch by random factors that differ between the forward and the backward pass",
        &[
            P,
            KEEP,
            Field::new("alpha", Range::Each(&Range::Within(-10.0, 10.0))),
            Field::new("beta", Range::Each(&Range::Within(-10.0, 10.0))),
        ],
    )
    .source("Yamada et al. 2019, \"ShakeDrop Regularization for Deep Residual Learning\"");

    fn what(&self) -> Result<What, ConfigError> {
        for (field, [low, high]) in [("alpha", self.alpha), ("beta", self.beta)] {
            if low > high {
                return Err(ConfigError::Conflict(format!(
                    "{NAME}: {field} = [{low}, {high}] has its ends the wrong way round: write [{high}, {low}]"
                )));
            }
        }
        Ok(What::Features(Arc::new(ShakeDrop {
            p: drop_probability(NAME, self.p, Self::default().p, self.keep)?,
            alpha: self.alpha,
            beta: self.beta,
        })))
    }
}

#[derive(Debug)]
struct ShakeDrop {
    p: f64,
    alpha: [f64; 2],
    beta: [f64; 2],
}

impl Perturbation for ShakeDrop {
    fn train(&self, features: Tensor<4>) -> Tensor<4> {
        if self.p <= 0.0 {
            return features;
        }
        let mut rng = generator(&features.device());
        let [images, ..] = features.dims();
        let factors = (0..images).map(|_| sample(self.p, self.alpha, self.beta, &mut rng));
        apply(features, &factors.collect::<Vec<_>>())
    }

    fn evaluate(&self, features: Tensor<4>) -> Tensor<4> {
        if self.p <= 0.0 {
            return features;
        }
        let [low, high] = self.alpha;
        let factor = 1.0 - self.p + self.p * (low + high) / 2.0;
        times(features, vec![factor], [1; 4])
    }
}

/// The factors of an image, forward and backward. Three draws, whatever the probability.
#[must_use]
pub fn sample(p: f64, alpha: [f64; 2], beta: [f64; 2], rng: &mut HostRng) -> [f64; 2] {
    let keeps = rng.random::<f64>() >= p;
    let factors = [alpha, beta].map(|[low, high]| low + rng.random::<f64>() * (high - low));
    if keeps { [1.0; 2] } else { factors }
}

/// Multiplies the branch of each image by the first of its factors, and its gradient by the second.
///
/// # Shapes
/// `[N, C, H, W]` to the same; `factors` `[N]`.
#[must_use]
pub fn apply(branch: Tensor<4>, factors: &[[f64; 2]]) -> Tensor<4> {
    let shape = [factors.len(), 1, 1, 1];
    let column = |at: usize| factors.iter().map(|pair| pair[at]).collect();
    let value = times(branch.clone().detach(), column(0), shape);
    // Zero, with the gradient of the second factor.
    let backward = times(branch, column(1), shape);
    value + (backward.clone() - backward.detach())
}

#[cfg(test)]
mod tests {
    use firebrick_core::random::rng;

    use super::*;
    use crate::dropout::tests::{normal, values};

    #[test]
    fn draws_are_pinned() {
        let mut rng = rng(7, "layer", 3, 0);
        let draws: Vec<_> = (0..3)
            .map(|_| sample(0.5, [-1.0, 1.0], [0.0, 1.0], &mut rng))
            .collect();
        for (found, expected) in draws.iter().flatten().zip(PINNED.iter().flatten()) {
            assert!((found - expected).abs() < 1e-12, "{draws:?}");
        }
    }

    const PINNED: [[f64; 2]; 3] = [
        [1.0, 1.0],
        [1.0, 1.0],
        [-0.284_541_948_927_214_74, 0.808_327_347_550_07],
    ];

    #[test]
    fn forward_and_backward_have_their_own_factors() {
        let factors = [[-0.75, 0.25], [1.0, 1.0], [0.0, 0.5]];
        let branch = normal([3, 2, 4, 5]).require_grad();
        let output = apply(branch.clone(), &factors);
        let gradients = (output.clone() * 3.0).sum().backward();
        let gradient = values(&branch.grad(&gradients).unwrap());
        let (output, branch) = (values(&output), values(&branch));
        for at in 0..120 {
            let [forward, backward] = factors[at / 40];
            assert_eq!(output[at], branch[at] * forward as f32);
            assert_eq!(gradient[at], 3.0 * backward as f32);
        }
    }

    #[test]
    fn evaluation_has_the_mean_factor() {
        for (p, alpha) in [(0.5, [-1.0, 1.0]), (0.2, [0.0, 1.0]), (1.0, [0.25, 0.5])] {
            let mut rng = rng(1, "layer", 0, 0);
            let draws: Vec<f64> = (0..100_000)
                .map(|_| sample(p, alpha, alpha, &mut rng)[0])
                .collect();
            let count = draws.len() as f64;
            let mean = draws.iter().sum::<f64>() / count;
            let variance = draws.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / count;
            let config = ShakeDropConfig {
                p,
                alpha,
                keep: None,
                beta: alpha,
            };
            let ones = Tensor::<4>::ones([1; 4], &firebrick_core::device("flex").unwrap());
            let evaluation = f64::from(values(&config.layer().unwrap().forward(ones))[0]);
            assert!(
                (mean - evaluation).abs() < 5.0 * (variance / count).sqrt() + 1e-7,
                "{mean} {evaluation}"
            );
        }
    }

    #[test]
    fn a_range_the_wrong_way_round_is_named() {
        let config = ShakeDropConfig {
            beta: [1.0, 0.0],
            ..ShakeDropConfig::default()
        };
        let error = config.layer().unwrap_err().to_string();
        assert!(
            error.contains("beta = [1, 0]") && error.contains("[0, 1]"),
            "{error}"
        );
    }
}
