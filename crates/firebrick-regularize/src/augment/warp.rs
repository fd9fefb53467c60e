//! Where the pixels of a geometrically changed image come from: [`Warp`]. Warps in a row become one, so that pixels are
//! interpolated once; masks and boxes move with the same warp.

mod boxes;
mod displacements;
mod homography;
mod sampling;

use std::sync::Arc;

use firebrick_core::image::Size;
use serde::{Deserialize, Serialize};

use displacements::Displacements;
pub use homography::Homography;

/// How a warp reads between pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Interpolation {
    /// The pixel in which the point lies.
    Nearest,
    /// Linear between the four pixels around the point.
    #[default]
    Bilinear,
}

impl Interpolation {
    /// The words for it in specs.
    pub const NAMES: &'static [&'static str] = &["nearest", "bilinear"];
}

/// What a warp shows of what lies outside the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outside {
    /// One value.
    Fill(u8),
    /// The nearest pixel of the edge.
    Edge,
    /// The image mirrored at its edge, the edge itself not repeated.
    Reflect,
}

impl Outside {
    /// One value, as a share of full intensity.
    #[must_use]
    pub fn fill(share: f64) -> Self {
        Self::Fill((share * 255.0).round() as u8)
    }
}

/// From a point of the result to a point of the image that it comes from. Points are in pixels from the upper left corner,
/// so that the centre of the first pixel is (0.5, 0.5).
type Point = [f64; 2];

/// Any function of a point, for the points whose coordinates are in two slices.
type Field = Arc<dyn Fn(&mut [f64], &mut [f64]) + Send + Sync>;

#[derive(Clone)]
enum Map {
    Homography(Homography),
    Displacements(Arc<Displacements>),
    Field(Field),
}

impl Map {
    fn at(&self, point: Point) -> Point {
        match self {
            Self::Homography(map) => map.at(point),
            Self::Displacements(map) => map.at(point),
            Self::Field(map) => {
                let [mut x, mut y] = point.map(|at| [at]);
                map(&mut x, &mut y);
                [x[0], y[0]]
            }
        }
    }

    /// Maps many points, whose coordinates are in two slices. What lies beyond the horizon of a perspective becomes NaN.
    fn follow(&self, xs: &mut [f64], ys: &mut [f64]) {
        match self {
            Self::Homography(map) => map.follow(xs, ys),
            Self::Displacements(map) => map.follow(xs, ys),
            Self::Field(map) => map(xs, ys),
        }
    }
}

/// How reading a warp's points makes an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    /// Each point is the centre of a pixel: pixels only move.
    Exact,
    /// The image is interpolated at each point.
    Points(Interpolation),
    /// More than points: the image becomes smaller, and each pixel averages those that it covers.
    Areas,
}

/// Where each pixel of the result lies in the image.
#[derive(Clone)]
pub struct Warp {
    output: Size,
    /// From the result to the image, in order. No two homographies are neighbours.
    maps: Vec<Map>,
    reading: Reading,
    /// `None` where no point lies outside.
    outside: Option<Outside>,
    /// Whether it shows only a part of the image.
    cuts: bool,
}

impl Warp {
    /// Pixels that only move, such as those of a flip or a crop: each point that `map` gives for the centre of a pixel is
    /// the centre of a pixel.
    #[must_use]
    pub fn moves(output: Size, map: Homography) -> Self {
        Self::new(output, Map::Homography(map), Reading::Exact)
    }

    /// An image that is interpolated at the points of a homography.
    #[must_use]
    pub fn homography(output: Size, map: Homography, interpolation: Interpolation) -> Self {
        Self::new(output, Map::Homography(map), Reading::Points(interpolation))
    }

