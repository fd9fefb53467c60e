//! Forward pass and input gradient.

use std::ops::Range;

use super::super::epilogue::finish;
use super::super::gather::Gather;
use super::super::geometry::Conv2d;
use super::super::slabs::padded;
use super::super::taps::Tap;
use super::super::tile;
use super::transform::{
    POINTS, REACH, SIDE, Window, both_ways, line_of_kernel, line_of_result, line_of_source,
    load_square, pitch,
};
use crate::simd::{Simd, Task, Vectors};
use crate::threads::{Shared, for_each};
use crate::{Image, scratch};

/// Transformed source elements of a block, at one point: they stay in the second-level cache.
const BLOCK: usize = 6144;

/// Channels in a part, which is summed in one go, and parts in a group. Parts are added up to a group
/// and groups to the result, because the rounding error of a sum grows with its number of terms.
const PART: usize = 16;
const PARTS: usize = 4;

/// Whether this way is open for a gather, and faster even if the weights must be transformed first,
/// which costs as much as some pixels.
pub(in super::super) fn pays(gather: &Gather<'_>) -> bool {
    let plain = gather.step == [1, 1] && gather.spread == [1, 1] && gather.groups == 1;
    let channels = [gather.image.c, gather.result_image.c];
    plain && is_square(gather.taps) && tiles(gather.image.n, gather.grid, channels) >= 64
}

/// Whether this way is open for a forward pass, and faster with weights transformed before.
pub(in super::super) fn pays_packed(conv: &Conv2d, taps: &[Tap]) -> bool {
    let Image { n, h, w, c } = conv.output();
    let plain = conv.stride == [1, 1] && conv.groups == 1;
    plain && is_square(taps) && tiles(n, [h, w], [conv.input.c, c]) >= 16
}

/// Whether the taps are a 3×3 square without gaps.
fn is_square(taps: &[Tap]) -> bool {
    taps.len() == 9
        && taps.iter().enumerate().all(|(place, tap)| {
            tap.y == taps[0].y + (place / 3) as isize && tap.x == taps[0].x + (place % 3) as isize
        })
}

/// The tiles, or none where too much of them would be empty or the channels are too few to make up
/// for the transforms.
fn tiles(n: usize, [h, w]: [usize; 2], channels: [usize; 2]) -> usize {
    let filled = h * w * 2 >= h.next_multiple_of(SIDE) * w.next_multiple_of(SIDE);
    let deep = channels.iter().all(|count| *count >= 16);
    if filled && deep {
        n * h.div_ceil(SIDE) * w.div_ceil(SIDE)
    } else {
        0
    }
}

/// Elements of the transformed weights.
pub(in super::super) fn weights_len(columns: usize, sum: usize, vectors: Vectors) -> usize {
    POINTS * padded(columns, vectors) * sum
}

/// Transforms slabs as `slabs` writes them, `[panel][tap][sum][lane]`, to
/// `[panel][point][sum][lane]`.
pub(in super::super) fn transform_weights(
    slabs: &[f32],
    columns: usize,
    sum: usize,
    vectors: Vectors,
    out: &mut [f32],
) {
    let columns = padded(columns, vectors);
    assert!(
        slabs.len() == 9 * columns * sum && out.len() == POINTS * columns * sum,
        "slabs of 3 x 3 weights, and room for them transformed"
    );
    let widest = tile::widest_of(vectors) * vectors.lanes();
    let panels = columns.div_ceil(widest);
    let each = (2048 / widest).max(1);
    let pieces = sum.div_ceil(each);
    let shared = Shared::new(out);
    for_each(panels * pieces, |work| {
        let (panel, piece) = (work / pieces, work % pieces);
        let width = widest.min(columns - panel * widest);
        vectors.dispatch(Weights {
            slab: &slabs[panel * widest * sum * 9..][..width * sum * 9],
            // SAFETY: in range, and pieces write different sums of a panel.
            out: unsafe { shared.pointer().add(panel * widest * sum * POINTS) },
            width,
            sum,
            range: piece * each..sum.min((piece + 1) * each),
        });
    });
}

struct Weights<'a> {
    slab: &'a [f32],
    out: *mut f32,
    width: usize,
    sum: usize,
    range: Range<usize>,
}

