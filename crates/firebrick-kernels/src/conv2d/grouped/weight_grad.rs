//! The weight gradient, tile by tile.

use std::ops::Range;

use super::super::geometry::Conv2d;
use super::spread::{Places, Several, Single, Spread, Whole};
use super::tiles::{Columns, Form, Pair, Plain, Reach, Room, Strided, Tiling};
use super::weights::{self, first_channel};
use crate::output::written;
use crate::scratch;
use crate::simd::{Simd, Task, Vectors};
use crate::threads::{Shared, for_each};

/// Vectors of channels of a piece of work at most, and pieces that are enough for the processors that we
/// plan for.
const VECTORS: usize = 16;
const PIECES: usize = 16;

/// For a geometry and slices that were checked.
pub(in super::super) fn weight_grad(
    vectors: Vectors,
    conv: &Conv2d,
    x: &[f32],
    dy: &[f32],
) -> Vec<f32> {
    let output = conv.output();
    if output.is_empty() || conv.input.is_empty() {
        return vec![0.0; conv.weight_len()];
    }
    let form = match conv.stride {
        [1, _] => Form::Plain,
        _ => Form::Strided,
    };
    let before = conv.padding.map(|(before, _)| before as isize);
    let images = [conv.input, output];
    let tiling = Tiling::new(vectors, form, conv.kernel[0], before, images);
    // A cut that depends on shapes alone, and so does the order of every sum.
    let lanes = vectors.lanes();
    let (count, rows) = (conv.input.c.div_ceil(lanes), output.n * tiling.pairs);
    let cuts = count.div_ceil(VECTORS);
    let chunks = PIECES.div_ceil(cuts).clamp(1, rows.div_ceil(4));
    let len = weights::len(conv, vectors);
    let each = len / count;
    scratch::with(chunks * len, |sums| {
        let shared = Shared::new(sums);
        for_each(chunks * cuts, |work| {
            let (cut, chunk) = (work % cuts, work / cuts);
            let some = cut * VECTORS..count.min((cut + 1) * VECTORS);
            // SAFETY: each piece of work has its own part.
            let sums = unsafe { shared.part(chunk * len + some.start * each, some.len() * each) };
            vectors.dispatch(Products {
                tiling: &tiling,
                inputs: conv.group_inputs(),
                x,
                dy,
                vectors: some,
                rows: rows * chunk / chunks..rows * (chunk + 1) / chunks,
                sums,
            });
        });
        // SAFETY: the vectors cover all channels.
        unsafe {
            written(conv.weight_len(), |grad| {
                let grad = Shared::at(grad);
                for_each(cuts, |cut| {
                    for vector in cut * VECTORS..count.min((cut + 1) * VECTORS) {
                        // SAFETY: the work on this vector is over; the channels that two vectors share
                        // are written by the one before the last alone.
                        let mut parts =
                            (0..chunks).map(|chunk| shared.part(chunk * len + vector * each, each));
                        if let Some(total) = parts.next() {
                            for part in parts {
                                let pairs = total.iter_mut().zip(part);
                                pairs.for_each(|(sum, term)| *sum += *term);
                            }
                            collect(conv, (vector, lanes), total, &grad);
                        }
                    }
                });
            })
        }
    })
}

/// Writes the sums of a vector in the weight's order.
///
/// # Safety
/// The weight's elements of these channels can be written.
unsafe fn collect(
    conv: &Conv2d,
    (vector, lanes): (usize, usize),
    sums: &[f32],
    grad: &Shared<f32>,
) {
    let (group, area) = (conv.group_inputs(), conv.taps());
    let first = first_channel(vector, lanes, conv.input.c);
    for lane in vector * lanes - first..lanes {
        // SAFETY: as of this function.
        let to = unsafe { grad.part((first + lane) * group * area, group * area) };
        for (to, sum) in to.iter_mut().zip(sums[lane..].iter().step_by(lanes)) {
            *to = *sum;
        }
    }
}

/// Sums of products over some pairs of rows of the output, `[vector][channel of the group][tap][lane]`.
struct Products<'a> {
    tiling: &'a Tiling,
    /// Channels of a group.
    inputs: usize,
    x: &'a [f32],
    dy: &'a [f32],
    vectors: Range<usize>,
    /// Counted through all images.
    rows: Range<usize>,
    sums: &'a mut [f32],
}

impl Task for Products<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        self.sums.fill(0.0);
        // SAFETY: as of this function.
        unsafe {
            match (self.inputs, self.tiling.kernel) {
                (1, 3) => self.formed::<S, _, 3>(Single),
                (1, 5) => self.formed::<S, _, 5>(Single),
                (1, _) => self.formed::<S, _, 7>(Single),
                (count, _) if count.is_multiple_of(S::LANES) => {
                    self.formed::<S, _, 3>(Whole(count));
                }
                (count, _) => self.formed::<S, _, 3>(Several(&Places::new(count))),
            }
        }
    }
}

