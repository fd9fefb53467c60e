//! The weight gradient of 1×1 convolutions: the product of two matrices, all of whose rows are pixels.
//!
//! The lanes are the channels of that side of which the weight holds neighbours, the input's, unless it has
//! so few that vectors would stay empty; the rows of a tile are channels of the other side. The sums lie in
//! the order of the weight, or the other way round, and are added up in the order in which [`super`] adds
//! its own, chunk by chunk.

use std::ops::Range;

use super::super::geometry::Conv2d;
use super::super::tile::{self, widest};
use crate::output::written;
use crate::scratch;
use crate::simd::{Simd, Task, Vectors};
use crate::threads::{Shared, for_each};

/// Pixels whose lanes' channels stay in the first-level cache.
const PIXELS: usize = 96;

/// Pieces of work that are enough for the processors that we plan for.
const PIECES: usize = 16;

/// Whether this is such a convolution.
pub(super) fn fits(conv: &Conv2d) -> bool {
    conv.kernel == [1, 1]
        && conv.stride == [1, 1]
        && conv.padding == [(0, 0); 2]
        && conv.groups == 1
}

/// For a geometry and slices that were checked, and images that have pixels; the images are summed over in
/// `chunks` parts.
pub(super) fn run(
    vectors: Vectors,
    conv: &Conv2d,
    x: &[f32],
    dy: &[f32],
    chunks: usize,
) -> Vec<f32> {
    let (inputs, outputs) = (conv.input.c, conv.output_channels);
    let each = conv.input.h * conv.input.w;
    let images = conv.input.n;
    let across = inputs < 64 && outputs > inputs;
    let [rows, lanes] = if across {
        [(x, inputs), (dy, outputs)]
    } else {
        [(dy, outputs), (x, inputs)]
    };
    let panels = panels(lanes.1.div_ceil(vectors.lanes()), vectors);
    // Rows of the tiles are cut too where there are few panels.
    let cuts = PIECES
        .div_ceil(panels.len() * chunks)
        .clamp(1, rows.1.div_ceil(24));
    let len = rows.1 * lanes.1;
    let products = |sums: Shared<f32>| {
        for_each(panels.len() * cuts * chunks, |work| {
            let (panel, rest) = (work % panels.len(), work / panels.len());
            let (cut, chunk) = (rest % cuts, rest / cuts);
            let pixels = images * chunk / chunks * each..images * (chunk + 1) / chunks * each;
            let room = PIXELS * panels[panel].len() * vectors.lanes();
            scratch::with(room, |copy| {
                vectors.dispatch(Products {
                    rows,
                    lanes,
                    panel: panels[panel].clone(),
                    some: rows.1 * cut / cuts..rows.1 * (cut + 1) / cuts,
                    pixels,
                    sums: sums.pointer().wrapping_add(chunk * len),
                    copy: copy.as_mut_ptr(),
                });
            });
        });
    };
    // SAFETY: the pieces cover all rows and lanes of each chunk.
    unsafe {
        if chunks == 1 && !across {
            return written(len, |grad| products(Shared::at(grad)));
        }
        scratch::with(chunks * len, |sums| {
            products(Shared::at(sums.as_mut_ptr()));
            let (total, others) = sums.split_at_mut(len);
            for other in others.chunks_exact(len) {
                let pairs = total.iter_mut().zip(other);
                pairs.for_each(|(sum, term)| *sum += term);
            }
            if !across {
                return total.to_vec();
            }
            // The rows are inputs.
            let mut grad = Vec::with_capacity(len);
            for output in 0..outputs {
                grad.extend((0..inputs).map(|input| total[input * outputs + output]));
            }
            grad
        })
    }
}

/// The vectors of the lanes, cut into as many as a tile is wide, and without a single one at the end where
/// that can be helped.
fn panels(vectors: usize, of: Vectors) -> Vec<Range<usize>> {
    let widest = tile::widest_of(of);
    let mut panels = Vec::new();
    let mut first = 0;
    while first < vectors {
        let left = vectors - first;
        let width = match left {
            _ if left > widest && (left - widest == 1 || left == 2 * widest - 2) => widest - 1,
            _ => left.min(widest),
        };
        panels.push(first..first + width);
        first += width;
    }
    panels
}

