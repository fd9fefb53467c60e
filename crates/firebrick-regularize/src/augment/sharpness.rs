//! `sharpness`: sharpens or smooths; torchvision's `RandomAdjustSharpness` on PIL images, bit for bit that of
//! Pillow's `ImageEnhance.Sharpness`.

use firebrick_core::ConfigError;
use firebrick_core::about::{About, Field, Range};
use firebrick_core::data::Subject;
use firebrick_core::image::{Image, Size};
use firebrick_core::kernels::wide;
use firebrick_core::random::HostRng;
use serde::{Deserialize, Serialize};

use super::augmentation::Augmentation;
use super::blend::blend;
use super::interval::Interval;

/// Configuration of `sharpness`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sharpness {
    /// 0 smooths, 1 changes nothing, 2 sharpens; `[low, high]` is drawn from.
    pub factor: Interval,
}

impl Default for Sharpness {
    fn default() -> Self {
        Self {
            factor: Interval::of(2.0),
        }
    }
}

/// What [`Sharpness`] drew.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SharpnessParams {
    /// The factor.
    pub factor: f64,
}

impl Augmentation for Sharpness {
    const ABOUT: About = About::new(
        "sharpness",
        "sharpens the image (factor above 1) or smooths it (below 1)",
        &[Field::new("factor", Range::NotNegative)],
    )
    .source("torchvision's RandomAdjustSharpness; Pillow's ImageEnhance.Sharpness");
    const PROB: f64 = 0.5;
    const PROB_FIRST: bool = false;
    type Params = SharpnessParams;

    fn check(&self) -> Result<(), ConfigError> {
        self.factor.check("sharpness", "factor")
    }

    fn sample(&self, _: Size, _: &Subject, rng: &mut HostRng) -> SharpnessParams {
        SharpnessParams {
            factor: self.factor.fixed().draw(rng),
        }
    }

    fn apply(&self, mut image: Image, params: &SharpnessParams) -> Image {
        sharpness(&mut image, params.factor);
        image
    }
}

/// Moves every value away from the mean of its 3×3 neighbourhood, in which it counts five times, by `factor`
/// (0: smoothed, 1: as it is, 2: sharpened). The outermost pixels, and images with a side of less than 3, stay as
/// they are.
pub fn sharpness(image: &mut Image, factor: f64) {
    if image.width < 3 || image.height < 3 {
        return;
    }
    let channels = image.channels;
    sharpen(
        &mut image.pixels,
        image.width * channels,
        channels,
        factor as f32,
    );
}

wide! {
    fn sharpen(pixels: &mut [u8], row_length: usize, channels: usize, factor: f32) {
        // The row above and this one before they were changed; the one below is still as it was.
        let mut above = pixels[..row_length].to_vec();
        let mut row = vec![0_u8; row_length];
        let mut columns = vec![0_u16; row_length];
        for y in 1..pixels.len() / row_length - 1 {
            let (upper, lower) = pixels.split_at_mut((y + 1) * row_length);
            let (out, below) = (&mut upper[y * row_length..], &lower[..row_length]);
            row.copy_from_slice(out);
            for (((sum, above), here), below) in columns.iter_mut().zip(&above).zip(&row).zip(below) {
                *sum = u16::from(*above) + u16::from(*here) + u16::from(*below);
            }
            let (left, middle, right) = (&columns[..], &columns[channels..], &columns[2 * channels..]);
            let inner = out[channels..row_length - channels].iter_mut();
            let sums = left.iter().zip(middle).zip(right).zip(&row[channels..]);
            for (value, (((left, middle), right), here)) in inner.zip(sums) {
                // Of 13 in all, rounded.
                let sum = left + middle + right + 4 * u16::from(*here);
                *value = blend(((2 * sum + 13) / 26) as u8, *here, factor);
            }
            std::mem::swap(&mut above, &mut row);
        }
    }
}
