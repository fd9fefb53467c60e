//! Result and input gradient, tile by tile.

use std::ops::Range;

use super::super::epilogue::{Epilogue, finish};
use super::spread::{Places, Several, Single, Spread, Whole};
use super::tiles::{Across, Columns, Form, Pair, Plain, Reach, Room, Strided, Tiling};
use super::weights::first_channel;
use crate::simd::{Simd, Task, Vectors};
use crate::threads::for_each;

/// Elements of an image that the second-level cache holds beside what else goes through it.
const SMALL: usize = 64 * 1024;

/// A result, each of whose channels sums over the taps and over the channels of its group.
pub(super) struct Gather<'a> {
    pub(super) vectors: Vectors,
    pub(super) tiling: &'a Tiling,
    /// Channels of a group.
    pub(super) inputs: usize,
    pub(super) source: &'a [f32],
    pub(super) packed: &'a [f32],
    pub(super) result: *mut f32,
    pub(super) epilogue: Epilogue<'a>,
}

// SAFETY: `result` is written at places that belong to one task each.
unsafe impl Sync for Gather<'_> {}

/// Computes all of it. There are pixels.
pub(super) fn run(gather: &Gather<'_>) {
    let tiling = gather.tiling;
    let images = tiling.to.n;
    let vectors = tiling.to.c.div_ceil(gather.vectors.lanes());
    // Few images for the threads: cut small ones into channels, and then into rows; large ones the other
    // way round, so that the pieces read long stretches of memory.
    let threads = rayon::current_num_threads();
    let pieces = match threads {
        1 => 1,
        _ => (4 * threads).div_ceil(images),
    };
    let channels = vectors.div_ceil(4);
    let (cuts, bands) = if tiling.from.len() / tiling.from.n < SMALL {
        let cuts = pieces.min(channels);
        (cuts, pieces.div_ceil(cuts).min(tiling.pairs))
    } else {
        let bands = pieces.min(tiling.pairs);
        (pieces.div_ceil(bands).min(channels), bands)
    };
    for_each(images * bands * cuts, |work| {
        let (cut, rest) = (work % cuts, work / cuts);
        let (band, image) = (rest % bands, rest / bands);
        let part =
            |count: usize, index: usize, of: usize| count * index / of..count * (index + 1) / of;
        gather.vectors.dispatch(Piece {
            gather,
            image,
            pairs: part(tiling.pairs, band, bands),
            vectors: part(vectors, cut, cuts),
        });
    });
}

/// Some rows of an image, for some channels.
struct Piece<'a> {
    gather: &'a Gather<'a>,
    image: usize,
    pairs: Range<usize>,
    vectors: Range<usize>,
}

