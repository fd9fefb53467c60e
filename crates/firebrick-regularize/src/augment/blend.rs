//! Mixes two values as Pillow's `Image.blend` does, which is what brightness, contrast, saturation and sharpness
//! are made of.

use firebrick_core::kernels::wide;

use super::rounding::cut_off;

/// `from + alpha · (to − from)` in single precision, cut off below 0 and above 255, and its fraction cut off.
///
/// `alpha` is 0 for `from`, 1 for `to`, and above 1 for more of `to` than there is.
#[inline(always)]
pub(super) fn blend(from: u8, to: u8, alpha: f32) -> u8 {
    let from = f32::from(from);
    cut_off(from + alpha * (f32::from(to) - from))
}

wide! {
    /// Mixes every value with the same one.
    pub(super) fn blend_all(from: u8, values: &mut [u8], alpha: f32) {
        for value in values {
            *value = blend(from, *value, alpha);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_are_exact_and_the_rest_is_cut_off() {
        for value in 0..=255 {
            assert_eq!(blend(77, value, 1.0), value);
            assert_eq!(blend(value, 77, 0.0), value);
        }
        assert_eq!(blend(0, 255, 0.5), 127, "127.5");
        assert_eq!((blend(0, 200, 2.0), blend(100, 0, 2.0)), (255, 0));
        let mut all: Vec<u8> = (0..=255).collect();
        blend_all(100, &mut all, 1.7);
        assert!(
            (0..=255)
                .zip(all)
                .all(|(value, found)| found == blend(100, value, 1.7))
        );
    }
}
