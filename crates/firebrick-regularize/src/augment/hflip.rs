//! `hflip`: flips the image left to right with a given probability; torchvision's `RandomHorizontalFlip`.

use firebrick_core::ConfigError;
use firebrick_core::about::{About, Field, Range};
use firebrick_core::data::{Image, SampleTransform};
use firebrick_core::random::HostRng;
use firebrick_core::spec::Spec;
use rand::RngExt;
use serde::{Deserialize, Serialize};

use super::augmentation::Augmentation;

/// The name in spec strings.
pub const NAME: &str = "hflip";

/// Configuration of [`Hflip`]. Not for classes that differ by handedness, such as digits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HflipConfig {
    /// Probability of mirroring, in [0, 1].
    pub prob: f64,
}

impl Default for HflipConfig {
    fn default() -> Self {
        Self { prob: 0.5 }
    }
}

impl HflipConfig {
    /// The transform.
    ///
    /// # Errors
    /// [`ConfigError::OutOfRange`] when `prob` is not in [0, 1].
    pub fn build(&self) -> Result<Hflip, ConfigError> {
        Self::ABOUT.check(self)?;
        Ok(Hflip(self.clone()))
    }
}

impl Augmentation for HflipConfig {
    const ABOUT: About = About::new(
        NAME,
        "flips the image left to right with a given probability",
        &[Field::new("prob", Range::Within(0.0, 1.0))],
    )
    .source("torchvision's RandomHorizontalFlip");

    fn transform(&self) -> Result<Box<dyn SampleTransform>, ConfigError> {
        Ok(Box::new(self.build()?))
    }
}

/// Mirrors left and right with a probability.
#[derive(Debug, Clone, PartialEq)]
pub struct Hflip(HflipConfig);

/// What [`Hflip`] drew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HflipParams {
    /// Whether to mirror.
    pub flip: bool,
}

impl Hflip {
    /// Draws; one number, whatever the probability.
    #[must_use]
    pub fn sample(&self, rng: &mut HostRng) -> HflipParams {
        HflipParams {
            flip: rng.random::<f64>() < self.0.prob,
        }
    }
}

/// Mirrors the image if `params` say so.
#[must_use]
pub fn apply(mut image: Image, params: &HflipParams) -> Image {
    if !params.flip || image.pixels.is_empty() {
        return image;
    }
    let channels = image.channels;
    for row in image.pixels.chunks_exact_mut(image.width * channels) {
        // Reversing the whole row also reverses the channels of each pixel; that is put right.
        row.reverse();
        row.chunks_exact_mut(channels).for_each(<[u8]>::reverse);
    }
    image
}

impl SampleTransform for Hflip {
    fn apply(&self, image: Image, rng: &mut HostRng) -> Image {
        let params = self.sample(rng);
        apply(image, &params)
    }

    fn spec(&self) -> Spec {
        Spec::canonical(NAME, &self.0)
    }
}

#[cfg(test)]
mod tests {
    use firebrick_core::random::rng;
    use proptest::prelude::*;

    use super::*;
    use crate::augment::tests::image;

    const FLIP: HflipParams = HflipParams { flip: true };

    #[test]
    fn draws_are_pinned() {
        let flip = HflipConfig::default().build().unwrap();
        let mut rng = rng(42, "augment", 1, 2);
        let draws: Vec<_> = (0..16)
            .map(|_| u8::from(flip.sample(&mut rng).flip))
            .collect();
        assert_eq!(draws, [1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 1, 0, 0, 0, 1]);
    }

    #[test]
    fn the_share_of_flips_is_prob() {
        for prob in [0.0, 0.2, 1.0] {
            let flip = HflipConfig { prob }.build().unwrap();
            let mut rng = rng(1, "augment", 0, 0);
            let flips = (0..10_000).filter(|_| flip.sample(&mut rng).flip).count();
            let share = flips as f64 / 10_000.0;
            assert!((share - prob).abs() <= 5.0 * (prob * (1.0 - prob) / 10_000.0).sqrt());
        }
    }

    #[test]
    fn pixels_move_and_channels_stay() {
        let image = Image {
            width: 2,
            height: 2,
            channels: 3,
            pixels: (1..=12).collect(),
        };
        let flipped = apply(image.clone(), &FLIP);
        assert_eq!(flipped.pixels, [4, 5, 6, 1, 2, 3, 10, 11, 12, 7, 8, 9]);
        assert_eq!(apply(image.clone(), &HflipParams { flip: false }), image);
        let empty = Image::black(0, 3, 3);
        assert_eq!(apply(empty.clone(), &FLIP), empty);
    }

    proptest! {
        #[test]
        fn twice_is_the_identity(image in image()) {
            prop_assert_eq!(apply(apply(image.clone(), &FLIP), &FLIP), image);
        }
    }
}
