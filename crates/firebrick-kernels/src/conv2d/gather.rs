//! A grid of result pixels, each a sum over taps into a source: what forward pass and input gradient
//! have in common.

use super::epilogue::Epilogue;
use super::taps::Tap;
use crate::Image;
use crate::simd::Vectors;

/// A grid of result pixels, each a sum over taps into a source.
pub(super) struct Gather<'a> {
    pub(super) vectors: Vectors,
    pub(super) source: &'a [f32],
    pub(super) image: Image,
    pub(super) taps: &'a [Tap],
    /// Distance in the source between neighbours of the grid.
    pub(super) step: [usize; 2],
    /// Rows and columns of result pixels in each image.
    pub(super) grid: [usize; 2],
    pub(super) result: *mut f32,
    pub(super) result_image: Image,
    /// The result's pixel of the grid's first.
    pub(super) origin: [usize; 2],
    /// Distance in the result between neighbours of the grid.
    pub(super) spread: [usize; 2],
    pub(super) groups: usize,
    /// As `slabs` writes them.
    pub(super) slabs: &'a [f32],
    /// The same for Winograd's way, where that was done before.
    pub(super) transformed: Option<&'a [f32]>,
    pub(super) epilogue: Epilogue<'a>,
}

// SAFETY: `result` is written at pixels that belong to one task each.
unsafe impl Sync for Gather<'_> {}
