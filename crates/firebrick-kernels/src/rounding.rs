//! Rounding that becomes vectors.

/// `value as u8`: the fraction is cut off, and what lies below 0 or above 255; 0 of NaN.
///
/// ```
/// use firebrick_kernels::rounding::cut_off;
/// assert_eq!([-3.0, 0.99, 254.9, 1e9, f32::NAN].map(cut_off), [0, 0, 254, 255, 0]);
/// ```
#[inline(always)]
#[must_use]
pub fn cut_off(value: f32) -> u8 {
    let value = if value > 0.0 { value } else { 0.0 };
    let value = if value < 255.0 { value } else { 255.0 };
    // SAFETY: it lies between 0 and 255.
    let whole: i32 = unsafe { value.to_int_unchecked() };
    whole as u8
}