impl Task for Weights<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        for k in self.range {
            for lane in (0..self.width).step_by(S::LANES) {
                // SAFETY: the slab has 9, the result 36 times `sum · width` elements.
                unsafe {
                    let at = |tap: usize| {
                        S::load(
                            self.slab
                                .as_ptr()
                                .add((tap * self.sum + k) * self.width + lane),
                        )
                    };
                    let kernel: [[S::V; 3]; 3] =
                        std::array::from_fn(|y| std::array::from_fn(|x| at(y * 3 + x)));
                    let mut half = [[S::splat(0.0); 3]; REACH];
                    for x in 0..3 {
                        let line = line_of_kernel::<S>([kernel[0][x], kernel[1][x], kernel[2][x]]);
                        for y in 0..REACH {
                            half[y][x] = line[y];
                        }
                    }
                    for y in 0..REACH {
                        let line = line_of_kernel::<S>(half[y]);
                        for x in 0..REACH {
                            let point = y * REACH + x;
                            let to = (point * self.sum + k) * self.width + lane;
                            S::store(self.out.add(to), line[x]);
                        }
                    }
                }
            }
        }
    }
}

/// Computes every pixel of the grid from transformed weights.
pub(in super::super) fn run(gather: &Gather<'_>, weights: &[f32]) {
    let [h, w] = gather.grid;
    let (across, down) = (w.div_ceil(SIDE), h.div_ceil(SIDE));
    let tiles = gather.image.n * across * down;
    let each = (BLOCK / (12 * gather.image.c)).clamp(1, 4) * 12;
    let blocks = tiles.div_ceil(each);
    let (columns, vectors) = (gather.result_image.c, gather.vectors);
    let widest = tile::widest_of(vectors) * vectors.lanes();
    let panels = columns.div_ceil(widest);
    let few = blocks < 4 * rayon::current_num_threads();
    let cuts = if few { panels } else { 1 };
    for_each(blocks * cuts, |work| {
        let (cut, block) = (work % cuts, work / cuts);
        let tiles = block * each..tiles.min((block + 1) * each);
        let panel = columns.min(widest).next_multiple_of(vectors.lanes());
        let sources = POINTS * pitch(tiles.len() * gather.image.c);
        let results = POINTS * pitch(tiles.len() * panel);
        scratch::with(sources + results, |space| {
            let (sources, results) = space.split_at_mut(sources);
            vectors.dispatch(Block {
                gather,
                weights,
                tiles,
                across,
                down,
                panels: if few { cut..cut + 1 } else { 0..panels },
                sources,
                results,
            });
        });
    });
}

/// Some tiles of the result.
struct Block<'a> {
    gather: &'a Gather<'a>,
    weights: &'a [f32],
    tiles: Range<usize>,
    /// Tiles of an image.
    across: usize,
    down: usize,
    panels: Range<usize>,
    /// `[point][tile][channel]`.
    sources: &'a mut [f32],
    /// `[point][tile][lane]` of a panel.
    results: &'a mut [f32],
}

impl Task for Block<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(mut self) {
        // SAFETY: as of this function; the tiles belong to this block.
        unsafe {
            self.transform_sources::<S>();
            let columns = self.gather.result_image.c;
            let widest = tile::widest::<S>();
            for panel in self.panels.clone() {
                let first = panel * widest * S::LANES;
                let vectors = (columns - first).div_ceil(S::LANES).min(widest);
                if S::REGISTERS >= 32 {
                    match vectors {
                        1 => self.panel::<S, 12, 1>(first),
                        2 => self.panel::<S, 12, 2>(first),
                        3 => self.panel::<S, 6, 3>(first),
                        _ => self.panel::<S, 6, 4>(first),
                    }
                } else {
                    match vectors {
                        1 => self.panel::<S, 6, 1>(first),
                        _ => self.panel::<S, 6, 2>(first),
                    }
                }
            }
        }
    }
}