    /// An image that is interpolated at the points of any function.
    pub fn field(
        output: Size,
        map: impl Fn(Point) -> Point + Send + Sync + 'static,
        interpolation: Interpolation,
    ) -> Self {
        let field = move |xs: &mut [f64], ys: &mut [f64]| {
            for (x, y) in xs.iter_mut().zip(ys) {
                [*x, *y] = map([*x, *y]);
            }
        };
        Self::new(
            output,
            Map::Field(Arc::new(field)),
            Reading::Points(interpolation),
        )
    }

    /// An image that is interpolated at each pixel plus its displacement, along x and along y, linear in between. They are
    /// computed when they are first needed.
    pub(super) fn displacements(
        size: Size,
        axes: impl FnOnce() -> [Vec<f64>; 2] + Send + 'static,
        interpolation: Interpolation,
    ) -> Self {
        let map = Displacements::new(size, axes);
        Self::new(
            size,
            Map::Displacements(Arc::new(map)),
            Reading::Points(interpolation),
        )
    }

    /// An image that becomes smaller with antialiasing: it is no part of a common interpolation, but masks and boxes move
    /// with it.
    #[must_use]
    pub fn areas(output: Size, map: Homography) -> Self {
        Self::new(output, Map::Homography(map), Reading::Areas)
    }

    fn new(output: Size, map: Map, reading: Reading) -> Self {
        Self {
            output,
            maps: vec![map],
            reading,
            outside: None,
            cuts: false,
        }
    }

    /// With what is shown of what lies outside the image.
    #[must_use]
    pub fn outside(self, outside: Outside) -> Self {
        Self {
            outside: Some(outside),
            ..self
        }
    }

    /// Showing only a part of the image: a crop.
    #[must_use]
    pub fn cutting(self) -> Self {
        Self { cuts: true, ..self }
    }

    /// Whether pixels of the image may be lost.
    #[must_use]
    pub fn loses(&self) -> bool {
        self.cuts || self.outside.is_some()
    }

    /// The size of the result.
    #[must_use]
    pub fn output(&self) -> Size {
        self.output
    }

    /// Whether it can be joined with others.
    #[must_use]
    pub fn composes(&self) -> bool {
        self.reading != Reading::Areas
    }

    /// Whether pixels only move, and none is interpolated.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        self.reading == Reading::Exact
    }

    /// Whether both read and fill alike, so that one interpolation can do both.
    #[must_use]
    pub fn joins(&self, next: &Self) -> bool {
        let reads = match (self.reading, next.reading) {
            (Reading::Points(one), Reading::Points(other)) => one == other,
            (one, other) => one != Reading::Areas && other != Reading::Areas,
        };
        let fills = match (self.outside, next.outside) {
            (Some(one), Some(other)) => one == other,
            _ => true,
        };
        reads && fills
    }

    /// This warp and then another, as one. A pixel that the first one moves out of sight and the second one back is there
    /// again.
    #[must_use]
    pub fn then(self, next: Self) -> Self {
        let mut maps = next.maps;
        let mut before = self.maps.into_iter();
        if let Some(first) = before.next() {
            match (maps.last_mut(), first) {
                (Some(Map::Homography(last)), Map::Homography(first)) => *last = first.after(last),
                (_, first) => maps.push(first),
            }
        }
        maps.extend(before);
        let reading = match (self.reading, next.reading) {
            (Reading::Exact | Reading::Areas, other) | (other, _) => other,
        };
        Self {
            output: next.output,
            maps,
            reading,
            outside: self.outside.or(next.outside),
            cuts: self.cuts || next.cuts,
        }
    }

    /// The point of the image that a point of the result comes from.
    #[must_use]
    pub fn source(&self, point: [f64; 2]) -> [f64; 2] {
        self.maps.iter().fold(point, |point, map| map.at(point))
    }

    /// As [`source`](Self::source), for many points, whose coordinates are in two slices.
    fn follow(&self, xs: &mut [f64], ys: &mut [f64]) {
        self.maps.iter().for_each(|map| map.follow(xs, ys));
    }
}

#[cfg(test)]
mod tests;
