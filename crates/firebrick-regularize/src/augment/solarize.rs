//! `solarize`: inverts the bright values; torchvision's `RandomSolarize`, bit for bit.

use firebrick_core::ConfigError;
use firebrick_core::about::{About, Field, Range};
use firebrick_core::data::Subject;
use firebrick_core::image::{Image, Size};
use firebrick_core::random::HostRng;
use serde::{Deserialize, Serialize};

use super::augmentation::Augmentation;
use super::interval::Interval;

/// Configuration of `solarize`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Solarize {
    /// Values from this one on are inverted, 0 to 256; `[low, high]` is drawn from.
    pub threshold: Interval,
}

impl Default for Solarize {
    fn default() -> Self {
        Self {
            threshold: Interval::of(128.0),
        }
    }
}

/// What [`Solarize`] drew.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SolarizeParams {
    /// The threshold.
    pub threshold: f64,
}

impl Augmentation for Solarize {
    const ABOUT: About = About::new(
        "solarize",
        "inverts all values at or above a threshold",
        &[Field::new("threshold", Range::Within(0.0, 256.0))],
    )
    .source("torchvision's RandomSolarize; Pillow's ImageOps.solarize");
    const PROB: f64 = 0.5;
    const PROB_FIRST: bool = false;
    type Params = SolarizeParams;

    fn check(&self) -> Result<(), ConfigError> {
        self.threshold.check("solarize", "threshold")
    }

    fn sample(&self, _: Size, _: &Subject, rng: &mut HostRng) -> SolarizeParams {
        SolarizeParams {
            threshold: self.threshold.fixed().draw(rng),
        }
    }

    fn apply(&self, mut image: Image, params: &SolarizeParams) -> Image {
        solarize(&mut image, params.threshold);
        image
    }
}

/// Inverts every value that is not below `threshold`: 0 inverts all, 256 none.
pub fn solarize(image: &mut Image, threshold: f64) {
    // A whole value is below a number if and only if it is below the number rounded up.
    let Some(most_kept) = (threshold.ceil().clamp(0.0, 256.0) as u16).checked_sub(1) else {
        return super::invert::invert(image);
    };
    let most_kept = most_kept as u8;
    for value in &mut image.pixels {
        *value = if *value > most_kept { !*value } else { *value };
    }
}
