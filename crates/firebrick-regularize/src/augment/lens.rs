//! `lens`: the distortion of a lens (Brown 1971; Conrady 1919): straight lines bend outwards (barrel) or inwards (pincushion).
//!
//! ```text
//! r² = ((x − cx)² + (y − cy)²) / R²    R: half of the image's diagonal, so that r = 1 in the corners
//! source = centre + (1 + k1 r² + k2 r⁴) · (point − centre)
//! ```
//!
//! OpenCV's `initUndistortRectifyMap` with the focal length R.

use firebrick_core::ConfigError;
use firebrick_core::about::{About, Field, Range};
use firebrick_core::data::{Image, Subject};
use firebrick_core::image::Size;
use firebrick_core::random::HostRng;
use serde::{Deserialize, Serialize};

use super::augmentation::Augmentation;
use super::interval::Interval;
use super::pose::{FILL, FILTER};
use super::warp::{Interpolation, Outside, Warp};

/// Distorts as a lens: barrel where `k1` is above 0, pincushion below.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Lens {
    /// Coefficient of the square of the distance from the centre: `x` is −x … x.
    pub k1: Interval,
    /// Coefficient of its fourth power: `x` is −x … x.
    pub k2: Interval,
    /// How the image is read between its pixels.
    pub filter: Interpolation,
    /// What lies outside the image, in [0, 1]: 0 black, 1 full intensity.
    pub fill: f64,
}

impl Default for Lens {
    fn default() -> Self {
        Self {
            k1: Interval::of(0.2),
            k2: Interval::of(0.0),
            filter: Interpolation::default(),
            fill: 0.0,
        }
    }
}

/// What [`Lens`] drew.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LensParams {
    /// Coefficient of the square of the distance.
    pub k1: f64,
    /// Coefficient of its fourth power.
    pub k2: f64,
}

impl Augmentation for Lens {
    const ABOUT: About = About::new(
        "lens",
        "bends straight lines as a lens does: outwards (barrel) or inwards (pincushion)",
        &[
            Field::new("k1", Range::Within(-1.0, 1.0)),
            Field::new("k2", Range::Within(-1.0, 1.0)),
            FILTER,
            FILL,
        ],
    )
    .source("Brown 1971, \"Close-range camera calibration\"");
    type Params = LensParams;

    fn check(&self) -> Result<(), ConfigError> {
        self.k1.check_distance(Self::ABOUT.name, "k1")?;
        self.k2.check_distance(Self::ABOUT.name, "k2")
    }

    fn sample(&self, _: Size, _: &Subject, rng: &mut HostRng) -> LensParams {
        LensParams {
            k1: self.k1.around_zero().draw(rng),
            k2: self.k2.around_zero().draw(rng),
        }
    }

    fn apply(&self, image: Image, params: &LensParams) -> Image {
        self.bend(image.size(), params).apply(&image)
    }

    fn warp(&self, size: Size, params: &LensParams) -> Option<Warp> {
        Some(self.bend(size, params))
    }
}

impl Lens {
    fn bend(&self, size: Size, params: &LensParams) -> Warp {
        let LensParams { k1, k2 } = *params;
        let [centre_x, centre_y] = [size.width, size.height].map(|side| side as f64 / 2.0);
        let corner = (centre_x * centre_x + centre_y * centre_y).max(f64::MIN_POSITIVE);
        let bent = move |[x, y]: [f64; 2]| {
            let (x, y) = (x - centre_x, y - centre_y);
            let square = (x * x + y * y) / corner;
            let factor = 1.0 + square * (k1 + square * k2);
            [centre_x + factor * x, centre_y + factor * y]
        };
        Warp::field(size, bent, self.filter).outside(Outside::fill(self.fill))
    }
}
