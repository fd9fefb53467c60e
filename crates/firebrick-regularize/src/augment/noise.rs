//! `noise`: adds Gaussian noise to every value; torchvision's `GaussianNoise`.
//!
//! Differs from torchvision: values are rounded, not cut off towards zero, so that the noise has the mean 0 and keeps
//! its deviation.

use firebrick_core::ConfigError;
use firebrick_core::about::{About, Field, Range};
use firebrick_core::data::Subject;
use firebrick_core::image::{Image, Size};
use firebrick_core::random::{self, HostRng};
use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};

use super::augmentation::Augmentation;
use super::interval::Interval;

/// Configuration of `noise`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Noise {
    /// Standard deviation of the noise as a share of full intensity; `[low, high]` is drawn from.
    pub std: Interval,
}

impl Default for Noise {
    fn default() -> Self {
        Self {
            std: Interval::of(0.1),
        }
    }
}

/// What [`Noise`] drew.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct NoiseParams {
    /// Standard deviation as a share of full intensity.
    pub std: f64,
    /// From which the noise of each pixel follows.
    pub seed: u32,
}

impl Augmentation for Noise {
    const ABOUT: About = About::new(
        "noise",
        "adds Gaussian noise to every value",
        &[Field::new("std", Range::Within(0.0, 10.0))],
    )
    .source("torchvision's GaussianNoise");
    type Params = NoiseParams;

    fn check(&self) -> Result<(), ConfigError> {
        self.std.check("noise", "std")
    }

    fn sample(&self, _: Size, _: &Subject, rng: &mut HostRng) -> NoiseParams {
        NoiseParams {
            std: self.std.fixed().draw(rng),
            seed: rng.random(),
        }
    }

    fn apply(&self, mut image: Image, params: &NoiseParams) -> Image {
        noise(&mut image, params.std, params.seed);
        image
    }
}

/// Adds noise of standard deviation `std` (a share of full intensity) to every value, rounded and cut off at both ends.
/// The noise is a function of `seed`.
pub fn noise(image: &mut Image, std: f64, seed: u32) {
    let mut rng = random::rng(u64::from(seed), "noise", 0, 0);
    add(&mut image.pixels, std, || StandardNormal.sample(&mut rng));
}

/// Adds `std` times a number of its own to every value; `normal` gives these numbers.
pub(super) fn add(pixels: &mut [u8], std: f64, mut normal: impl FnMut() -> f32) {
    let levels = (255.0 * std) as f32;
    for value in pixels {
        *value = (f32::from(*value) + levels * normal()).round() as u8;
    }
}
