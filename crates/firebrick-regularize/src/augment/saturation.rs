//! Saturation, as `color_jitter` and the policies change it: torchvision's `adjust_saturation`, bit for bit that of
//! Pillow's `ImageEnhance.Color`.

use firebrick_core::image::{Image, luma};

use super::blend::blend;

/// Moves every colour away from its own luma by `factor` (0: no colour, 1: as it is). A grey image stays as it is.
pub fn saturation(image: &mut Image, factor: f64) {
    if image.channels != 3 {
        return;
    }
    let factor = factor as f32;
    for pixel in image.pixels.chunks_exact_mut(3) {
        let luma = luma(pixel);
        for value in pixel {
            *value = blend(luma, *value, factor);
        }
    }
}
