//! Resampling of 8-bit RGB pixels with weights of 16 bits: the two passes of a resize with antialiasing.
//!
//! Each value is `(Σ weight · value + half) >> precision`, cut off at 0 and 255. These are whole numbers, so the result is the
//! same on every instruction set.

#[cfg(target_arch = "x86_64")]
mod passes;
#[cfg(target_arch = "x86_64")]
mod pixels;

#[cfg(target_arch = "x86_64")]
use crate::simd::{Level, Vectors};

/// The channels of a pixel.
const CHANNELS: usize = 3;

/// The weights of the pixels along one axis.
#[derive(Debug, Clone)]
pub struct Weights {
    /// The first pixel that counts, for each pixel of the result.
    firsts: Vec<usize>,
    /// Weights of each pixel of the result, as many for all: the last ones are 0 where fewer count.
    values: Vec<i16>,
    /// How many weights a pixel of the result has: even, and a multiple of 4 unless it is 2.
    taps: usize,
    /// Bits of the fraction of a weight.
    precision: u32,
    /// The number of pixels along the axis from the first to the last that counts.
    reach: usize,
}

impl Weights {
    /// The weights of each pixel of the result, with the first pixel that counts, and the bits of their fraction.
    ///
    /// # Panics
    /// When the fraction has no bits or more than 21.
    #[must_use]
    pub fn new<'a>(
        pixels: impl Iterator<Item = (usize, &'a [i16])> + Clone,
        precision: u32,
    ) -> Self {
        assert!(
            (1..22).contains(&precision),
            "bits of a fraction: {precision}"
        );
        let most = pixels.clone().map(|(_, weights)| weights.len()).max();
        let taps = match most.unwrap_or(0) {
            0..=2 => 2,
            most => most.next_multiple_of(4),
        };
        let (mut firsts, mut values, mut reach) = (Vec::new(), Vec::new(), 0);
        for (first, weights) in pixels {
            firsts.push(first);
            values.extend_from_slice(weights);
            values.resize(firsts.len() * taps, 0);
            reach = reach.max(first + weights.len());
        }
        Self {
            firsts,
            values,
            taps,
            precision,
            reach,
        }
    }

    /// Pixels of the result.
    #[must_use]
    pub fn len(&self) -> usize {
        self.firsts.len()
    }

    /// Whether the result has no pixels.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.firsts.is_empty()
    }
}

/// A part of an image of RGB pixels.
#[derive(Debug, Clone, Copy)]
pub struct Part<'a> {
    /// The pixels of the whole image, row by row.
    pub pixels: &'a [u8],
    /// Columns of the whole image.
    pub width: usize,
    /// The first column and row of the part.
    pub first: [usize; 2],
    /// The columns and rows of the part.
    pub size: [usize; 2],
}

impl Part<'_> {
    fn check(&self) {
        let ([left, top], [columns, rows]) = (self.first, self.size);
        let inside = left + columns <= self.width
            && self.pixels.len() >= self.width * CHANNELS * (top + rows);
        assert!(inside, "resample: the part is inside the image");
    }

    /// Values from one row to the next.
    #[cfg(target_arch = "x86_64")]
    fn stride(&self) -> usize {
        self.width * CHANNELS
    }

    /// The place of the first value of a row.
    #[cfg(target_arch = "x86_64")]
    fn row(&self, row: usize) -> usize {
        (self.first[1] + row) * self.stride() + self.first[0] * CHANNELS
    }
}

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
