//! The innermost loops: a tile of the result in registers.

use std::ops::Range;

use crate::simd::{Simd, Task, Vectors};

/// Vectors of columns that a tile of one instruction set is wide at most.
pub(super) const fn widest<S: Simd>() -> usize {
    if S::REGISTERS >= 32 { 4 } else { 2 }
}

/// [`widest`] of the instruction set of an operation.
pub(super) fn widest_of(vectors: Vectors) -> usize {
    struct Widest;
    impl Task for Widest {
        type Output = usize;
        #[inline(always)]
        unsafe fn run<S: Simd>(self) -> usize {
            widest::<S>()
        }
    }
    vectors.dispatch(Widest)
}

/// A run of the sum: `len` elements of each row from `offset` on, and of the slab from `slab` on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run {
    pub(super) offset: isize,
    pub(super) slab: usize,
    pub(super) len: usize,
}

/// The product of `M` rows, each a pointer that the runs are relative to, with a slab of
/// `V · LANES` columns, added to `sums`.
///
/// # Safety
/// Every run of every row and of the slab can be read.
#[inline(always)]
pub(super) unsafe fn rows<S: Simd, const M: usize, const V: usize>(
    rows: &[*const f32; M],
    runs: &[Run],
    slab: *const f32,
    sums: &mut [[S::V; V]; M],
) {
    // SAFETY: as of this function.
    unsafe {
        for run in runs {
            let start: [*const f32; M] =
                std::array::from_fn(|m| rows[m].wrapping_offset(run.offset));
            let mut slab = slab.add(run.slab * V * S::LANES);
            for k in 0..run.len {
                let columns: [S::V; V] = std::array::from_fn(|v| S::load(slab.add(v * S::LANES)));
                slab = slab.add(V * S::LANES);
                for m in 0..M {
                    let value = S::splat(*start[m].add(k));
                    for v in 0..V {
                        sums[m][v] = S::fma(value, columns[v], sums[m][v]);
                    }
                }
            }
        }
    }
}

/// The product of `M` rows with a slab of `V · LANES` columns, over a range of the rows' elements.
///
/// # Safety
/// All of them can be read.
#[inline(always)]
pub(super) unsafe fn sums<S: Simd, const M: usize, const V: usize>(
    rows: &[*const f32; M],
    range: Range<usize>,
    slab: *const f32,
) -> [[S::V; V]; M] {
    let run = Run {
        offset: range.start as isize,
        slab: range.start,
        len: range.len(),
    };
    // SAFETY: as of this function.
    unsafe {
        let mut sums = [[S::splat(0.0); V]; M];
        self::rows::<S, M, V>(rows, &[run], slab, &mut sums);
        sums
    }
}

/// a += b.
///
/// # Safety
/// The processor has `S`.
#[inline(always)]
pub(super) unsafe fn add<S: Simd, const M: usize, const V: usize>(
    a: &mut [[S::V; V]; M],
    b: &[[S::V; V]; M],
) {
    for m in 0..M {
        for v in 0..V {
            // SAFETY: as of this function.
            a[m][v] = unsafe { S::add(a[m][v], b[m][v]) };
        }
    }
}

/// Stores the first `there` rows one after the other.
///
/// # Safety
/// They can be written, and the processor has `S`.
#[inline(always)]
pub(super) unsafe fn store<S: Simd, const M: usize, const V: usize>(
    sums: &[[S::V; V]; M],
    to: *mut f32,
    there: usize,
) {
    for m in 0..M {
        if m < there {
            for v in 0..V {
                // SAFETY: as of this function.
                unsafe { S::store(to.add((m * V + v) * S::LANES), sums[m][v]) };
            }
        }
    }
}

/// Adds the first `there` rows to those that are stored.
///
/// # Safety
/// As of [`store`].
#[inline(always)]
pub(super) unsafe fn add_to<S: Simd, const M: usize, const V: usize>(
    sums: &[[S::V; V]; M],
    to: *mut f32,
    there: usize,
) {
    for m in 0..M {
        if m < there {
            for v in 0..V {
                // SAFETY: as of this function.
                unsafe {
                    let to = to.add((m * V + v) * S::LANES);
                    S::store(to, S::add(S::load(to), sums[m][v]));
                }
            }
        }
    }
}

/// Where the two factors of an outer product are, and how far it goes on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    pub(super) a: usize,
    pub(super) b: usize,
    pub(super) len: usize,
}

/// Adds to `sums` the outer products of `M` elements at `a` and `V` vectors at `b`, over the
/// span's steps of `a_step` and `b_step` elements, for every span.
///
/// # Safety
/// Everything named can be read.
#[inline(always)]
pub(super) unsafe fn outer<S: Simd, const M: usize, const V: usize>(
    (a, a_step): (*const f32, usize),
    (b, b_step): (*const f32, usize),
    spans: &[Span],
    sums: &mut [[S::V; V]; M],
) {
    // SAFETY: as of this function.
    unsafe {
        for span in spans {
            let (mut a, mut b) = (a.add(span.a), b.add(span.b));
            for _ in 0..span.len {
                let columns: [S::V; V] = std::array::from_fn(|v| S::load(b.add(v * S::LANES)));
                for m in 0..M {
                    let value = S::splat(*a.add(m));
                    for v in 0..V {
                        sums[m][v] = S::fma(value, columns[v], sums[m][v]);
                    }
                }
                a = a.wrapping_add(a_step);
                b = b.wrapping_add(b_step);
            }
        }
    }
}

/// Loads the first `there` elements of a row, zeros behind them.
///
/// # Safety
/// They can be read, and the processor has `S`.
#[inline(always)]
pub(super) unsafe fn load_some<S: Simd, const V: usize>(
    from: *const f32,
    there: usize,
    to: &mut [S::V; V],
) {
    // SAFETY: as of this function.
    unsafe {
        if there == V * S::LANES {
            for v in 0..V {
                to[v] = S::load(from.add(v * S::LANES));
            }
        } else {
            for v in 0..V {
                let count = there.saturating_sub(v * S::LANES).min(S::LANES);
                to[v] = S::load_first(from.add(v * S::LANES), count);
            }
        }
    }
}

/// Stores the first `there` elements of a row.
///
/// # Safety
/// They can be written, and the processor has `S`.
#[inline(always)]
pub(super) unsafe fn store_some<S: Simd, const V: usize>(
    to: *mut f32,
    there: usize,
    from: &[S::V; V],
) {
    // SAFETY: as of this function.
    unsafe {
        if there == V * S::LANES {
            for v in 0..V {
                S::store(to.add(v * S::LANES), from[v]);
            }
        } else {
            for v in 0..V {
                let count = there.saturating_sub(v * S::LANES).min(S::LANES);
                S::store_first(to.add(v * S::LANES), from[v], count);
            }
        }
    }
}
