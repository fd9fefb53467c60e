//! `shear`: slants the image; torchvision's `RandomAffine(shear)`.

use firebrick_core::ConfigError;
use firebrick_core::about::{About, Field, Range};
use firebrick_core::data::{Image, Subject};
use firebrick_core::image::Size;
use firebrick_core::random::HostRng;
use serde::{Deserialize, Serialize};

use super::augmentation::Augmentation;
use super::interval::Interval;
use super::pose::{FILL, FILTER, Pose};
use super::warp::{Interpolation, Warp};

/// Slants along x and along y.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Shear {
    /// Degrees along x: `x` is −x … x.
    pub x: Interval,
    /// Degrees along y: `y` is −y … y.
    pub y: Interval,
    /// How the image is read between its pixels.
    pub filter: Interpolation,
    /// What lies outside the image, in [0, 1]: 0 black, 1 full intensity.
    pub fill: f64,
}

impl Default for Shear {
    fn default() -> Self {
        Self {
            x: Interval::of(10.0),
            y: Interval::of(0.0),
            filter: Interpolation::default(),
            fill: 0.0,
        }
    }
}

/// What [`Shear`] drew.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShearParams {
    /// Degrees along x.
    pub x: f64,
    /// Degrees along y.
    pub y: f64,
}

impl Augmentation for Shear {
    const ABOUT: About = About::new(
        "shear",
        "slants the image",
        &[
            Field::new("x", Range::Within(-80.0, 80.0)),
            Field::new("y", Range::Within(-80.0, 80.0)),
            FILTER,
            FILL,
        ],
    )
    .source("torchvision's RandomAffine(shear)");
    type Params = ShearParams;

    fn check(&self) -> Result<(), ConfigError> {
        self.x.check_distance(Self::ABOUT.name, "x")?;
        self.y.check_distance(Self::ABOUT.name, "y")
    }

    fn sample(&self, _: Size, _: &Subject, rng: &mut HostRng) -> ShearParams {
        ShearParams {
            x: self.x.around_zero().draw(rng),
            y: self.y.around_zero().draw(rng),
        }
    }

    fn apply(&self, image: Image, params: &ShearParams) -> Image {
        pose(params).apply(image, self.filter, self.fill)
    }

    fn warp(&self, size: Size, params: &ShearParams) -> Option<Warp> {
        Some(pose(params).warp(size, self.filter, self.fill))
    }
}

fn pose(params: &ShearParams) -> Pose {
    Pose {
        shear: [params.x, params.y],
        ..Pose::default()
    }
}
