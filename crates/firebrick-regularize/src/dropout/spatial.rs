//! Spatial dropout: drops whole channels.
//!
//! Source: Tompson et al., "Efficient Object Localization Using Convolutional Networks", CVPR 2015; PyTorch's
//! `Dropout1d`, `Dropout2d` and `Dropout3d`, which it is by the rank of its input:
//!
//! ```text
//! training:    y[n, c, …] = x[n, c, …] · mask[n, c] / (1 - p)
//! evaluation:  y = x
//! ```
//!
//! Neighbouring values of a channel are so alike that dropping single ones takes little away; a channel is gone for
//! good. Of vectors `[N, C]` it drops single values.

use std::sync::Arc;

use burn::tensor::Tensor;
use firebrick_core::ConfigError;
use firebrick_core::about::About;
use serde::{Deserialize, Serialize};

use super::mask::{generator, kept, times, zeroed};
use super::probability::{KEEP, P, drop_probability};
use super::{DropoutUnit, Perturbation, What};

/// The name in spec strings.
pub const NAME: &str = "spatial_dropout";

/// Configuration of spatial dropout.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SpatialDropoutConfig {
    /// Probability of dropping a channel of an image, in [0, 1].
    pub p: f64,
    /// 1 - p, in place of `p`.
    pub keep: Option<f64>,
}

impl Default for SpatialDropoutConfig {
    fn default() -> Self {
        Self { p: 0.5, keep: None }
    }
}

impl DropoutUnit for SpatialDropoutConfig {
    const ABOUT: About = About {
        aliases: &["dropout1d", "dropout2d", "channel_dropout"],
        ..About::new(
            NAME,
            "drops whole channels in training and scales up the others",
            &[P, KEEP],
        )
        .source("Tompson et al. 2015, \"Efficient Object Localization Using Convolutional Networks\"; PyTorch's Dropout1d and Dropout2d")
    };

    fn what(&self) -> Result<What, ConfigError> {
        let p = drop_probability(NAME, self.p, Self::default().p, self.keep)?;
        Ok(What::Features(Arc::new(Spatial(p))))
    }
}

/// The probability of dropping.
#[derive(Debug)]
struct Spatial(f64);

impl Perturbation for Spatial {
    fn train(&self, features: Tensor<4>) -> Tensor<4> {
        if self.0 <= 0.0 {
            return features;
        }
        if self.0 >= 1.0 {
            return zeroed(features);
        }
        let [images, channels, ..] = features.dims();
        let keep = 1.0 - self.0;
        let kept = kept(images * channels, keep, &mut generator(&features.device()));
        let factors = kept.iter().map(|kept| if *kept { 1.0 / keep } else { 0.0 });
        times(features, factors.collect(), [images, channels, 1, 1])
    }

    fn shifts_variance(&self) -> bool {
        self.0 > 0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dropout::tests::{SCOPE, ones, training, values};

    #[test]
    fn a_channel_is_dropped_as_a_whole_whatever_the_rank() {
        let layer = SpatialDropoutConfig {
            p: 0.25,
            keep: None,
        }
        .layer()
        .unwrap();
        let whole = SCOPE.enter(|| layer.forward(ones("flex")));
        let whole = values(&whole);
        for channel in whole.chunks(400) {
            assert!(channel.iter().all(|value| *value == channel[0]));
            assert!(channel[0] == 0.0 || channel[0] == 4.0 / 3.0);
        }
        let firsts: Vec<f32> = whole.iter().step_by(400).copied().collect();
        let sequences = Tensor::<3>::ones([8, 4, 5], &training("flex"));
        let sequences = values(&SCOPE.enter(|| layer.forward(sequences)));
        let vectors = Tensor::<2>::ones([8, 4], &training("flex"));
        let vectors = values(&SCOPE.enter(|| layer.forward(vectors)));
        assert_eq!(vectors, firsts);
        let of_sequences: Vec<f32> = sequences.iter().step_by(5).copied().collect();
        assert_eq!(of_sequences, firsts);
        let dropped = firsts.iter().filter(|value| **value == 0.0).count();
        assert!((1..16).contains(&dropped), "{dropped} of 32");
    }
}
