//! Brightness, as `color_jitter` and the policies change it: torchvision's `adjust_brightness`, bit for bit that of
//! Pillow's `ImageEnhance.Brightness`.

use firebrick_core::data::Image;

use super::blend::blend;
use super::table::{replace, table};

/// Multiplies every value by `factor` (0: black, 1: as it is), cut off at 255.
pub fn brightness(image: &mut Image, factor: f64) {
    let factor = factor as f32;
    replace(image, &table(|value| blend(0, value, factor)));
}
