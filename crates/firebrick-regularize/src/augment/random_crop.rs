//! `random_crop`: crops the image at a random position; torchvision's `RandomCrop`, bit for bit.

use firebrick_core::ConfigError;
use firebrick_core::about::{About, Field, Range};
use firebrick_core::data::{Image, Subject};
use firebrick_core::image::Size;
use firebrick_core::random::HostRng;
use rand::RngExt;
use serde::{Deserialize, Serialize};

use super::augmentation::Augmentation;
use super::crop::{Cut, check_larger};
use super::resize::SIZE;
use super::sides::Sides;
use super::warp::Warp;

/// Cuts out a part at a random place.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RandomCrop {
    /// The side of a square, or `[height, width]`; by default the size that the model reads.
    pub size: Option<Sides>,
    /// Whether an image that is smaller gets a border on both sides, as wide as what is missing; otherwise it is an error.
    pub pad_if_needed: bool,
    /// Value of the border, in [0, 1]: 0 black, 1 full intensity.
    pub fill: f64,
}

impl Augmentation for RandomCrop {
    const ABOUT: About = About::new(
        "random_crop",
        "crops the image at a random position",
        &[
            SIZE,
            Field::new("pad_if_needed", Range::Flag),
            Field::new("fill", Range::Within(0.0, 1.0)),
        ],
    )
    .source("torchvision's RandomCrop");
    type Params = Cut;

    fn check(&self) -> Result<(), ConfigError> {
        if self.fill != 0.0 && !self.pad_if_needed {
            return Err(ConfigError::Conflict(format!(
                "random_crop: fill = {} has an effect only with pad_if_needed=true",
                self.fill
            )));
        }
        Ok(())
    }

    fn wants_original(&self) -> bool {
        true
    }

    fn output(&self, input: Option<Size>, target: Size) -> Result<Option<Size>, ConfigError> {
        let crop = self.size.map_or(target, Sides::size);
        if !self.pad_if_needed {
            check_larger(Self::ABOUT.name, crop, input)?;
        }
        Ok(Some(crop))
    }

    /// Draws, top first as torchvision does.
    fn sample(&self, size: Size, subject: &Subject, rng: &mut HostRng) -> Cut {
        let Size { width, height } = self.size.map_or(subject.target, Sides::size);
        let mut first = |length: usize, cut: usize| {
            // With a border of what is missing on both sides.
            let missing = cut.saturating_sub(length);
            rng.random_range(0..=(length + 2 * missing - cut) as u32) as i64 - missing as i64
        };
        Cut {
            top: first(size.height, height),
            left: first(size.width, width),
            height,
            width,
        }
    }

    fn apply(&self, image: Image, cut: &Cut) -> Image {
        cut.of(image, self.fill)
    }

    fn warp(&self, _: Size, cut: &Cut) -> Option<Warp> {
        Some(cut.warp(self.fill))
    }
}
