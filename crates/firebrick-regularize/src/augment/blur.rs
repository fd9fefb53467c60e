//! `blur`: blurs with a Gaussian; torchvision's `GaussianBlur`.
//!
//! Differs from torchvision: the two axes are blurred one after the other, which rounds a value that lies half-way
//! between two levels differently once in a while (by one level, less than one value in a thousand); an image may
//! be smaller than the kernel, and is then mirrored back and forth.

use firebrick_core::ConfigError;
use firebrick_core::about::{About, Field, Range};
use firebrick_core::data::Subject;
use firebrick_core::image::{Image, Size};
use firebrick_core::random::HostRng;
use serde::{Deserialize, Serialize};

use super::augmentation::Augmentation;
use super::interval::Interval;

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
    let (half, channels) = (taps / 2, image.channels);
    let row_length = image.width * channels;
    let pad = half * channels;
    let mut blurred = Vec::with_capacity(image.pixels.len());
    // A row that is blurred vertically, with a mirrored margin at both ends.
    let mut padded = vec![0_f32; row_length + 2 * pad];
    let mut sums = vec![0_f32; row_length];
    let row = |at: isize| &image.pixels[mirrored(at, image.height) * row_length..][..row_length];
    for y in 0..image.height as isize {
        let inner = &mut padded[pad..pad + row_length];
        for (sum, value) in inner.iter_mut().zip(row(y)) {
            *sum = weights[0] * f32::from(*value);
        }
        for (distance, weight) in (1..).zip(&weights[1..]) {
            let pairs = row(y - distance).iter().zip(row(y + distance));
            for (sum, (above, below)) in inner.iter_mut().zip(pairs) {
                *sum += weight * f32::from(u16::from(*above) + u16::from(*below));
            }
        }
        for x in 1..=half as isize {
            for (to, from) in [
                (-x, -x),
                (image.width as isize - 1 + x, image.width as isize - 1 + x),
            ] {
                let from = pad + mirrored(from, image.width) * channels;
                let to = (half as isize + to) as usize * channels;
                padded.copy_within(from..from + channels, to);
            }
        }
        for (sum, value) in sums.iter_mut().zip(&padded[pad..]) {
            *sum = weights[0] * value;
        }
        for (distance, weight) in (1..).zip(&weights[1..]) {
            let left = &padded[pad - distance * channels..];
            let right = &padded[pad + distance * channels..];
            for (sum, (left, right)) in sums.iter_mut().zip(left.iter().zip(right)) {
                *sum += weight * (left + right);
            }
        }
        blurred.extend(sums.iter().map(|sum| sum.round_ties_even() as u8));
    }
    image.pixels = blurred;
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
    // There and back again: 0 1 2 1 | 0 1 2 1 | …
    let period = (2 * (length as isize - 1)).max(1);
    let phase = at.rem_euclid(period);
    phase.min(period - phase).min(length as isize - 1) as usize
}
