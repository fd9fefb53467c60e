//! `elastic`: deforms the image smoothly (Simard et al. 2003); torchvision's `ElasticTransform`.
//!
//! Displacements are drawn from U(−1, 1) for each pixel and axis, smoothed with a Gaussian of `sigma` pixels, and multiplied
//! by `alpha` / 2, which is what torchvision's `alpha` comes to in pixels.
//!
//! Differs from torchvision: at the border, the pixels at the edge count on beyond their centres, as in all warps, instead
//! of fading to the fill.

use firebrick_core::about::{About, Field, Range};
use firebrick_core::data::{Image, Subject};
use firebrick_core::image::Size;
use firebrick_core::kernels::wide;
use firebrick_core::random::{self, HostRng};
use rand::Rng;
use serde::{Deserialize, Serialize};

use super::augmentation::Augmentation;
use super::pose::{FILL, FILTER};
use super::warp::{Interpolation, Outside, Warp};

/// Moves each pixel a little, its neighbours alike.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
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
        let (Self { alpha, sigma, .. }, seed) = (*self, params.seed);
        let axes = move || {
            let mut rng = random::rng(seed, "elastic", 0, 0);
            let mut rows = Vec::new();
            [(); 2].map(|()| {
                let field = drawn(size.width * size.height, &mut rng);
                smoothed(&field, size, sigma, alpha / 2.0, &mut rows)
            })
        };
        Warp::displacements(size, axes, self.filter).outside(Outside::fill(self.fill))
    }
}

/// Numbers from U(−1, 1): those that `random` draws one by one.
fn drawn(count: usize, rng: &mut HostRng) -> Vec<f64> {
    let mut bits = [[0; 8]; 256];
    let mut numbers = Vec::with_capacity(count);
    while numbers.len() < count {
        let part = bits.len().min(count - numbers.len());
        rng.fill_bytes(bits[..part].as_flattened_mut());
        add_numbers(&bits[..part], &mut numbers);
    }
    numbers
}

wide! {
    fn add_numbers(bits: &[[u8; 8]], numbers: &mut Vec<f64>) {
        let number = |bits: &[u8; 8]| {
            let share = (u64::from_le_bytes(*bits) >> 11) as f64 / (1_u64 << 53) as f64;
            share * 2.0 - 1.0
        };
        numbers.extend(bits.iter().map(number));
    }
}

/// Values that are smoothed together.
const BLOCK: usize = 64;
/// Values of a cache line.
const LINE: usize = 8;

/// A cache line: vectors that begin with one are read at once.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Line([f64; LINE]);

wide! {
    /// The field after a Gaussian filter, mirrored at its edges, with torchvision's width of the kernel, times `scale`. `rows` is
    /// memory that can be used again.
    fn smoothed(field: &[f64], size: Size, sigma: f64, scale: f64, rows: &mut Vec<Line>) -> Vec<f64> {
        // The odd number of `8 sigma + 1` pixels or one more.
        let reach = ((8.0 * sigma + 1.0) as i64) / 2;
        let weights: Vec<f64> = (-reach..=reach)
            .map(|at| (-0.5 * (at as f64 / sigma).powi(2)).exp())
            .collect();
        let total: f64 = weights.iter().sum();
        let weights: Vec<f64> = weights.iter().map(|weight| weight / total).collect();
        let mirrored = |at: i64, length: usize| {
            let period = (2 * (length as i64 - 1)).max(1);
            let phase = at.rem_euclid(period);
            phase.min(period - phase).min(length as i64 - 1) as usize
        };
        let Size { width, height } = size;
        if field.is_empty() {
            return Vec::new();
        }
        // Across: each row with its margins, and its sums as whole lines.
        let (margin, lines) = (reach as usize, width.div_ceil(LINE));
        let mut with_margins = vec![0.0; lines * LINE + 2 * margin];
        rows.resize(lines * height, Line([0.0; LINE]));
        for (sums, row) in rows.chunks_exact_mut(lines).zip(field.chunks_exact(width)) {
            with_margins[margin..margin + width].copy_from_slice(row);
            for at in 1..=reach {
                with_margins[(reach - at) as usize] = row[mirrored(-at, width)];
                let beyond = width as i64 - 1 + at;
                with_margins[(reach + beyond) as usize] = row[mirrored(beyond, width)];
            }
            let (blocks, rest) = sums.as_chunks_mut::<{ BLOCK / LINE }>();
            let last = blocks.len() * BLOCK;
            for (first, sums) in (0..).step_by(BLOCK).zip(blocks) {
                let mut block = [0.0; BLOCK];
                for (tap, weight) in weights.iter().enumerate() {
                    add(&mut block, *weight, part(&with_margins, first + tap));
                }
                for (line, block) in sums.iter_mut().zip(block.as_chunks().0) {
                    line.0 = *block;
                }
            }
            for (first, line) in (last..).step_by(LINE).zip(rest) {
                let mut sums = [0.0; LINE];
                for (tap, weight) in weights.iter().enumerate() {
                    add(&mut sums, *weight, part(&with_margins, first + tap));
                }
                line.0 = sums;
            }
        }
        // Down, some columns at a time, so that the rows that are read again stay near.
        let places: Vec<_> = (-reach..height as i64 + reach)
            .map(|at| mirrored(at, height) * lines)
            .collect();
        let mut result = vec![0.0; field.len()];
        for first in (0..width).step_by(BLOCK) {
            let count = BLOCK.min(width - first);
            for (y, row) in result.chunks_exact_mut(width).enumerate() {
                let places = &places[y..];
                if count == BLOCK {
                    let mut block = [[0.0; LINE]; BLOCK / LINE];
                    for (place, weight) in places.iter().zip(&weights) {
                        let lines: &[Line; BLOCK / LINE] = part(rows, place + first / LINE);
                        for (sums, line) in block.iter_mut().zip(lines) {
                            add(sums, *weight, &line.0);
                        }
                    }
                    let sums = row[first..first + BLOCK].iter_mut();
                    for (to, sum) in sums.zip(block.as_flattened()) {
                        *to = sum * scale;
                    }
                    continue;
                }
                for (at, part) in row[first..].chunks_mut(LINE).enumerate() {
                    let mut sums = [0.0; LINE];
                    for (place, weight) in places.iter().zip(&weights) {
                        add(&mut sums, *weight, &rows[place + first / LINE + at].0);
                    }
                    for (to, sum) in part.iter_mut().zip(&sums) {
                        *to = sum * scale;
                    }
                }
            }
        }
        result
    }
}

