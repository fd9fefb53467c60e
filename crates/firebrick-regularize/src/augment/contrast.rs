//! Contrast, as `color_jitter` and the policies change it: torchvision's `adjust_contrast`, bit for bit that of
//! Pillow's `ImageEnhance.Contrast`.

use firebrick_core::image::{Image, luma};
use firebrick_core::kernels::wide;

use super::blend::blend_all;
use super::planes::{self, BLOCK, Plane};

/// Moves every value away from the image's mean luma by `factor` (0: all grey, 1: as it is).
pub fn contrast(image: &mut Image, factor: f64) {
    let mean = mean_luma(image);
    blend_all(mean, &mut image.pixels, factor as f32);
}

/// The mean luma of an image, rounded half up; 0 of an image without pixels.
fn mean_luma(image: &Image) -> u8 {
    if image.channels == 3 {
        let (pixels, _) = image.pixels.as_chunks();
        mean(sum_of_lumas(pixels), pixels.len())
    } else {
        mean(sum(&image.pixels), image.pixels.len())
    }
}

/// The mean of so many levels, rounded half up.
pub(super) fn mean(sum: u64, count: usize) -> u8 {
    (sum as f64 / count.max(1) as f64 + 0.5) as u8
}

/// As many values as a sum of 32 bits has room for.
const PART: usize = 1 << 16;

wide! {
    pub(super) fn sum_of_lumas(pixels: &[[u8; 3]]) -> u64 {
        let (blocks, rest) = pixels.as_chunks::<BLOCK>();
        let mut sum: u64 = rest.iter().map(|pixel| u64::from(luma(pixel))).sum();
        for block in blocks {
            sum += u64::from(sum_of_block(&planes::of(block)));
        }
        sum
    }
}

/// The sum of the lumas of some pixels.
#[inline(always)]
pub(super) fn sum_of_block([reds, greens, blues]: &[Plane; 3]) -> u32 {
    let mut lumas = [0_u32; BLOCK];
    let colours = reds.iter().zip(greens).zip(blues);
    for (sum, ((red, green), blue)) in lumas.iter_mut().zip(colours) {
        *sum = u32::from(luma(&[*red, *green, *blue]));
    }
    lumas.iter().sum()
}

wide! {
    fn sum(values: &[u8]) -> u64 {
        let mut sum = 0;
        for values in values.chunks(PART) {
            sum += u64::from(values.iter().copied().map(u32::from).sum::<u32>());
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_half_is_rounded_up() {
        let mean = |channels: usize, pixels: &[u8]| {
            mean_luma(&Image {
                pixels: pixels.to_vec(),
                ..Image::black(pixels.len() / channels, 1, channels)
            })
        };
        assert_eq!(mean(1, &[1, 2]), 2);
        assert_eq!(mean(3, &[1, 1, 1, 2, 2, 2]), 2);
        assert_eq!((mean(3, &[]), mean(1, &[])), (0, 0));
    }

    #[test]
    fn a_large_image_has_a_mean_too() {
        let white = vec![255; 3 * (PART + 100)];
        assert_eq!(sum(&white), 255 * white.len() as u64);
        let (pixels, _) = white.as_chunks();
        assert_eq!(sum_of_lumas(pixels), 255 * pixels.len() as u64);
    }
}
