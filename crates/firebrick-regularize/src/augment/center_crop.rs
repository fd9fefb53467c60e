//! `center_crop`: cuts out the centre; torchvision's `CenterCrop`, bit for bit.

use firebrick_core::ConfigError;
use firebrick_core::about::{About, Field, Range};
use firebrick_core::data::{Image, Subject};
use firebrick_core::image::Size;
use firebrick_core::random::HostRng;
use serde::{Deserialize, Serialize};

use super::augmentation::Augmentation;
use super::crop::{Cut, check_larger};
use super::resize::SIZE;
use super::sides::Sides;
use super::warp::Warp;

/// Cuts out the centre. It draws nothing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CenterCrop {
    /// The side of a square, or `[height, width]`; by default the size that the model reads.
    pub size: Option<Sides>,
    /// Whether an image that is smaller gets a black border, as in torchvision; otherwise it is an error.
    pub pad_if_needed: bool,
}

impl Augmentation for CenterCrop {
    const ABOUT: About = About::new(
        "center_crop",
        "crops the centre of the image",
        &[SIZE, Field::new("pad_if_needed", Range::Flag)],
    )
    .source("torchvision's CenterCrop, which always pads");
    type Params = Cut;

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

    fn sample(&self, size: Size, subject: &Subject, _: &mut HostRng) -> Cut {
        let Size { width, height } = self.size.map_or(subject.target, Sides::size);
        Cut {
            top: first(size.height, height),
            left: first(size.width, width),
            height,
            width,
        }
    }

    fn apply(&self, image: Image, cut: &Cut) -> Image {
        cut.of(image, 0.0)
    }

    fn warp(&self, _: Size, cut: &Cut) -> Option<Warp> {
        Some(cut.warp(0.0))
    }
}

/// The first pixel of a centred cut: halves go to the even side, as Python rounds; in a border they are rounded down.
fn first(length: usize, cut: usize) -> i64 {
    if cut <= length {
        ((length - cut) as f64 / 2.0).round_ties_even() as i64
    } else {
        -(((cut - length) / 2) as i64)
    }
}
