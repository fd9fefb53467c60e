//! `posterize`: keeps only the upper bits of every value; torchvision's `RandomPosterize`, bit for bit.

use firebrick_core::ConfigError;
use firebrick_core::about::{About, Field, Range};
use firebrick_core::data::Subject;
use firebrick_core::image::{Image, Size};
use firebrick_core::random::HostRng;
use rand::RngExt;
use serde::{Deserialize, Serialize};

use super::augmentation::Augmentation;
use super::interval::Interval;

/// Configuration of `posterize`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Posterize {
    /// Bits to keep, 1 to 8; `[low, high]` is drawn from, both ends included.
    pub bits: Interval,
}

impl Default for Posterize {
    fn default() -> Self {
        Self {
            bits: Interval::of(4.0),
        }
    }
}

/// What [`Posterize`] drew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PosterizeParams {
    /// Bits that are kept.
    pub bits: u32,
}

const BITS: Range = Range::Whole(1, 8);

impl Augmentation for Posterize {
    const ABOUT: About = About::new(
        "posterize",
        "keeps only the upper bits of every value",
        &[Field::new("bits", BITS)],
    )
    .source("torchvision's RandomPosterize; Pillow's ImageOps.posterize");
    const PROB: f64 = 0.5;
    const PROB_FIRST: bool = false;
    type Params = PosterizeParams;

    fn check(&self) -> Result<(), ConfigError> {
        let ends = self.bits.fixed().ends();
        if let Some(part) = ends.iter().find(|bits| bits.fract() != 0.0) {
            let range = BITS.to_string();
            return Err(ConfigError::out_of_range("posterize", "bits", part, range));
        }
        self.bits.check("posterize", "bits")
    }

    fn sample(&self, _: Size, _: &Subject, rng: &mut HostRng) -> PosterizeParams {
        let [low, high] = self.bits.fixed().ends().map(|bits| bits as u32);
        PosterizeParams {
            bits: rng.random_range(low..=high),
        }
    }

    fn apply(&self, mut image: Image, params: &PosterizeParams) -> Image {
        posterize(&mut image, params.bits);
        image
    }
}

/// Keeps the upper `bits` of every value: 8 all, 0 none, which is black.
pub fn posterize(image: &mut Image, bits: u32) {
    let mask = !((0xff_u32 >> bits.min(8)) as u8);
    image.pixels.iter_mut().for_each(|value| *value &= mask);
}