impl Task for Piece<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        // SAFETY: as of this function.
        unsafe {
            match (self.gather.inputs, self.gather.tiling.kernel) {
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

impl Piece<'_> {
    #[inline(always)]
    unsafe fn formed<S: Simd, P: Spread<S>, const K: usize>(&self, spread: P) {
        // SAFETY: as of this function.
        unsafe {
            match self.gather.tiling.form {
                Form::Plain => self.walk::<S, P, Plain, K>(spread),
                Form::Strided => self.walk::<S, P, Strided, K>(spread),
                Form::Across => self.walk::<S, P, Across, K>(spread),
            }
        }
    }

    #[inline(always)]
    unsafe fn walk<S: Simd, P: Spread<S>, F: Reach, const K: usize>(&self, spread: P) {
        let tiling = self.gather.tiling;
        for index in self.pairs.clone() {
            let pair = tiling.pair(index);
            for columns in &tiling.columns {
                let tile = Tile {
                    piece: self,
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
    piece: &'a Piece<'a>,
    pair: Pair,
    columns: &'a Columns,
}

/// A row of a tile of the result.
type Row<V, const N: usize> = [[V; 1]; N];

impl Tile<'_> {
    /// Where the source and the result of the tile begin, in elements; outside for what is not read or
    /// written.
    fn starts(&self) -> [isize; 2] {
        let Tiling { from, to, .. } = self.piece.gather.tiling;
        let (pair, columns) = (&self.pair, self.columns);
        let source = (self.piece.image * from.h) as isize + pair.source;
        let source = (source * from.w as isize + columns.source) * from.c as isize;
        let result = (self.piece.image * to.h) as isize + pair.result;
        [
            source,
            (result * to.w as isize + columns.result) * to.c as isize,
        ]
    }

    #[inline(always)]
    unsafe fn run<S: Simd, P: Spread<S>, F: Reach, const K: usize>(&self, spread: P) {
        let (count, edge) = (self.columns.count, self.columns.edge);
        // SAFETY: as of this function.
        unsafe {
            if !Room::<S>::WIDE {
                for row in 0..2 {
                    match count {
                        7 if !F::ACROSS => self.single::<S, P, F, K, 7>(spread, row),
                        4 => self.single::<S, P, F, K, 4>(spread, row),
                        _ => self.single::<S, P, F, K, 1>(spread, row),
                    }
                }
            } else if F::ACROSS {
                match (count, edge) {
                    (8, false) => self.both::<S, P, F, K, 8, false>(spread),
                    (8, true) => self.both::<S, P, F, K, 8, true>(spread),
                    _ => self.both::<S, P, F, K, 4, true>(spread),
                }
            } else {
                match (count, edge) {
                    (7, false) => self.both::<S, P, F, K, 7, false>(spread),
                    (7, true) => self.both::<S, P, F, K, 7, true>(spread),
                    (4, _) => self.both::<S, P, F, K, 4, true>(spread),
                    _ => self.both::<S, P, F, K, 1, true>(spread),
                }
            }
        }
    }

    /// Both rows of `N` columns, which see sources outside only with `EDGE`.
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
        let gather = self.piece.gather;
        let [source, result] = self.starts();
        let Tiling { from, to, .. } = gather.tiling;
        let (width, inside) = (from.w * from.c, self.columns.inside);
        for vector in self.piece.vectors.clone() {
            let first = first_channel(vector, S::LANES, to.c);
            let slab = vector * spread.count() * K * K * S::LANES;
            // SAFETY: the source's rows and columns that are read lie inside, and so do those of the
            // result that are written; these channels of them belong to this piece of work.
            unsafe {
                let source = gather
                    .source
                    .as_ptr()
                    .wrapping_offset(source)
                    .wrapping_add(first);
                let row = |index: usize| source.wrapping_add(index * width);
                let mut slab = gather.packed.as_ptr().add(slab);
                let (mut upper, mut lower) = ([[S::splat(0.0)]; N], [[S::splat(0.0)]; N]);
                for other in 0..spread.count() {
                    let place = Place {
                        channel: spread.channel(other, first),
                        pixel: from.c,
                        inside,
                    };
                    let taps =
                        |row: usize, index: usize| slab.add(F::tap(K, row, index) * K * S::LANES);
                    let [above, shared, below] = self.pair.shared();
                    for index in above {
                        place.one::<S, P, F, K, N, EDGE>(row(index), taps(0, index), &mut upper);
                    }
                    for index in shared {
                        let (taps, row) = ([taps(0, index), taps(1, index)], row(index));
                        place.two::<S, P, F, K, N, EDGE>(row, taps, &mut upper, &mut lower);
                    }
                    for index in below {
                        place.one::<S, P, F, K, N, EDGE>(row(index), taps(1, index), &mut lower);
                    }
                    slab = slab.add(K * K * S::LANES);
                }
                self.keep::<S, F, N, EDGE>(result, 0, first, &mut upper);
                self.keep::<S, F, N, EDGE>(result, 1, first, &mut lower);
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
        let gather = self.piece.gather;
        let [source, result] = self.starts();
        let Tiling { from, to, .. } = gather.tiling;
        let (width, inside) = (from.w * from.c, self.columns.inside);
        let [start, end] = self.pair.sees[row];
        for vector in self.piece.vectors.clone() {
            let first = first_channel(vector, S::LANES, to.c);
            let slab = vector * spread.count() * K * K * S::LANES;
            // SAFETY: as of `both`.
            unsafe {
                let source = gather
                    .source
                    .as_ptr()
                    .wrapping_offset(source)
                    .wrapping_add(first);
                let mut slab = gather.packed.as_ptr().add(slab);
                let mut sums = [[S::splat(0.0)]; N];
                for other in 0..spread.count() {
                    let place = Place {
                        channel: spread.channel(other, first),
                        pixel: from.c,
                        inside,
                    };
                    for index in start..end {
                        let taps = slab.add(F::tap(K, row, index) * K * S::LANES);
                        let row = source.wrapping_add(index * width);
                        place.one::<S, P, F, K, N, true>(row, taps, &mut sums);
                    }
                    slab = slab.add(K * K * S::LANES);
                }
                self.keep::<S, F, N, true>(result, row, first, &mut sums);
            }
        }
    }

    /// Finishes a row of the tile and stores it.
    #[inline(always)]
    unsafe fn keep<S: Simd, F: Reach, const N: usize, const EDGE: bool>(
        &self,
        result: isize,
        row: usize,
        channel: usize,
        sums: &mut Row<S::V, N>,
    ) {
        let gather = self.piece.gather;
        let to = gather.tiling.to;
        if !self.pair.kept[row] {
            return;
        }
        let result = result + (row * to.w * to.c) as isize;
        let pixel = |n: usize| (result + (n * to.c) as isize) as usize;
        // SAFETY: as of `both`.
        unsafe {
            if !F::ACROSS {
                finish::<S, N, 1>(&gather.epilogue, pixel, channel, S::LANES, sums);
            }
            for n in 0..N {
                if !F::ACROSS || !EDGE || self.columns.kept >> n & 1 == 1 {
                    S::store(gather.result.add(pixel(n) + channel), sums[n][0]);
                }
            }
        }
    }
}

/// A row of source pixels, for one channel of the groups.
#[derive(Clone, Copy)]
struct Place<C> {
    channel: C,
    /// Elements from one pixel to the next.
    pixel: usize,
    inside: u32,
}

impl<C: Copy> Place<C> {
    /// Adds what the source's row at `row` gives to a row of the result, by a row of taps.
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
        taps: *const f32,
        sums: &mut Row<S::V, N>,
    ) {
        // SAFETY: as of the caller.
        unsafe {
            let taps: [S::V; K] = std::array::from_fn(|k| S::load(taps.add(k * S::LANES)));
            each_source!(place, {
                if place < F::sources(K, N) && (!EDGE || self.inside >> place & 1 == 1) {
                    let from = row.wrapping_add(place * self.pixel);
                    let value = P::load(self.channel, from);
                    for n in 0..N {
                        let k = F::tap(K, n, place);
                        if k < K {
                            sums[n][0] = S::fma(value, taps[k], sums[n][0]);
                        }
                    }
                }
            });
        }
    }

    /// The same for two rows of the result.
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
        taps: [*const f32; 2],
        upper: &mut Row<S::V, N>,
        lower: &mut Row<S::V, N>,
    ) {
        // SAFETY: as of the caller.
        unsafe {
            let [above, below]: [[S::V; K]; 2] =
                taps.map(|taps| std::array::from_fn(|k| S::load(taps.add(k * S::LANES))));
            each_source!(place, {
                if place < F::sources(K, N) && (!EDGE || self.inside >> place & 1 == 1) {
                    let from = row.wrapping_add(place * self.pixel);
                    let value = P::load(self.channel, from);
                    for n in 0..N {
                        let k = F::tap(K, n, place);
                        if k < K {
                            upper[n][0] = S::fma(value, above[k], upper[n][0]);
                            lower[n][0] = S::fma(value, below[k], lower[n][0]);
                        }
                    }
                }
            });
        }
    }
}
