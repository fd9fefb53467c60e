//! Contrast, as `color_jitter` and the policies change it: torchvision's `adjust_contrast`, bit for bit that of
//! Pillow's `ImageEnhance.Contrast`.

use firebrick_core::image::{Image, luma};

use super::blend::blend;
use super::table::{replace, table};

/// Moves every value away from the image's mean luma by `factor` (0: all grey, 1: as it is).
pub fn contrast(image: &mut Image, factor: f64) {
    let (mean, factor) = (mean_luma(image), factor as f32);
    replace(image, &table(|value| blend(mean, value, factor)));
}

/// The mean luma of an image, rounded half up; 0 of an image without pixels.
fn mean_luma(image: &Image) -> u8 {
    let (sum, count): (u64, usize) = if image.channels == 3 {
        let lumas = image.pixels.chunks_exact(3).map(luma);
        (lumas.map(u64::from).sum(), image.pixels.len() / 3)
    } else {
        (
            image.pixels.iter().copied().map(u64::from).sum(),
            image.pixels.len(),
        )
    };
    (sum as f64 / count.max(1) as f64 + 0.5) as u8
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
}
