//! `affine`: rotation, shift, scale and shear in one; torchvision's `RandomAffine`.

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

/// Rotates, shifts, scales and slants about the centre.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Affine {
    /// Rotation in degrees, clockwise: `x` is −x … x.
    pub degrees: Interval,
    /// Largest shift along x and along y, as shares of width and height: `[a, b]` is ±a of the width and ±b of the height.
    pub translate: [f64; 2],
    /// Factor of the size: `x` is 1 − x … 1 + x, `[low, high]` is explicit.
    pub scale: Interval,
    /// Shear along x in degrees: `x` is −x … x. For a shear along y, use `shear`.
    pub shear: Interval,
    /// How the image is read between its pixels.
    pub filter: Interpolation,
    /// What lies outside the image, in [0, 1]: 0 black, 1 full intensity.
    pub fill: f64,
}

impl Default for Affine {
    fn default() -> Self {
        Self {
            degrees: Interval::of(10.0),
            translate: [0.0; 2],
            scale: Interval::of(0.0),
            shear: Interval::of(0.0),
            filter: Interpolation::default(),
            fill: 0.0,
        }
    }
}

/// The smallest factor; a smaller one would leave nothing to see.
const LEAST: f64 = 0.01;

impl Augmentation for Affine {
    const ABOUT: About = About::new(
        "affine",
        "rotates, shifts, scales and slants the image about its centre, in one resampling",
        &[
            Field::new("degrees", Range::Within(-360.0, 360.0)),
            Field::new("translate", Range::Within(0.0, 1.0)),
            Field::new("scale", Range::Within(0.0, 100.0)),
            Field::new("shear", Range::Within(-80.0, 80.0)),
            FILTER,
            FILL,
        ],
    )
    .source("torchvision's RandomAffine");
    type Params = Pose;

    fn check(&self) -> Result<(), ConfigError> {
        self.degrees.check_distance(Self::ABOUT.name, "degrees")?;
        self.scale.check(Self::ABOUT.name, "scale")?;
        self.shear.check_distance(Self::ABOUT.name, "shear")
    }

    /// Draws in the order of torchvision: rotation, shift, scale, shear.
    fn sample(&self, size: Size, _: &Subject, rng: &mut HostRng) -> Pose {
        let degrees = self.degrees.around_zero().draw(rng);
        let sides = [size.width, size.height];
        let translate = [0, 1].map(|axis| {
            let most = self.translate[axis] * sides[axis] as f64;
            Interval::of(most).around_zero().draw(rng).round_ties_even()
        });
        Pose {
            degrees,
            translate,
            scale: self.scale.around_one().draw(rng).max(LEAST),
            shear: [self.shear.around_zero().draw(rng), 0.0],
        }
    }

    fn apply(&self, image: Image, pose: &Pose) -> Image {
        pose.apply(image, self.filter, self.fill)
    }

    fn warp(&self, size: Size, pose: &Pose) -> Option<Warp> {
        Some(pose.warp(size, self.filter, self.fill))
    }
}