/// So many values of a slice, from a place on.
#[inline(always)]
fn part<T, const N: usize>(values: &[T], from: usize) -> &[T; N] {
    &values[from..].as_chunks().0[0]
}

/// Adds values with a weight.
#[inline(always)]
fn add<const N: usize>(sums: &mut [f64; N], weight: f64, values: &[f64; N]) {
    for (sum, value) in sums.iter_mut().zip(values) {
        *sum += weight * value;
    }
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

    #[test]
    fn many_numbers_are_drawn_as_one_by_one() {
        use rand::RngExt;
        let mut one_by_one = random::rng(5, "elastic", 0, 0);
        let expected: Vec<_> = (0..1001)
            .map(|_| one_by_one.random::<f64>() * 2.0 - 1.0)
            .collect();
        let mut rng = random::rng(5, "elastic", 0, 0);
        let found = [drawn(300, &mut rng), drawn(701, &mut rng)].concat();
        assert_eq!(found, expected);
    }

    /// With blocks of values and with what is left of a row.
    #[test]
    fn a_smooth_field_has_weighted_sums() {
        let (size, sigma) = (Size::new(75, 9), 1.5);
        let field: Vec<f64> = (0..75 * 9).map(|at| (1.7 * f64::from(at)).sin()).collect();
        let mirrored = |at: i32, length: i32| (at.abs().min(2 * (length - 1) - at.abs())) as usize;
        let density = |at: i32| (-0.5 * (f64::from(at) / sigma).powi(2)).exp();
        let total: f64 = (-6..=6).map(density).sum();
        for (at, found) in smoothed(&field, size, sigma, 1.0, &mut Vec::new())
            .iter()
            .enumerate()
        {
            let (x, y) = ((at % 75) as i32, (at / 75) as i32);
            let row = |down: i32| -> f64 {
                let row = &field[mirrored(y + down, 9) * 75..];
                (-6..=6)
                    .map(|right| density(right) * row[mirrored(x + right, 75)])
                    .sum()
            };
            let sum: f64 = (-6..=6).map(|down| density(down) * row(down)).sum();
            let expected = sum / (total * total);
            assert!(
                (found - expected).abs() < 1e-12,
                "{at}: {found}, {expected}"
            );
        }
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
        let mut axes = fields.map(|field| smoothed(&field, size, 2.0, 1.0, &mut Vec::new()));
        for (found, expected) in axes.iter().zip(&smooth) {
            let near = |(one, other): (&f64, &f64)| (one - other).abs() < 1e-9;
            assert!(found.iter().zip(expected).all(near));
        }
        axes.iter_mut().flatten().for_each(|shift| *shift *= 9.0);
        let warp = Warp::displacements(size, move || axes, Interpolation::Bilinear)
            .outside(Outside::Fill(0));
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
