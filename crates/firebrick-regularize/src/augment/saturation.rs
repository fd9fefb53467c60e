//! Saturation, as `color_jitter` and the policies change it: torchvision's `adjust_saturation`, bit for bit that of
//! Pillow's `ImageEnhance.Color`.

use firebrick_core::image::{Image, luma};
use firebrick_core::kernels::wide;

use super::blend::blend;
use super::planes::{self, Colours, Plane};

/// Moves every colour away from its own luma by `factor` (0: no colour, 1: as it is). A grey image stays as it is.
pub fn saturation(image: &mut Image, factor: f64) {
    if image.channels != 3 {
        return;
    }
    saturate(image.pixels.as_chunks_mut().0, factor as f32);
}

wide! {
    fn saturate(pixels: &mut [[u8; 3]], factor: f32) {
        planes::change(pixels, &Saturate { factor });
    }
}

/// [`saturation`] of some pixels.
pub(super) struct Saturate {
    pub(super) factor: f32,
}

impl Colours for Saturate {
    #[inline(always)]
    fn change(&self, [reds, greens, blues]: &mut [Plane; 3]) {
        for ((red, green), blue) in reds.iter_mut().zip(greens).zip(blues) {
            let luma = luma(&[*red, *green, *blue]);
            for value in [red, green, blue] {
                *value = blend(luma, *value, self.factor);
            }
        }
    }
}
