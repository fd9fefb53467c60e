//! Vanilla dropout: drops elements in training, and scales all of them down in evaluation.
//!
//! Source: Hinton et al., "Improving neural networks by preventing co-adaptation of feature detectors" (2012), and
//! Srivastava et al., "Dropout", JMLR 15 (2014), section 4, where `1 - p` is called p:
//!
//! ```text
//! training:    y = x · mask,     each element of mask 0 with probability p, else 1
//! evaluation:  y = x · (1 - p)
//! ```
//!
//! The mean of `y` over all masks is what evaluation gives. [`dropout`](super::inverted) moves the scaling into
//! training instead, so that evaluation costs nothing.

use std::sync::Arc;

use burn::tensor::Tensor;
use firebrick_core::ConfigError;
use firebrick_core::about::About;
use firebrick_core::kernels::keep_mask;
use serde::{Deserialize, Serialize};

use super::mask::{generator, key, times, zeroed};
use super::probability::{KEEP, P, drop_probability};
use super::{DropoutUnit, Perturbation, What};

/// The name in spec strings.
pub const NAME: &str = "vanilla_dropout";

/// Configuration of vanilla dropout.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VanillaDropoutConfig {
    /// Probability of dropping an element, in [0, 1].
    pub p: f64,
    /// 1 - p, in place of `p`.
    pub keep: Option<f64>,
}

impl Default for VanillaDropoutConfig {
    fn default() -> Self {
        Self { p: 0.5, keep: None }
    }
}

impl DropoutUnit for VanillaDropoutConfig {
    const ABOUT: About = About::new(
        NAME,
        "drops values in training and scales all of them by 1 - p in evaluation",
        &[P, KEEP],
    )
    .source("Hinton et al. 2012, \"Improving neural networks by preventing co-adaptation of feature detectors\"");

    fn what(&self) -> Result<What, ConfigError> {
        let p = drop_probability(NAME, self.p, Self::default().p, self.keep)?;
        Ok(What::Features(Arc::new(Vanilla(p))))
    }
}

/// The probability of dropping.
#[derive(Debug)]
struct Vanilla(f64);

impl Perturbation for Vanilla {
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
        features * mask
    }

    fn evaluate(&self, features: Tensor<4>) -> Tensor<4> {
        if self.0 <= 0.0 {
            return features;
        }
        if self.0 >= 1.0 {
            return zeroed(features);
        }
        times(features, vec![1.0 - self.0], [1; 4])
    }

    fn shifts_variance(&self) -> bool {
        self.0 > 0.0
    }
}

#[cfg(test)]
mod tests {
    use firebrick_core::random::StepScope;

    use super::*;
    use crate::dropout::tests::{training, values};

    /// The lecture's neuron, a = w₁x + w₂y: its two inputs make four masks, each with probability 1/4 at p = 1/2.
    #[test]
    fn the_mean_over_the_four_masks_of_a_neuron_is_what_scaling_gives() {
        let layer = VanillaDropoutConfig::default().layer().unwrap();
        let inputs = Tensor::<2>::from_floats([[3.0, -5.0]], &training("flex"));
        let weights = Tensor::<2>::from_floats([[0.75], [0.25]], &training("flex"));
        let neuron = |inputs: Tensor<2>| values(&layer.forward(inputs).matmul(weights.clone()))[0];
        let mut seen: Vec<(Vec<bool>, f32)> = Vec::new();
        for step in 0..64 {
            let scope = StepScope {
                step,
                ..StepScope::default()
            };
            let mask = scope.enter(|| values(&layer.forward(inputs.ones_like())));
            let mask: Vec<bool> = mask.iter().map(|kept| *kept > 0.0).collect();
            let output = scope.enter(|| neuron(inputs.clone()));
            if seen.iter().all(|(known, _)| *known != mask) {
                seen.push((mask, output));
            }
        }
        let mut outputs: Vec<f32> = seen.iter().map(|(_, output)| *output).collect();
        outputs.sort_by(f32::total_cmp);
        assert_eq!(outputs, [-1.25, 0.0, 1.0, 2.25], "0, w₁x, w₂y and both");
        let mean = outputs.iter().sum::<f32>() / 4.0;
        let evaluation = layer
            .forward(inputs.clone().inner())
            .matmul(weights.inner());
        assert_eq!(values(&evaluation), [mean]);
        assert_eq!(mean, 0.5 * (0.75 * 3.0 + 0.25 * -5.0));
    }
}
