//! `perspective`: tilts the image, as if seen from a random direction; torchvision's `RandomPerspective`.

use firebrick_core::about::{About, Field, Range};
use firebrick_core::data::{Image, Subject};
use firebrick_core::image::Size;
use firebrick_core::random::HostRng;
use rand::RngExt;
use serde::{Deserialize, Serialize};

use super::augmentation::Augmentation;
use super::pose::{FILL, FILTER};
use super::warp::{Homography, Interpolation, Outside, Warp};

/// Moves each corner towards the centre, by different amounts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Perspective {
    /// Share of the way to the centre that corners move at most on each axis, in [0, 1].
    pub distortion: f64,
    /// How the image is read between its pixels.
    pub filter: Interpolation,
    /// What lies outside the image, in [0, 1]: 0 black, 1 full intensity.
    pub fill: f64,
}

impl Default for Perspective {
    fn default() -> Self {
        Self {
            distortion: 0.5,
            filter: Interpolation::default(),
            fill: 0.0,
        }
    }
}

/// What [`Perspective`] drew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PerspectiveParams {
    /// Where the corners of the image are shown, `[x, y]` each: upper left, upper right, lower right, lower left.
    pub corners: [[i64; 2]; 4],
}

impl Augmentation for Perspective {
    const ABOUT: About = About::new(
        "perspective",
        "tilts the image, as if seen from a random direction",
        &[
            Field::new("distortion", Range::Within(0.0, 1.0)),
            FILTER,
            FILL,
        ],
    )
    .source("torchvision's RandomPerspective");
    type Params = PerspectiveParams;

    /// Draws in the order of torchvision: corner by corner, x first.
    fn sample(&self, size: Size, _: &Subject, rng: &mut HostRng) -> PerspectiveParams {
        let sides = [size.width, size.height];
        let mut corner = |at_end: [bool; 2]| {
            [0, 1].map(|axis| {
                let bound = (self.distortion * (sides[axis] / 2) as f64) as u32 + 1;
                let moved = i64::from(rng.random_range(0..bound));
                if at_end[axis] {
                    sides[axis] as i64 - i64::from(bound) + moved
                } else {
                    moved
                }
            })
        };
        PerspectiveParams {
            corners: [[false, false], [true, false], [true, true], [false, true]].map(&mut corner),
        }
    }

    fn apply(&self, image: Image, params: &PerspectiveParams) -> Image {
        self.view(image.size(), params).apply(&image)
    }

    fn warp(&self, size: Size, params: &PerspectiveParams) -> Option<Warp> {
        Some(self.view(size, params))
    }
}

impl Perspective {
    fn view(&self, size: Size, params: &PerspectiveParams) -> Warp {
        let (right, lower) = (size.width as f64 - 1.0, size.height as f64 - 1.0);
        let start = [[0.0, 0.0], [right, 0.0], [right, lower], [0.0, lower]];
        let end = params.corners.map(|corner| corner.map(|at| at as f64));
        // Corners that fall together, as in an image of one row, show nothing of a perspective.
        let map = through(end, start).unwrap_or(Homography::IDENTITY);
        Warp::homography(size, map, self.filter).outside(Outside::fill(self.fill))
    }
}

/// The perspective that takes each of four points to another one, with coefficients in single precision as torchvision's;
/// `None` where there is none.
fn through(from: [[f64; 2]; 4], to: [[f64; 2]; 4]) -> Option<Homography> {
    let mut rows = [[0.0; 9]; 8];
    for (at, ([x, y], [u, v])) in from.into_iter().zip(to).enumerate() {
        rows[2 * at] = [x, y, 1.0, 0.0, 0.0, 0.0, -u * x, -u * y, u];
        rows[2 * at + 1] = [0.0, 0.0, 0.0, x, y, 1.0, -v * x, -v * y, v];
    }
    // Gaussian elimination with the largest pivot of each column.
    for column in 0..8 {
        let larger = |one: &usize, other: &usize| {
            rows[*one][column]
                .abs()
                .total_cmp(&rows[*other][column].abs())
        };
        let pivot = (column..8).max_by(larger)?;
        rows.swap(column, pivot);
        let pivot = rows[column];
        if pivot[column].abs() < 1e-9 {
            return None;
        }
        for (at, row) in rows.iter_mut().enumerate() {
            if at != column {
                let factor = row[column] / pivot[column];
                row.iter_mut()
                    .zip(pivot)
                    .for_each(|(value, other)| *value -= factor * other);
            }
        }
    }
    let mut coefficients = [0.0; 8];
    for (at, value) in coefficients.iter_mut().enumerate() {
        *value = f64::from((rows[at][8] / rows[at][at]) as f32);
    }
    Some(Homography::perspective(coefficients))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_perspective_goes_through_its_four_points() {
        let from = [[1.0, 2.0], [17.0, 0.0], [19.0, 12.0], [3.0, 14.0]];
        let to = [[0.0, 0.0], [19.0, 0.0], [19.0, 14.0], [0.0, 14.0]];
        let map = through(from, to).unwrap();
        for (from, to) in from.into_iter().zip(to) {
            let found = map.at(from);
            assert!(
                (found[0] - to[0]).abs() < 1e-4 && (found[1] - to[1]).abs() < 1e-4,
                "{found:?}"
            );
        }
        assert!(through([[0.0; 2]; 4], to).is_none());
    }
}
