//! `elastic`: deforms the image smoothly (Simard et al. 2003); torchvision's `ElasticTransform`.
//!
//! Displacements are drawn from U(−1, 1) for each pixel and axis, smoothed with a Gaussian of `sigma` pixels, and multiplied
//! by `alpha` / 2, which is what torchvision's `alpha` comes to in pixels.
//!
//! Differs from torchvision: at the border, the pixels at the edge count on beyond their centres, as in all warps, instead
//! of fading to the fill.

use std::sync::Arc;

use firebrick_core::about::{About, Field, Range};
use firebrick_core::data::{Image, Subject};
use firebrick_core::image::Size;
use firebrick_core::random::{self, HostRng};
use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};

use super::augmentation::Augmentation;
use super::pose::{FILL, FILTER};
use super::warp::{Interpolation, Outside, Warp};

/// Moves each pixel a little, its neighbours alike.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Elastic {
    /// How far pixels move.
    pub alpha: f64,
    /// How alike neighbours move: the standard deviation of the Gaussian, in pixels.
    pub sigma: f64,
    /// How the image is read between its pixels.
    pub filter: Interpolation,
    /// What lies outside the image, in [0, 1]: 0 black, 1 full intensity.
    pub fill: f64,
}

impl Default for Elastic {
    fn default() -> Self {
        Self {
            alpha: 50.0,
            sigma: 5.0,
            filter: Interpolation::default(),
            fill: 0.0,
        }
    }
}

/// What [`Elastic`] drew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ElasticParams {
    /// The seed of the displacements: 53 bits, which every reader of JSON takes.
    pub seed: u64,
}

impl Augmentation for Elastic {
    const ABOUT: About = About::new(
        "elastic",
        "deforms the image smoothly: moves each pixel a little, and its neighbours along with it",
        &[
            Field::new("alpha", Range::Within(0.0, 10_000.0)),
            Field::new("sigma", Range::Within(0.1, 100.0)),
            FILTER,
            FILL,
        ],
    )
    .source("torchvision's ElasticTransform; Simard et al. 2003");
    type Params = ElasticParams;

    fn sample(&self, _: Size, _: &Subject, rng: &mut HostRng) -> ElasticParams {
        ElasticParams {
            seed: rng.next_u64() >> 11,
        }
    }

    fn apply(&self, image: Image, params: &ElasticParams) -> Image {
        self.displace(image.size(), params).apply(&image)
    }

    fn warp(&self, size: Size, params: &ElasticParams) -> Option<Warp> {
        Some(self.displace(size, params))
    }
}

impl Elastic {
    fn displace(&self, size: Size, params: &ElasticParams) -> Warp {
        let mut rng = random::rng(params.seed, "elastic", 0, 0);
        let axes = [(); 2].map(|()| {
            let drawn = (0..size.width * size.height).map(|_| rng.random::<f64>() * 2.0 - 1.0);
            let mut field = smoothed(&drawn.collect::<Vec<_>>(), size, self.sigma);
            field
                .iter_mut()
                .for_each(|shift| *shift *= self.alpha / 2.0);
            field
        });
        displaced(size, axes, self.filter).outside(Outside::fill(self.fill))
    }
}

/// The warp that reads at each pixel plus its displacement, along x and along y.
fn displaced(size: Size, axes: [Vec<f64>; 2], filter: Interpolation) -> Warp {
    let axes = Arc::new(axes);
    let moved = move |[x, y]: [f64; 2]| {
        let [right, down] = [0, 1].map(|axis| between(&axes[axis], size, [x, y]));
        [x + right, y + down]
    };
    Warp::field(size, moved, filter)
}

/// A field of values at the centres of pixels, at any point.
fn between(field: &[f64], size: Size, [x, y]: [f64; 2]) -> f64 {
    let axis = |at: f64, length: usize| {
        let at = (at - 0.5).clamp(0.0, length.saturating_sub(1) as f64);
        let first = at.floor();
        (
            first as usize,
            ((first as usize) + 1).min(length - 1),
            at - first,
        )
    };
    if field.is_empty() {
        return 0.0;
    }
    let ((left, right, dx), (top, bottom, dy)) = (axis(x, size.width), axis(y, size.height));
    let value = |x: usize, y: usize| field[y * size.width + x];
    let row = |y: usize| value(left, y) + (value(right, y) - value(left, y)) * dx;
    row(top) + (row(bottom) - row(top)) * dy
}

