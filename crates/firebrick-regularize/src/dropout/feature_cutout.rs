//! Cutout of features: sets a square of each image to zero in all channels of a feature map.
//!
//! Source: DeVries and Taylor, "Improved Regularization of Convolutional Neural Networks with Cutout" (2017), whose square of
//! pixels it is, placed on features:
//!
//! ```text
//! training:    with probability prob, y = x · mask, a square of zeros around a place drawn uniformly, cut off at the border
//! evaluation:  y = x
//! ```
//!
//! Nothing is scaled, as in the paper.

use std::sync::Arc;

use burn::tensor::Tensor;
use firebrick_core::ConfigError;
use firebrick_core::about::{About, Field, Range};
use firebrick_core::random::HostRng;
use rand::RngExt;
use serde::{Deserialize, Serialize};

use super::mask::{generator, times};
use super::{DropoutUnit, Perturbation, What};

/// The name in spec strings.
pub const NAME: &str = "feature_cutout";

/// Configuration of the cutout of features.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FeatureCutoutConfig {
    /// Side of the square, in values of the feature map.
    pub size: usize,
    /// Probability of a square in an image, in [0, 1].
    pub prob: f64,
}

impl Default for FeatureCutoutConfig {
    fn default() -> Self {
        Self { size: 4, prob: 0.5 }
    }
}

impl DropoutUnit for FeatureCutoutConfig {
    const ABOUT: About = About::new(
        NAME,
        "sets a square of each image to zero in all channels of a feature map",
        &[
            Field::new("size", Range::Whole(1, 1024)),
            Field::new("prob", Range::Within(0.0, 1.0)),
        ],
    )
    .source("DeVries and Taylor 2017, \"Improved Regularization of Convolutional Neural Networks with Cutout\"");

    fn what(&self) -> Result<What, ConfigError> {
        Ok(What::Features(Arc::new(FeatureCutout(self.clone()))))
    }
}

#[derive(Debug)]
struct FeatureCutout(FeatureCutoutConfig);

impl Perturbation for FeatureCutout {
    fn train(&self, features: Tensor<4>) -> Tensor<4> {
        let FeatureCutoutConfig { size, prob } = self.0;
        if prob <= 0.0 {
            return features;
        }
        let [images, _, height, width] = features.dims();
        let mut rng = generator(&features.device());
        let centres: Vec<_> = (0..images)
            .map(|_| sample([height, width], prob, &mut rng))
            .collect();
        apply(features, &centres, size)
    }
}

/// The place around which the square of an image lies, `[row, column]`; none where it has no square. Three draws, whatever the
/// probability.
#[must_use]
pub fn sample(size: [usize; 2], prob: f64, rng: &mut HostRng) -> Option<[usize; 2]> {
    let cuts = rng.random::<f64>() < prob;
    let centre = size.map(|side| rng.random_range(0..side as u64) as usize);
    cuts.then_some(centre)
}

/// Zeroes the squares of side `size` around these places: from `size / 2` before one on, as far as the image goes.
///
/// # Shapes
/// `[N, C, H, W]` to the same; `centres` `[N]`.
#[must_use]
pub fn apply(features: Tensor<4>, centres: &[Option<[usize; 2]>], size: usize) -> Tensor<4> {
    let [images, _, height, width] = features.dims();
    let mut factors = vec![1.0; images * height * width];
    let span = |centre: usize, side: usize| {
        let first = centre as isize - (size / 2) as isize;
        let last = (first + size as isize).clamp(0, side as isize);
        first.max(0) as usize..last as usize
    };
    for (plane, centre) in factors.chunks_exact_mut(height * width).zip(centres) {
        let Some([row, column]) = *centre else {
            continue;
        };
        for row in span(row, height) {
            plane[row * width..][span(column, width)].fill(0.0);
        }
    }
    times(features, factors, [images, 1, height, width])
}

#[cfg(test)]
mod tests {
    use firebrick_core::random::rng;

    use super::*;
    use crate::dropout::tests::{SCOPE, training, values};

    #[test]
    fn draws_are_pinned() {
        let mut rng = rng(7, "layer", 3, 0);
        let draws: Vec<_> = (0..4).map(|_| sample([8, 5], 0.5, &mut rng)).collect();
        assert_eq!(draws, PINNED);
    }

    const PINNED: [Option<[usize; 2]>; 4] = [None, None, Some([2, 4]), None];

    #[test]
    fn the_square_is_cut_off_at_the_border() {
        let input = Tensor::<4>::ones([3, 2, 4, 5], &training("flex"));
        let output = values(&apply(input, &[Some([0, 4]), None, Some([2, 1])], 3));
        let plane = |image: usize, channel: usize| &output[(image * 2 + channel) * 20..][..20];
        let corner = [
            1., 1., 1., 0., 0., //
            1., 1., 1., 0., 0., //
            1., 1., 1., 1., 1., //
            1., 1., 1., 1., 1.,
        ];
        let middle = [
            1., 1., 1., 1., 1., //
            0., 0., 0., 1., 1., //
            0., 0., 0., 1., 1., //
            0., 0., 0., 1., 1.,
        ];
        for channel in 0..2 {
            assert_eq!(plane(0, channel), corner);
            assert_eq!(plane(1, channel), [1.0; 20]);
            assert_eq!(plane(2, channel), middle);
        }
    }

    #[test]
    fn squares_lie_anywhere_in_an_image_that_is_not_square() {
        let layer = FeatureCutoutConfig { size: 1, prob: 1.0 }.layer().unwrap();
        for [height, width] in [[2, 9], [9, 2]] {
            let input = Tensor::<4>::ones([400, 1, height, width], &training("flex"));
            let output = values(&SCOPE.enter(|| layer.forward(input)));
            let mut seen = vec![0; height * width];
            for plane in output.chunks(height * width) {
                let cut: Vec<usize> = (0..plane.len()).filter(|at| plane[*at] == 0.0).collect();
                assert_eq!(cut.len(), 1, "{height} × {width}: {cut:?}");
                seen[cut[0]] += 1;
            }
            assert!(seen.iter().all(|count| *count > 0), "{seen:?}");
        }
    }

    #[test]
    fn each_place_is_cut_as_often_as_it_should_be() {
        let (size, prob, side) = (3, 0.75, 6);
        let layer = FeatureCutoutConfig { size, prob }.layer().unwrap();
        let images = 20_000;
        let input = Tensor::<4>::ones([images, 1, side, side], &training("flex"));
        let output = values(&SCOPE.enter(|| layer.forward(input)));
        for at in 0..side * side {
            let near = |at: usize| {
                (0..side)
                    .filter(|centre: &usize| centre.abs_diff(at) <= 1)
                    .count()
            };
            let centres = near(at / side) * near(at % side);
            let expected = prob * centres as f64 / (side * side) as f64;
            let found = (0..images).filter(|image| output[image * side * side + at] == 0.0);
            let found = found.count() as f64 / images as f64;
            let error = (expected * (1.0 - expected) / images as f64).sqrt();
            assert!(
                (found - expected).abs() < 5.0 * error,
                "{at}: {found} {expected}"
            );
        }
    }
}
