//! `scale`: makes what is shown larger or smaller about the centre, in an image of the same size; torchvision's
//! `RandomAffine(scale)`.

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

/// Scales about the centre.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Scale {
    /// Factor of the size: `x` is 1 − x … 1 + x, `[low, high]` is explicit.
    pub range: Interval,
    /// How the image is read between its pixels.
    pub filter: Interpolation,
    /// What lies outside the image, in [0, 1]: 0 black, 1 full intensity.
    pub fill: f64,
}

impl Default for Scale {
    fn default() -> Self {
        Self {
            range: Interval::of(0.2),
            filter: Interpolation::default(),
            fill: 0.0,
        }
    }
}

/// What [`Scale`] drew.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScaleParams {
    /// The factor.
    pub scale: f64,
}

/// The smallest factor; a smaller one would leave nothing to see.
const LEAST: f64 = 0.01;

impl Augmentation for Scale {
    const ABOUT: About = About::new(
        "scale",
        "zooms in or out about the centre; the size of the image stays the same",
        &[
            Field::new("range", Range::Within(LEAST, 100.0)),
            FILTER,
            FILL,
        ],
    )
    .source("torchvision's RandomAffine(scale)");
    type Params = ScaleParams;

    fn check(&self) -> Result<(), ConfigError> {
        self.range.check(Self::ABOUT.name, "range")
    }

    fn sample(&self, _: Size, _: &Subject, rng: &mut HostRng) -> ScaleParams {
        ScaleParams {
            scale: self.range.around_one().draw(rng).max(LEAST),
        }
    }

    fn apply(&self, image: Image, params: &ScaleParams) -> Image {
        pose(params.scale).apply(image, self.filter, self.fill)
    }

    fn warp(&self, size: Size, params: &ScaleParams) -> Option<Warp> {
        Some(pose(params.scale).warp(size, self.filter, self.fill))
    }
}

fn pose(scale: f64) -> Pose {
    Pose {
        scale,
        ..Pose::default()
    }
}