/// Sums over some pixels for a panel of lanes and some rows, `[row][lane]`.
struct Products<'a> {
    /// The side of the rows, and its channels.
    rows: (&'a [f32], usize),
    lanes: (&'a [f32], usize),
    panel: Range<usize>,
    some: Range<usize>,
    pixels: Range<usize>,
    sums: *mut f32,
    /// Room for `PIXELS` pixels of a panel.
    copy: *mut f32,
}

impl Task for Products<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        // SAFETY: as of this function.
        unsafe {
            if widest::<S>() == 4 {
                match self.panel.len() {
                    1 => self.panel::<S, 12, 6, 1>(),
                    2 => self.panel::<S, 12, 6, 2>(),
                    3 => self.panel::<S, 8, 4, 3>(),
                    _ => self.panel::<S, 6, 3, 4>(),
                }
            } else {
                match self.panel.len() {
                    1 => self.panel::<S, 10, 5, 1>(),
                    _ => self.panel::<S, 6, 3, 2>(),
                }
            }
        }
    }
}

impl Products<'_> {
    #[inline(always)]
    unsafe fn panel<S: Simd, const M: usize, const HALF: usize, const V: usize>(&self) {
        let (source, channels) = self.lanes;
        let first = self.panel.start * S::LANES;
        let there = (channels - first).min(V * S::LANES);
        let width = V * S::LANES;
        for start in self.pixels.clone().step_by(PIXELS) {
            let pixels = start..self.pixels.end.min(start + PIXELS);
            // The panel's channels side by side: pixels far apart in memory fall into few sets of the cache.
            for (place, pixel) in pixels.clone().enumerate() {
                // SAFETY: the pixel has these channels; the copy has room for `PIXELS` panels.
                unsafe {
                    let mut values = [S::splat(0.0); V];
                    let from = source.as_ptr().add(pixel * channels + first);
                    tile::load_some::<S, V>(from, there, &mut values);
                    let to = self.copy.add(place * width);
                    for v in 0..V {
                        S::store(to.add(v * S::LANES), values[v]);
                    }
                }
            }
            let begun = start > self.pixels.start;
            let mut row = self.some.start;
            while row < self.some.end {
                let left = self.some.end - row;
                // SAFETY: as of this function; there are these rows.
                unsafe {
                    if left <= HALF {
                        self.tile::<S, HALF, V>(pixels.clone(), (row, left), begun);
                    } else {
                        self.tile::<S, M, V>(pixels.clone(), (row, left.min(M)), begun);
                    }
                }
                row += M.min(left);
            }
        }
    }

    /// `count` rows from `row` on, which are `M` or fewer.
    #[inline(always)]
    unsafe fn tile<S: Simd, const M: usize, const V: usize>(
        &self,
        pixels: Range<usize>,
        (row, count): (usize, usize),
        begun: bool,
    ) {
        let (source, channels) = self.rows;
        let lanes = self.lanes.1;
        let first = self.panel.start * S::LANES;
        let there = (lanes - first).min(V * S::LANES);
        // SAFETY: as of the caller; what is beyond the last row is the last row again.
        unsafe {
            let to = |m: usize| self.sums.add((row + m) * lanes + first);
            let mut sums = [[S::splat(0.0); V]; M];
            if begun {
                for m in 0..M {
                    if m < count {
                        tile::load_some::<S, V>(to(m), there, &mut sums[m]);
                    }
                }
            }
            let offsets: [usize; M] = std::array::from_fn(|m| m.min(count - 1));
            let mut a = source.as_ptr().add(pixels.start * channels + row);
            let mut b = self.copy.cast_const();
            if count == M {
                for _ in pixels {
                    let columns: [S::V; V] = std::array::from_fn(|v| S::load(b.add(v * S::LANES)));
                    for m in 0..M {
                        let value = S::splat(*a.add(m));
                        for v in 0..V {
                            sums[m][v] = S::fma(value, columns[v], sums[m][v]);
                        }
                    }
                    a = a.wrapping_add(channels);
                    b = b.wrapping_add(V * S::LANES);
                }
            } else {
                for _ in pixels {
                    let columns: [S::V; V] = std::array::from_fn(|v| S::load(b.add(v * S::LANES)));
                    for m in 0..M {
                        let value = S::splat(*a.add(offsets[m]));
                        for v in 0..V {
                            sums[m][v] = S::fma(value, columns[v], sums[m][v]);
                        }
                    }
                    a = a.wrapping_add(channels);
                    b = b.wrapping_add(V * S::LANES);
                }
            }
            for m in 0..M {
                if m < count {
                    tile::store_some::<S, V>(to(m), there, &sums[m]);
                }
            }
        }
    }
}