impl Block<'_> {
    /// The image of a tile and its first row and column there.
    #[inline(always)]
    fn place(&self, tile: usize) -> (usize, usize, usize) {
        let (column, rest) = (tile % self.across, tile / self.across);
        let (row, image) = (rest % self.down, rest / self.down);
        (image, row * SIDE, column * SIDE)
    }

    #[inline(always)]
    unsafe fn transform_sources<S: Simd>(&mut self) {
        let Image { h, w, c, .. } = self.gather.image;
        let count = self.tiles.len();
        for (place, tile) in self.tiles.clone().enumerate() {
            let (image, row, column) = self.place(tile);
            let window = Window {
                y: row as isize + self.gather.taps[0].y,
                x: column as isize + self.gather.taps[0].x,
            };
            for channel in (0..c).step_by(S::LANES) {
                let lanes = (c - channel).min(S::LANES);
                // SAFETY: the image and the channels exist; `sources` has room for all points.
                unsafe {
                    let image = self.gather.source.as_ptr().add(image * h * w * c);
                    let square = load_square::<S, REACH>(image, [h, w, c], window, channel, lanes);
                    let points = both_ways!(square, 6 => 6, line_of_source);
                    let to = self.sources.as_mut_ptr().add(place * c + channel);
                    for y in 0..REACH {
                        for x in 0..REACH {
                            let to = to.add((y * REACH + x) * pitch(count * c));
                            if lanes == S::LANES {
                                S::store(to, points[y][x]);
                            } else {
                                S::store_first(to, points[y][x], lanes);
                            }
                        }
                    }
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn panel<S: Simd, const M: usize, const V: usize>(&mut self, first: usize) {
        let (gather, c, count) = (self.gather, self.gather.image.c, self.tiles.len());
        let width = V * S::LANES;
        for point in 0..POINTS {
            // SAFETY: the panel's weights of this point, rows of `sources`, rows of `results`.
            unsafe {
                let slab = self
                    .weights
                    .as_ptr()
                    .add(first * c * POINTS + point * c * width);
                let sources = self.sources.as_ptr().add(point * pitch(count * c));
                let results = self.results.as_mut_ptr().add(point * pitch(count * width));
                for start in (0..count).step_by(M) {
                    let there = (count - start).min(M);
                    let rows: [*const f32; M] =
                        std::array::from_fn(|m| sources.add((start + m.min(there - 1)) * c));
                    let to = results.add(start * width);
                    if c <= PART {
                        let sums = tile::sums::<S, M, V>(&rows, 0..c, slab);
                        tile::store::<S, M, V>(&sums, to, there);
                        continue;
                    }
                    for from in (0..c).step_by(PART * PARTS) {
                        let group = from..c.min(from + PART * PARTS);
                        let mut sums = tile::sums::<S, M, V>(
                            &rows,
                            group.start..group.end.min(from + PART),
                            slab,
                        );
                        for from in group.clone().step_by(PART).skip(1) {
                            let part = tile::sums::<S, M, V>(
                                &rows,
                                from..group.end.min(from + PART),
                                slab,
                            );
                            tile::add::<S, M, V>(&mut sums, &part);
                        }
                        if from > 0 {
                            tile::add_to::<S, M, V>(&sums, to, there);
                        } else {
                            tile::store::<S, M, V>(&sums, to, there);
                        }
                    }
                }
            }
        }
        let Image { h, w, c, .. } = gather.result_image;
        for (place, tile) in self.tiles.clone().enumerate() {
            let (image, row, column) = self.place(tile);
            for v in 0..V {
                let channel = first + v * S::LANES;
                let there = c.saturating_sub(channel).min(S::LANES);
                // SAFETY: as above; only pixels of the grid are written.
                unsafe {
                    let from = self.results.as_ptr().add(place * width + v * S::LANES);
                    let square: [[S::V; REACH]; REACH] = std::array::from_fn(|y| {
                        std::array::from_fn(|x| {
                            S::load(from.add((y * REACH + x) * pitch(count * width)))
                        })
                    });
                    let mut half = [[S::splat(0.0); REACH]; SIDE];
                    for x in 0..REACH {
                        let line = line_of_result::<S>(std::array::from_fn(|y| square[y][x]));
                        for y in 0..SIDE {
                            half[y][x] = line[y];
                        }
                    }
                    for y in 0..SIDE {
                        let line = line_of_result::<S>(half[y]);
                        for x in 0..SIDE {
                            if row + y < h && column + x < w {
                                let pixel = ((image * h + row + y) * w + column + x) * c;
                                let mut sums = [[line[x]]];
                                finish::<S, 1, 1>(
                                    &gather.epilogue,
                                    |_| pixel,
                                    channel,
                                    there,
                                    &mut sums,
                                );
                                let to = gather.result.add(pixel + channel);
                                tile::store_some::<S, 1>(to, there, &sums[0]);
                            }
                        }
                    }
                }
            }
        }
    }
}