/// The field after a Gaussian filter, mirrored at its edges, with torchvision's width of the kernel.
fn smoothed(field: &[f64], size: Size, sigma: f64) -> Vec<f64> {
    // The odd number of `8 sigma + 1` pixels or one more.
    let reach = ((8.0 * sigma + 1.0) as i64) / 2;
    let weights: Vec<f64> = (-reach..=reach)
        .map(|at| (-0.5 * (at as f64 / sigma).powi(2)).exp())
        .collect();
    let total: f64 = weights.iter().sum();
    let mirrored = |at: i64, length: usize| {
        let period = (2 * (length as i64 - 1)).max(1);
        let phase = at.rem_euclid(period);
        phase.min(period - phase).min(length as i64 - 1) as usize
    };
    let Size { width, height } = size;
    if field.is_empty() {
        return Vec::new();
    }
    let add = |sums: &mut [f64], values: &[f64], weight: f64| {
        let pairs = sums.iter_mut().zip(values);
        pairs.for_each(|(sum, value)| *sum += weight / total * value);
    };
    let mut rows = vec![0.0; field.len()];
    let mut wide = vec![0.0; width + weights.len() - 1];
    for (sums, row) in rows.chunks_exact_mut(width).zip(field.chunks_exact(width)) {
        for (at, value) in (-reach..).zip(&mut wide) {
            *value = row[mirrored(at, width)];
        }
        for (first, weight) in weights.iter().enumerate() {
            add(sums, &wide[first..], *weight);
        }
    }
    let mut result = vec![0.0; field.len()];
    for (y, sums) in (0..).zip(result.chunks_exact_mut(width)) {
        for (shift, weight) in (-reach..).zip(&weights) {
            add(sums, &rows[mirrored(y + shift, height) * width..], *weight);
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use firebrick_core::testkit::photo;

    use super::*;

    #[derive(Deserialize)]
    struct Golden {
        elastic: Displaced,
    }

    #[derive(Deserialize)]
    struct Displaced {
        /// The filtered field of each axis.
        smooth: [Vec<f64>; 2],
        /// The moved image, before rounding.
        moved: Vec<f64>,
    }

    /// `xtask/golden/images/geometry.py` has the same formulas.
    #[test]
    fn filter_and_displacement_are_those_of_torchvision() {
        let golden: Golden =
            serde_json::from_str(include_str!("../../tests/golden/geometry.json")).unwrap();
        let Displaced { smooth, moved } = golden.elastic;
        let size = Size::new(24, 18);
        let field = |formula: fn(f64, f64) -> f64| -> Vec<f64> {
            let at = |at: usize| formula((at % 24) as f64, (at / 24) as f64);
            (0..24 * 18).map(at).collect()
        };
        let fields = [
            field(|x, y| (12.9898 * x + 78.233 * y).sin()),
            field(|x, y| (3.7 * x * y + y).cos()),
        ];
        let mut axes = fields.map(|field| smoothed(&field, size, 2.0));
        for (found, expected) in axes.iter().zip(&smooth) {
            let near = |(one, other): (&f64, &f64)| (one - other).abs() < 1e-9;
            assert!(found.iter().zip(expected).all(near));
        }
        axes.iter_mut().flatten().for_each(|shift| *shift *= 9.0);
        let warp = displaced(size, axes, Interpolation::Bilinear).outside(Outside::Fill(0));
        let found = warp.apply(&photo(24, 18, 3));
        let mut compared = 0;
        for (at, (found, expected)) in found.pixels.iter().zip(&moved).enumerate() {
            let [u, v] = warp.source([(at / 3 % 24) as f64 + 0.5, (at / 72) as f64 + 0.5]);
            // Beyond the centres of the edge, torchvision fades.
            if (0.5..=23.5).contains(&u) && (0.5..=17.5).contains(&v) {
                assert!(
                    (f64::from(*found) - expected.floor()).abs() <= 1.0,
                    "{at}: {found} is not {expected}"
                );
                compared += 1;
            }
        }
        assert!(compared > 1000, "{compared}");
    }
}
