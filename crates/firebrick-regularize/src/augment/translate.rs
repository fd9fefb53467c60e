//! `translate`: shifts the image by whole pixels; torchvision's `RandomAffine(translate)`, bit for bit.

use firebrick_core::ConfigError;
use firebrick_core::about::{About, Field, Range};
use firebrick_core::data::{Image, Subject};
use firebrick_core::image::Size;
use firebrick_core::random::HostRng;
use serde::{Deserialize, Serialize};

use super::augmentation::Augmentation;
use super::interval::Interval;
use super::pose::{FILL, Pose};
use super::warp::{Interpolation, Warp};

/// Shifts right or left, down or up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Translate {
    /// Shift to the right as a share of the width: `x` is −x … x.
    pub x: Interval,
    /// Shift down as a share of the height: `y` is −y … y.
    pub y: Interval,
    /// What lies outside the image, in [0, 1]: 0 black, 1 full intensity.
    pub fill: f64,
}

impl Default for Translate {
    fn default() -> Self {
        Self {
            x: Interval::of(0.1),
            y: Interval::of(0.1),
            fill: 0.0,
        }
    }
}

/// What [`Translate`] drew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TranslateParams {
    /// Pixels to the right.
    pub x: i64,
    /// Pixels down.
    pub y: i64,
}

impl Augmentation for Translate {
    const ABOUT: About = About::new(
        "translate",
        "shifts the image by whole pixels",
        &[
            Field::new("x", Range::Within(-1.0, 1.0)),
            Field::new("y", Range::Within(-1.0, 1.0)),
            FILL,
        ],
    )
    .source("torchvision's RandomAffine(translate)");
    type Params = TranslateParams;

    fn check(&self) -> Result<(), ConfigError> {
        self.x.check_distance(Self::ABOUT.name, "x")?;
        self.y.check_distance(Self::ABOUT.name, "y")
    }

    /// Draws, x first as torchvision does.
    fn sample(&self, size: Size, _: &Subject, rng: &mut HostRng) -> TranslateParams {
        let mut pixels = |share: Interval, side: usize| {
            (share.around_zero().draw(rng) * side as f64).round_ties_even() as i64
        };
        TranslateParams {
            x: pixels(self.x, size.width),
            y: pixels(self.y, size.height),
        }
    }

    fn apply(&self, image: Image, params: &TranslateParams) -> Image {
        pose(params).apply(image, Interpolation::Nearest, self.fill)
    }

    fn warp(&self, size: Size, params: &TranslateParams) -> Option<Warp> {
        Some(pose(params).warp(size, Interpolation::Nearest, self.fill))
    }
}

fn pose(params: &TranslateParams) -> Pose {
    Pose {
        translate: [params.x as f64, params.y as f64],
        ..Pose::default()
    }
}
