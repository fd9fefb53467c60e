//! Brightness, as `color_jitter` and the policies change it: torchvision's `adjust_brightness`, bit for bit that of
//! Pillow's `ImageEnhance.Brightness`.

use firebrick_core::data::Image;

use super::blend::blend_all;

/// Multiplies every value by `factor` (0: black, 1: as it is), cut off at 255.
pub fn brightness(image: &mut Image, factor: f64) {
    blend_all(0, &mut image.pixels, factor as f32);
}