impl Products<'_> {
    #[inline(always)]
    unsafe fn formed<S: Simd, P: Spread<S>, const K: usize>(&self, spread: P) {
        // SAFETY: as of this function.
        unsafe {
            match self.tiling.form {
                Form::Plain => self.walk::<S, P, Plain, K>(spread),
                _ => self.walk::<S, P, Strided, K>(spread),
            }
        }
    }

    #[inline(always)]
    unsafe fn walk<S: Simd, P: Spread<S>, F: Reach, const K: usize>(&self, spread: P) {
        let tiling = self.tiling;
        for row in self.rows.clone() {
            let (image, pair) = (row / tiling.pairs, tiling.pair(row % tiling.pairs));
            for columns in &tiling.columns {
                let tile = Tile {
                    products: self,
                    image,
                    pair,
                    columns,
                };
                // SAFETY: as of this function.
                unsafe { tile.run::<S, P, F, K>(spread) };
            }
        }
    }
}

struct Tile<'a> {
    products: &'a Products<'a>,
    image: usize,
    pair: Pair,
    columns: &'a Columns,
}

impl Tile<'_> {
    /// Where the input and the gradient of the tile begin, in elements; outside for what is not read.
    fn starts(&self) -> [isize; 2] {
        let Tiling { from, to, .. } = self.products.tiling;
        let (pair, columns) = (&self.pair, self.columns);
        let x = (self.image * from.h) as isize + pair.source;
        let dy = (self.image * to.h) as isize + pair.result;
        [
            (x * from.w as isize + columns.source) * from.c as isize,
            (dy * to.w as isize + columns.result) * to.c as isize,
        ]
    }

    /// The sums of a vector.
    fn sums(&self, vector: usize, each: usize) -> *mut f32 {
        let place = vector - self.products.vectors.start;
        let sums = self.products.sums.as_ptr().cast_mut();
        sums.wrapping_add(place * each)
    }

    /// A row of the gradient, from the first of the tile at `dy` on; zeros where it is not there.
    #[inline(always)]
    unsafe fn gradient<S: Simd, const N: usize>(&self, dy: *const f32, row: usize) -> [S::V; N] {
        let to = self.products.tiling.to;
        // SAFETY: as of the caller.
        unsafe {
            if self.pair.kept[row] {
                std::array::from_fn(|n| S::load(dy.add((row * to.w + n) * to.c)))
            } else {
                [S::splat(0.0); N]
            }
        }
    }

    #[inline(always)]
    unsafe fn run<S: Simd, P: Spread<S>, F: Reach, const K: usize>(&self, spread: P) {
        let (count, edge) = (self.columns.count, self.columns.edge);
        // SAFETY: as of this function.
        unsafe {
            if Room::<S>::WIDE {
                match (count, edge) {
                    (7, false) => self.both::<S, P, F, K, 7, false>(spread),
                    (7, true) => self.both::<S, P, F, K, 7, true>(spread),
                    (4, _) => self.both::<S, P, F, K, 4, true>(spread),
                    _ => self.both::<S, P, F, K, 1, true>(spread),
                }
            } else {
                for row in 0..2 {
                    match count {
                        7 => self.single::<S, P, F, K, 7>(spread, row),
                        4 => self.single::<S, P, F, K, 4>(spread, row),
                        _ => self.single::<S, P, F, K, 1>(spread, row),
                    }
                }
            }
        }
    }

    /// Both rows of `N` columns, which see inputs outside only with `EDGE`.
    #[inline(always)]
    unsafe fn both<
        S: Simd,
        P: Spread<S>,
        F: Reach,
        const K: usize,
        const N: usize,
        const EDGE: bool,
    >(
        &self,
        spread: P,
    ) {
        let products = self.products;
        let [x, dy] = self.starts();
        let Tiling { from, to, .. } = products.tiling;
        let (width, inside) = (from.w * from.c, self.columns.inside);
        let area = K * K * S::LANES;
        for vector in products.vectors.clone() {
            let first = first_channel(vector, S::LANES, to.c);
            // SAFETY: the rows and columns that are read lie inside, and these sums belong to this piece
            // of work.
            unsafe {
                let x = products.x.as_ptr().wrapping_offset(x).wrapping_add(first);
                let row = |index: usize| x.wrapping_add(index * width);
                let dy = products.dy.as_ptr().offset(dy).add(first);
                let upper = self.gradient::<S, N>(dy, 0);
                let lower = self.gradient::<S, N>(dy, 1);
                let mut sums = self.sums(vector, spread.count() * area);
                for other in 0..spread.count() {
                    let place = Place {
                        channel: spread.channel(other, first),
                        pixel: from.c,
                        inside,
                    };
                    let taps =
                        |row: usize, index: usize| sums.add(F::tap(K, row, index) * K * S::LANES);
                    let [above, shared, below] = self.pair.shared();
                    for index in above {
                        place.one::<S, P, F, K, N, EDGE>(row(index), taps(0, index), &upper);
                    }
                    for index in shared {
                        let (taps, row) = ([taps(0, index), taps(1, index)], row(index));
                        place.two::<S, P, F, K, N, EDGE>(row, taps, &upper, &lower);
                    }
                    for index in below {
                        place.one::<S, P, F, K, N, EDGE>(row(index), taps(1, index), &lower);
                    }
                    sums = sums.add(area);
                }
            }
        }
    }

    /// One of the rows, the same way.
    #[inline(always)]
    unsafe fn single<S: Simd, P: Spread<S>, F: Reach, const K: usize, const N: usize>(
        &self,
        spread: P,
        row: usize,
    ) {
        let products = self.products;
        let [x, dy] = self.starts();
        let Tiling { from, to, .. } = products.tiling;
        let (width, inside) = (from.w * from.c, self.columns.inside);
        let [start, end] = self.pair.sees[row];
        let area = K * K * S::LANES;
        for vector in products.vectors.clone() {
            let first = first_channel(vector, S::LANES, to.c);
            // SAFETY: as of `both`.
            unsafe {
                let x = products.x.as_ptr().wrapping_offset(x).wrapping_add(first);
                let dy = products.dy.as_ptr().offset(dy).add(first);
                let gradient = self.gradient::<S, N>(dy, row);
                let mut sums = self.sums(vector, spread.count() * area);
                for other in 0..spread.count() {
                    let place = Place {
                        channel: spread.channel(other, first),
                        pixel: from.c,
                        inside,
                    };
                    for index in start..end {
                        let taps = sums.add(F::tap(K, row, index) * K * S::LANES);
                        let row = x.wrapping_add(index * width);
                        place.one::<S, P, F, K, N, true>(row, taps, &gradient);
                    }
                    sums = sums.add(area);
                }
            }
        }
    }
}

