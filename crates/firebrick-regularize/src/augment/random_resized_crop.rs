//! `random_resized_crop`: a random part of the image, of random area and proportions, in the size that the model reads;
//! torchvision's `RandomResizedCrop` (Szegedy et al. 2014), the standard augmentation of ImageNet.
//!
//! ```text
//! ten times: area = A · U(scale), ratio = exp(U(ln ratio)), width = √(area · ratio), height = √(area / ratio)
//!            both rounded; the first that lies inside the image is placed at random
//! else:      the largest part in the centre whose ratio is in the range
//! ```
//!
//! Crop and resize are one resampling; pixels around the crop have no influence. Values are those of Pillow or one level
//! beside them.

use firebrick_core::ConfigError;
use firebrick_core::about::{About, Field, Range};
use firebrick_core::data::{Image, Subject};
use firebrick_core::image::{Filter, Region, Size, resize_crop};
use firebrick_core::random::HostRng;
use rand::RngExt;
use serde::{Deserialize, Serialize};

use super::augmentation::Augmentation;
use super::interval::Interval;
use super::resize::{FILTER, SIZE, resized};
use super::sides::Sides;
use super::warp::Warp;

/// Cuts out a part of random area and proportions, and resizes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RandomResizedCrop {
    /// The side of a square, or `[height, width]`; by default the size that the model reads.
    pub size: Option<Sides>,
    /// Share of the image's area; one number is the least, up to all of it.
    pub scale: Interval,
    /// Width divided by height.
    pub ratio: Interval,
    /// How pixels are made of those of the image.
    pub filter: Filter,
}

impl Default for RandomResizedCrop {
    fn default() -> Self {
        Self {
            size: None,
            scale: Interval::between(0.08, 1.0),
            ratio: Interval::between(3.0 / 4.0, 4.0 / 3.0),
            filter: Filter::Bilinear,
        }
    }
}

/// What [`RandomResizedCrop`] drew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RandomResizedCropParams {
    /// The first row of the part.
    pub top: usize,
    /// The first column of the part.
    pub left: usize,
    /// Rows of the part.
    pub height: usize,
    /// Columns of the part.
    pub width: usize,
    /// The size that it gets.
    pub size: Size,
}

/// Attempts to find a part that lies inside the image.
const ATTEMPTS: usize = 10;

impl Augmentation for RandomResizedCrop {
    const ABOUT: About = About::new(
        "random_resized_crop",
        "crops a region of random area and aspect ratio, and resizes it",
        &[
            SIZE,
            Field::new("scale", Range::Factor),
            Field::new("ratio", Range::Positive),
            FILTER,
        ],
    )
    .source("torchvision's RandomResizedCrop; Szegedy et al. 2014, arXiv:1409.4842");
    type Params = RandomResizedCropParams;

    fn check(&self) -> Result<(), ConfigError> {
        self.scale.check(Self::ABOUT.name, "scale")?;
        self.ratio.check(Self::ABOUT.name, "ratio")
    }

    fn wants_original(&self) -> bool {
        true
    }

    fn output(&self, _: Option<Size>, target: Size) -> Result<Option<Size>, ConfigError> {
        Ok(Some(self.size.map_or(target, Sides::size)))
    }

    fn sample(&self, image: Size, subject: &Subject, rng: &mut HostRng) -> RandomResizedCropParams {
        let size = self.size.map_or(subject.target, Sides::size);
        let part = |top, left, height, width| RandomResizedCropParams {
            top,
            left,
            height,
            width,
            size,
        };
        let area = (image.width * image.height) as f64;
        let [least, most] = self.ratio.fixed().ends();
        let ratio = Interval::between(least.ln(), most.ln()).fixed();
        let scale = self.scale.up_to_one();
        for _ in 0..ATTEMPTS {
            let area = area * scale.draw(rng);
            let ratio = ratio.draw(rng).exp();
            let width = (area * ratio).sqrt().round_ties_even() as usize;
            let height = (area / ratio).sqrt().round_ties_even() as usize;
            if (1..=image.width).contains(&width) && (1..=image.height).contains(&height) {
                let mut first =
                    |all: usize, part: usize| rng.random_range(0..=(all - part) as u32) as usize;
                let top = first(image.height, height);
                return part(top, first(image.width, width), height, width);
            }
        }
        let found = image.width as f64 / image.height.max(1) as f64;
        let (mut width, mut height) = (image.width, image.height);
        if found < least {
            height = ((width as f64 / least).round_ties_even() as usize).clamp(1, height.max(1));
        } else if found > most {
            width = ((height as f64 * most).round_ties_even() as usize).clamp(1, width.max(1));
        }
        part(
            (image.height - height) / 2,
            (image.width - width) / 2,
            height,
            width,
        )
    }

    fn apply(&self, image: Image, params: &RandomResizedCropParams) -> Image {
        let part = Size::new(params.width, params.height);
        if part == params.size {
            return image.crop(params.left, params.top, part);
        }
        resize_crop(
            &image,
            [params.left, params.top],
            part,
            params.size,
            self.filter,
        )
    }

    fn warp(&self, _: Size, params: &RandomResizedCropParams) -> Option<Warp> {
        let part = Region {
            left: params.left as f64,
            top: params.top as f64,
            width: params.width as f64,
            height: params.height as f64,
        };
        Some(resized(part, params.size, self.filter).cutting())
    }
}
