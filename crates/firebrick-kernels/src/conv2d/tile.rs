//! The innermost loops: a tile of the result in registers.

use crate::simd::Simd;

/// Vectors of columns that a tile of one instruction set is wide at most.
pub(super) const fn widest<S: Simd>() -> usize {
    if S::REGISTERS >= 32 { 4 } else { 2 }
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