/// A row of input pixels, for one channel of the groups.
#[derive(Clone, Copy)]
struct Place<C> {
    channel: C,
    /// Elements from one pixel to the next.
    pixel: usize,
    inside: u32,
}

impl<C: Copy> Place<C> {
    /// Adds the products of the input's row at `row` and a row of the gradient to a row of taps.
    #[inline(always)]
    unsafe fn one<
        S: Simd,
        P: Spread<S, Channel = C>,
        F: Reach,
        const K: usize,
        const N: usize,
        const EDGE: bool,
    >(
        &self,
        row: *const f32,
        taps: *mut f32,
        gradient: &[S::V; N],
    ) {
        // SAFETY: as of the caller.
        unsafe {
            let mut sums: [S::V; K] = std::array::from_fn(|k| S::load(taps.add(k * S::LANES)));
            each_source!(place, {
                if place < F::sources(K, N) && (!EDGE || self.inside >> place & 1 == 1) {
                    let from = row.wrapping_add(place * self.pixel);
                    let value = P::load(self.channel, from);
                    for n in 0..N {
                        let k = F::tap(K, n, place);
                        if k < K {
                            sums[k] = S::fma(value, gradient[n], sums[k]);
                        }
                    }
                }
            });
            for k in 0..K {
                S::store(taps.add(k * S::LANES), sums[k]);
            }
        }
    }

    /// The same for two rows of the gradient.
    #[inline(always)]
    unsafe fn two<
        S: Simd,
        P: Spread<S, Channel = C>,
        F: Reach,
        const K: usize,
        const N: usize,
        const EDGE: bool,
    >(
        &self,
        row: *const f32,
        taps: [*mut f32; 2],
        upper: &[S::V; N],
        lower: &[S::V; N],
    ) {
        // SAFETY: as of the caller.
        unsafe {
            let [mut above, mut below]: [[S::V; K]; 2] =
                taps.map(|taps| std::array::from_fn(|k| S::load(taps.add(k * S::LANES))));
            each_source!(place, {
                if place < F::sources(K, N) && (!EDGE || self.inside >> place & 1 == 1) {
                    let from = row.wrapping_add(place * self.pixel);
                    let value = P::load(self.channel, from);
                    for n in 0..N {
                        let k = F::tap(K, n, place);
                        if k < K {
                            above[k] = S::fma(value, upper[n], above[k]);
                            below[k] = S::fma(value, lower[n], below[k]);
                        }
                    }
                }
            });
            for k in 0..K {
                S::store(taps[0].add(k * S::LANES), above[k]);
                S::store(taps[1].add(k * S::LANES), below[k]);
            }
        }
    }
}
