//! Resampling of 8-bit RGB pixels with weights of 16 bits: the two passes of a resize with antialiasing.
//!
//! Each value is `(Σ weight · value + half) >> precision`, cut off at 0 and 255. These are whole numbers, so the result is the
//! same on every instruction set.

mod part;
#[cfg(target_arch = "x86_64")]
mod passes;
#[cfg(target_arch = "x86_64")]
mod pixels;
mod weights;

pub use part::Part;
pub use weights::Weights;

#[cfg(target_arch = "x86_64")]
use crate::simd::{Level, Vectors};

/// Resamples each row of the part; `None` where the instruction set in use has no code for it.
///
/// # Panics
/// When the part is not inside the image, or pixels beyond it count.
#[must_use]
pub fn across(part: Part<'_>, weights: &Weights) -> Option<Vec<u8>> {
    part.check();
    assert!(
        weights.reach <= part.size[0],
        "resample: the pixels that count are inside"
    );
    #[cfg(target_arch = "x86_64")]
    match Vectors::in_use().level() {
        // SAFETY: the processor has what the level says; the part and the reach have been checked.
        Level::Avx512 => return Some(unsafe { passes::across_avx512(part, weights) }),
        // SAFETY: as above.
        Level::Avx2 => return Some(unsafe { passes::across_avx2(part, weights) }),
        _ => (),
    }
    None
}

/// Resamples each column of the part; `None` where the instruction set in use has no code for it.
///
/// # Panics
/// As [`across`].
#[must_use]
pub fn down(part: Part<'_>, weights: &Weights) -> Option<Vec<u8>> {
    part.check();
    assert!(
        weights.reach <= part.size[1],
        "resample: the pixels that count are inside"
    );
    #[cfg(target_arch = "x86_64")]
    match Vectors::in_use().level() {
        // SAFETY: the processor has what the level says; the part and the reach have been checked.
        Level::Avx512 => return Some(unsafe { passes::down_avx512(part, weights) }),
        // SAFETY: as above.
        Level::Avx2 => return Some(unsafe { passes::down_avx2(part, weights) }),
        _ => (),
    }
    None
}
