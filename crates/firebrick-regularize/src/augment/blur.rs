//! `blur`: blurs with a Gaussian; torchvision's `GaussianBlur`.
//!
//! Differs from torchvision: the two axes are blurred one after the other, which rounds a value that lies half-way
//! between two levels differently once in a while (by one level, less than one value in a thousand); an image may
//! be smaller than the kernel, and is then mirrored back and forth.

use firebrick_core::ConfigError;
use firebrick_core::about::{About, Field, Range};
use firebrick_core::data::Subject;
use firebrick_core::image::{Image, Size};
use firebrick_core::kernels::wide;
use firebrick_core::random::HostRng;
use serde::{Deserialize, Serialize};

use super::augmentation::Augmentation;
use super::interval::Interval;
use super::rounding::nearest;

/// Configuration of `blur`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Blur {
    /// Standard deviation of the Gaussian in pixels; `[low, high]` is drawn from.
    pub sigma: Interval,
    /// Side of the kernel, odd; as large as sigma needs where it is left out: 3 · sigma on each side.
    pub kernel: Option<u64>,
}

impl Default for Blur {
    fn default() -> Self {
        Self {
            sigma: Interval::between(0.1, 2.0),
            kernel: None,
        }
    }
}

/// What [`Blur`] drew.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct BlurParams {
    /// Standard deviation in pixels.
    pub sigma: f64,
}

impl Augmentation for Blur {
    const ABOUT: About = About::new(
        "blur",
        "blurs the image with a Gaussian",
        &[
            Field::new("sigma", Range::Within(0.01, 100.0)),
            Field::new("kernel", Range::Whole(1, 1023)),
        ],
    )
    .source("torchvision's GaussianBlur");
    type Params = BlurParams;

    fn check(&self) -> Result<(), ConfigError> {
        match self.kernel {
            Some(kernel) if kernel % 2 == 0 => {
                let range = "odd, so that the kernel has a middle";
                Err(ConfigError::out_of_range("blur", "kernel", kernel, range))
            }
            _ => self.sigma.check("blur", "sigma"),
        }
    }

    fn sample(&self, _: Size, _: &Subject, rng: &mut HostRng) -> BlurParams {
        BlurParams {
            sigma: self.sigma.fixed().draw(rng),
        }
    }

    fn apply(&self, mut image: Image, params: &BlurParams) -> Image {
        let taps = self
            .kernel
            .map_or_else(|| taps(params.sigma), |kernel| kernel as usize);
        blur(&mut image, params.sigma, taps);
        image
    }
}

/// The side of a kernel that holds all but a thousandth of a Gaussian.
pub(super) fn taps(sigma: f64) -> usize {
    2 * (3.0 * sigma).ceil() as usize + 1
}

/// Blurs both axes with a Gaussian of standard deviation `sigma` pixels, sampled at an odd number of `taps`, the
/// image mirrored at its edges.
///
/// # Panics
/// When `taps` is even.
pub fn blur(image: &mut Image, sigma: f64, taps: usize) {
    assert!(taps % 2 == 1, "an even kernel has no middle");
    if image.pixels.is_empty() || taps == 1 {
        return;
    }
    let weights = half_kernel(sigma, taps / 2);
    image.pixels = blurred(&image.pixels, image.size(), image.channels, &weights);
}

/// Values that are blurred together.
const BLOCK: usize = 32;

wide! {
    /// `weights` are those in the middle and on one side of it.
    fn blurred(pixels: &[u8], size: Size, channels: usize, weights: &[f32]) -> Vec<u8> {
        let row_length = size.width * channels;
        let pad = (weights.len() - 1) * channels;
        // A row that is blurred vertically, with a mirrored margin at both ends.
        let mut padded = vec![0_f32; row_length + 2 * pad];
        let margins = margins(size.width, channels, weights.len() - 1);
        let mut result = vec![0; pixels.len()];
        let row = |at: isize| &pixels[mirrored(at, size.height) * row_length..][..row_length];
        for (y, result) in (0..).zip(result.chunks_exact_mut(row_length)) {
            let rows: Vec<_> = (0..weights.len() as isize)
                .map(|distance| [row(y - distance), row(y + distance)])
                .collect();
            let (blocks, rest) = padded[pad..pad + row_length].as_chunks_mut::<BLOCK>();
            for (at, sums) in (0..).step_by(BLOCK).zip(blocks) {
                *sums = down(&rows, weights, at);
            }
            let first = row_length - rest.len();
            for (at, sum) in (first..).zip(rest) {
                [*sum] = down(&rows, weights, at);
            }
            for (from, to) in &margins {
                padded.copy_within(*from..*from + channels, *to);
            }
            let (blocks, rest) = result.as_chunks_mut::<BLOCK>();
            for (at, values) in (pad..).step_by(BLOCK).zip(blocks) {
                *values = across(&padded, weights, at, channels);
            }
            for (at, value) in (pad + first..).zip(rest) {
                [*value] = across(&padded, weights, at, channels);
            }
        }
        result
    }
}

