//! `pca_noise`: shifts all colours of an image along the directions in which colours vary; the lighting noise of
//! AlexNet.
//!
//! Paper: Krizhevsky, Sutskever, Hinton 2012, "ImageNet Classification with Deep Convolutional Neural Networks",
//! section 4.1.

use firebrick_core::about::{About, Field, Range};
use firebrick_core::data::Subject;
use firebrick_core::image::{Image, Size};
use firebrick_core::random::HostRng;
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};

use super::augmentation::Augmentation;
use super::table::{replace_each, table};

/// Configuration of `pca_noise`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PcaNoise {
    /// Standard deviation of the factor with which each direction is scaled.
    pub std: f64,
    /// The variance of the colours of the data set along each direction, for values in [0, 1]. ImageNet's by default;
    /// `firebrick datasets stats` prints those of a data set.
    pub eigenvalues: [f64; 3],
    /// The directions, each as red, green and blue.
    pub eigenvectors: [[f64; 3]; 3],
}

impl Default for PcaNoise {
    fn default() -> Self {
        Self {
            std: 0.1,
            eigenvalues: [0.2175, 0.0188, 0.0045],
            eigenvectors: [
                [-0.5675, -0.5808, -0.5836],
                [0.7192, -0.0045, -0.6948],
                [0.4009, -0.8140, 0.4203],
            ],
        }
    }
}

/// What [`PcaNoise`] drew.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PcaNoiseParams {
    /// What is added to red, green and blue, as a share of full intensity.
    pub shift: [f64; 3],
}

impl Augmentation for PcaNoise {
    const ABOUT: About = About::new(
        "pca_noise",
        "shifts all colours of the image along their principal components",
        &[
            Field::new("std", Range::NotNegative),
            Field::new("eigenvalues", Range::Each(&Range::NotNegative)),
            Field::new(
                "eigenvectors",
                Range::Each(&Range::Each(&Range::Within(-1.0, 1.0))),
            ),
        ],
    )
    .source("Krizhevsky, Sutskever, Hinton 2012, section 4.1; the eigenvectors: Torch's fb.resnet");
    type Params = PcaNoiseParams;

    fn sample(&self, _: Size, _: &Subject, rng: &mut HostRng) -> PcaNoiseParams {
        let factor = |_| {
            let normal: f64 = StandardNormal.sample(rng);
            self.std * normal
        };
        let factors = [0, 1, 2].map(factor);
        PcaNoiseParams {
            shift: self.along(factors),
        }
    }

    fn apply(&self, mut image: Image, params: &PcaNoiseParams) -> Image {
        shift(&mut image, params.shift.map(|share| 255.0 * share));
        image
    }
}

impl PcaNoise {
    /// What is added to red, green and blue where each direction is scaled by its factor.
    pub(super) fn along(&self, factors: [f64; 3]) -> [f64; 3] {
        let mut shift = [0.0; 3];
        let directions = self.eigenvalues.iter().zip(&self.eigenvectors);
        for (factor, (value, vector)) in factors.iter().zip(directions) {
            for (shift, part) in shift.iter_mut().zip(vector) {
                *shift += factor * value * part;
            }
        }
        shift
    }
}

/// Adds a number of levels to each channel, cut off at both ends and rounded. A grey image stays as it is.
pub fn shift(image: &mut Image, levels: [f64; 3]) {
    if image.channels == 3 {
        replace_each(image, |channel| {
            table(|value| (f64::from(value) + levels[channel]).round() as u8)
        });
    }
}
