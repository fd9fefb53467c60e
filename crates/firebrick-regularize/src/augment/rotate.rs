//! `rotate`: turns the image about its centre; torchvision's `RandomRotation`.

use firebrick_core::ConfigError;
use firebrick_core::about::{About, Field, Range};
use firebrick_core::data::{Image, Subject};
use firebrick_core::image::Size;
use firebrick_core::random::HostRng;
use serde::{Deserialize, Serialize};

use super::augmentation::Augmentation;
use super::interval::Interval;
use super::pose::{FILL, FILTER};
use super::warp::{Homography, Interpolation, Outside, Warp};

/// Turns about the centre.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rotate {
    /// Degrees, anticlockwise: `x` is −x … x, `[low, high]` is explicit.
    pub degrees: Interval,
    /// How the image is read between its pixels.
    pub filter: Interpolation,
    /// What lies outside the image, in [0, 1]: 0 black, 1 full intensity.
    pub fill: f64,
    /// Whether the image becomes so large that all of it stays in sight.
    pub expand: bool,
}

impl Default for Rotate {
    fn default() -> Self {
        Self {
            degrees: Interval::of(15.0),
            filter: Interpolation::default(),
            fill: 0.0,
            expand: false,
        }
    }
}

/// What [`Rotate`] drew.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RotateParams {
    /// Degrees, anticlockwise.
    pub degrees: f64,
}

impl Augmentation for Rotate {
    const ABOUT: About = About::new(
        "rotate",
        "turns the image about its centre",
        &[
            Field::new("degrees", Range::Within(-360.0, 360.0)),
            FILTER,
            FILL,
            Field::new("expand", Range::Flag),
        ],
    )
    .source("torchvision's RandomRotation");
    type Params = RotateParams;

    fn check(&self) -> Result<(), ConfigError> {
        self.degrees.check_distance(Self::ABOUT.name, "degrees")
    }

    fn output(&self, input: Option<Size>, _: Size) -> Result<Option<Size>, ConfigError> {
        Ok(input.filter(|_| !self.expand))
    }

    fn sample(&self, _: Size, _: &Subject, rng: &mut HostRng) -> RotateParams {
        RotateParams {
            degrees: self.degrees.around_zero().draw(rng),
        }
    }

    fn apply(&self, image: Image, params: &RotateParams) -> Image {
        self.turn(image.size(), params.degrees).apply(&image)
    }

    fn warp(&self, size: Size, params: &RotateParams) -> Option<Warp> {
        Some(self.turn(size, params.degrees))
    }
}

impl Rotate {
    /// As Pillow's `Image.rotate`: sines are rounded, so that quarter turns move pixels exactly.
    fn turn(&self, size: Size, degrees: f64) -> Warp {
        let (sin, cos) = (-degrees.rem_euclid(360.0).to_radians()).sin_cos();
        let [sin, cos] = [sin, cos].map(|value| (value * 1e15).round() / 1e15);
        let [width, height] = [size.width, size.height].map(|side| side as f64);
        let centre = [width / 2.0, height / 2.0];
        // The turned point, moved by `shift` before.
        let turned = |shift: [f64; 2]| {
            let [x, y] = shift;
            [cos * x + sin * y, -sin * x + cos * y]
        };
        let [mut shift_x, mut shift_y] = turned(centre.map(|at| -at));
        shift_x += centre[0];
        shift_y += centre[1];
        let mut output = size;
        if self.expand {
            let corners =
                [[0.0, 0.0], [width, 0.0], [width, height], [0.0, height]].map(|corner| {
                    let [x, y] = turned(corner);
                    [x + shift_x, y + shift_y]
                });
            let length = |axis: usize| {
                let of = |corner: [f64; 2]| corner[axis];
                let most = corners
                    .map(of)
                    .into_iter()
                    .fold(f64::NEG_INFINITY, f64::max);
                let least = corners.map(of).into_iter().fold(f64::INFINITY, f64::min);
                most.ceil() - least.floor()
            };
            let (across, down) = (length(0), length(1));
            let [x, y] = turned([-(across - width) / 2.0, -(down - height) / 2.0]);
            shift_x += x;
            shift_y += y;
            output = Size::new(across as usize, down as usize);
        }
        let map = Homography::affine([cos, sin, shift_x, -sin, cos, shift_y]);
        Warp::homography(output, map, self.filter).outside(Outside::fill(self.fill))
    }
}
