//! Slabs of 1×1 kernels. Such a weight is a matrix: its rows are copied vector by vector, or square by
//! square where the result's channels are its rows.

use std::ops::Range;

use super::super::tile::{self, widest};
use crate::simd::{Simd, Task, Vectors};
use crate::threads::{Shared, for_each};

/// Rows of the matrix that are read side by side.
const ROWS: usize = 16;

/// Summed channels in a piece of work where the rows are the result's channels.
const DEPTH: usize = 256;

/// A matrix, and where its slabs go: `[panel][summed channel][lane]`.
#[derive(Clone, Copy)]
pub(super) struct Matrix<'a> {
    pub(super) weight: &'a [f32],
    /// The result's channels, and those that are summed over.
    pub(super) columns: usize,
    pub(super) sum: usize,
    /// Room for all panels.
    pub(super) slabs: Shared<f32>,
}

impl Matrix<'_> {
    /// From `[sum, columns]`.
    ///
    /// # Safety
    /// There is room for the slabs, and nobody else writes there.
    pub(super) unsafe fn by_sum(self, vectors: Vectors) {
        assert_eq!(self.weight.len(), self.columns * self.sum, "a matrix");
        for_each(self.sum.div_ceil(ROWS), |piece| {
            let start = piece * ROWS;
            let rows = start..self.sum.min(start + ROWS);
            vectors.dispatch(Rows { matrix: self, rows });
        });
    }

    /// From `[columns, sum]`.
    ///
    /// # Safety
    /// As of [`Self::by_sum`].
    pub(super) unsafe fn by_column(self, vectors: Vectors) {
        assert_eq!(self.weight.len(), self.columns * self.sum, "a matrix");
        let panel = tile::widest_of(vectors) * vectors.lanes();
        let pieces = self.sum.div_ceil(DEPTH);
        for_each(self.columns.div_ceil(panel) * pieces, |work| {
            let start = work % pieces * DEPTH;
            vectors.dispatch(Squares {
                matrix: self,
                first: work / pieces * panel,
                depth: start..self.sum.min(start + DEPTH),
            });
        });
    }

    /// Lanes of the panel that begins at a column, and where it begins in the slabs.
    #[inline(always)]
    fn panel<S: Simd>(&self, first: usize) -> (usize, *mut f32) {
        let left = (self.columns - first).next_multiple_of(S::LANES);
        let to = self.slabs.pointer().wrapping_add(first * self.sum);
        (left.min(widest::<S>() * S::LANES), to)
    }
}

/// Some rows, each of one summed channel.
struct Rows<'a> {
    matrix: Matrix<'a>,
    rows: Range<usize>,
}

impl Task for Rows<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let matrix = &self.matrix;
        for first in (0..matrix.columns).step_by(widest::<S>() * S::LANES) {
            let (width, to) = matrix.panel::<S>(first);
            for row in self.rows.clone() {
                for lane in (0..width).step_by(S::LANES) {
                    let column = first + lane;
                    let count = (matrix.columns - column).min(S::LANES);
                    // SAFETY: the row has these columns, and the slab this row.
                    unsafe {
                        let from = matrix.weight.as_ptr().add(row * matrix.columns + column);
                        S::store(to.add(row * width + lane), S::load_some(from, count));
                    }
                }
            }
        }
    }
}

/// Some summed channels of a panel, each row of one of the result's channels.
struct Squares<'a> {
    matrix: Matrix<'a>,
    /// The panel's first column.
    first: usize,
    depth: Range<usize>,
}

impl Task for Squares<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let matrix = &self.matrix;
        let (width, to) = matrix.panel::<S>(self.first);
        for lane in (0..width).step_by(S::LANES) {
            let column = self.first + lane;
            let there = (matrix.columns - column).min(S::LANES);
            for start in self.depth.clone().step_by(S::LANES) {
                let count = (self.depth.end - start).min(S::LANES);
                // SAFETY: the rows have these summed channels, and the slab these lanes.
                unsafe {
                    let mut square = [S::splat(0.0); 16];
                    for row in 0..S::LANES {
                        if row < there {
                            let from = (column + row) * matrix.sum + start;
                            square[row] = S::load_some(matrix.weight.as_ptr().add(from), count);
                        }
                    }
                    transpose::<S>(&mut square);
                    for row in 0..S::LANES {
                        if row < count {
                            S::store(to.add((start + row) * width + lane), square[row]);
                        }
                    }
                }
            }
        }
    }
}

/// Makes rows of columns: the lanes of two halves in turn, as often as a vector can be halved.
///
/// # Safety
/// The processor has `S`.
#[inline(always)]
unsafe fn transpose<S: Simd>(square: &mut [S::V; 16]) {
    let half = S::LANES / 2;
    for _ in 0..S::LANES.trailing_zeros() {
        let mut dealt = *square;
        for row in 0..half {
            // SAFETY: as of this function.
            let [even, odd] = unsafe { S::interleave(square[row], square[row + half]) };
            (dealt[2 * row], dealt[2 * row + 1]) = (even, odd);
        }
        *square = dealt;
    }
}