/// Sums down the columns from `at` on; each of `rows` is the pair at its distance.
#[inline(always)]
fn down<const N: usize>(rows: &[[&[u8]; 2]], weights: &[f32], at: usize) -> [f32; N] {
    let part = |row: &[u8]| -> [u8; N] { *row[at..].first_chunk().expect("a row goes on") };
    let mut sums = [0.0; N];
    for (sum, value) in sums.iter_mut().zip(&part(rows[0][0])) {
        *sum = weights[0] * f32::from(*value);
    }
    for ([above, below], weight) in rows.iter().zip(weights).skip(1) {
        let (above, below) = (part(above), part(below));
        for (sum, (above, below)) in sums.iter_mut().zip(above.iter().zip(&below)) {
            *sum += weight * f32::from(u16::from(*above) + u16::from(*below));
        }
    }
    sums
}

/// Sums along the row from `at` on, as levels.
#[inline(always)]
fn across<const N: usize>(padded: &[f32], weights: &[f32], at: usize, channels: usize) -> [u8; N] {
    let part = |at: usize| -> [f32; N] { *padded[at..].first_chunk().expect("a row goes on") };
    let mut sums = part(at);
    sums.iter_mut().for_each(|sum| *sum *= weights[0]);
    for (distance, weight) in weights.iter().enumerate().skip(1) {
        let (left, right) = (
            part(at - distance * channels),
            part(at + distance * channels),
        );
        for (sum, (left, right)) in sums.iter_mut().zip(left.iter().zip(&right)) {
            *sum += weight * (left + right);
        }
    }
    let mut levels = [0; N];
    for (level, sum) in levels.iter_mut().zip(&sums) {
        *level = nearest(*sum);
    }
    levels
}

/// From where to where pixels of a row are copied to make margins of `half` pixels on both sides.
fn margins(width: usize, channels: usize, half: usize) -> Vec<(usize, usize)> {
    let copy = |at: isize| {
        let from = half + mirrored(at, width);
        (from * channels, (half as isize + at) as usize * channels)
    };
    let both = |x: isize| [copy(-x), copy(width as isize - 1 + x)];
    (1..=half as isize).flat_map(both).collect()
}

/// The middle weight of the kernel and those on one side of it; all together they sum to 1.
fn half_kernel(sigma: f64, half: usize) -> Vec<f32> {
    let density = |distance: usize| (-0.5 * (distance as f64 / sigma).powi(2)).exp();
    let sum = 1.0 + 2.0 * (1..=half).map(density).sum::<f64>();
    (0..=half)
        .map(|distance| (density(distance) / sum) as f32)
        .collect()
}

/// The pixel that is seen at `at` of an axis of `length` > 0 pixels that is mirrored at its ends, which are not
/// repeated.
fn mirrored(at: isize, length: usize) -> usize {
    if (0..length as isize).contains(&at) {
        return at as usize;
    }
    // There and back again: 0 1 2 1 | 0 1 2 1 | …
    let period = (2 * (length as isize - 1)).max(1);
    let phase = at.rem_euclid(period);
    phase.min(period - phase).min(length as isize - 1) as usize
}

#[cfg(test)]
mod tests {
    use firebrick_core::testkit::photo;

    use super::*;

    /// With blocks of values and with what is left of a row.
    #[test]
    fn values_are_sums_of_their_neighbours() {
        let (sigma, half) = (1.7, 5);
        let weights = half_kernel(sigma, half);
        let weight = |distance: isize| f64::from(weights[distance.unsigned_abs()]);
        let reach = -(half as isize)..=half as isize;
        for (width, height, channels) in [(75, 9, 3), (33, 40, 1), (3, 2, 3)] {
            let image = photo(width, height, channels);
            let mut blurred = image.clone();
            blur(&mut blurred, sigma, 2 * half + 1);
            for (at, found) in blurred.pixels.iter().enumerate() {
                let (pixel, channel) = (at / channels, at % channels);
                let (x, y) = ((pixel % width) as isize, (pixel / width) as isize);
                let value = |right: isize, down: isize| {
                    let row = mirrored(y + down, height) * width;
                    f64::from(image.pixels[(row + mirrored(x + right, width)) * channels + channel])
                };
                let row = |down: isize| -> f64 {
                    reach
                        .clone()
                        .map(|right| weight(right) * value(right, down))
                        .sum()
                };
                let expected: f64 = reach.clone().map(|down| weight(down) * row(down)).sum();
                assert!(
                    (f64::from(*found) - expected).abs() < 0.501,
                    "{at}: {found}, {expected}"
                );
            }
        }
    }
}
