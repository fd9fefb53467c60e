//! The implicit matrix product behind the forward pass and the input gradient: tap by tap, a run of
//! channels of a source pixel times a slab of weights.

use super::epilogue::finish;
use super::gather::Gather;
use super::taps::Tap;
use super::tile::{self, Run};
use crate::Image;
use crate::simd::{Simd, Task};
use crate::threads::for_each;

/// Elements of a slab that stay in the first-level cache while the tiles of a block pass.
const SLAB: usize = 8192;

/// Source elements of a block: they stay in the second-level cache.
const BLOCK: usize = 48 * 1024;

/// Places along one axis of the grid that see the same taps.
struct Line {
    places: Vec<usize>,
    /// For each tap, whether these places see it.
    sees: Vec<bool>,
}

/// How a [`Gather`] is cut, the same for all blocks.
struct Plan<'a> {
    gather: &'a Gather<'a>,
    /// Result channels and summed channels of a group.
    columns: usize,
    sum: usize,
    /// Images in a block, and rows of the grid: one of the two is whole.
    block_images: usize,
    block_rows: usize,
    rows: Vec<Line>,
    lines: Vec<Line>,
    /// For each kind of row and of column, for each part of the sum: what a pixel sums over.
    /// A part is as much of the sum as has a slab that fits the cache.
    runs: Vec<Vec<Vec<Run>>>,
}

/// Computes every pixel of the grid, which has some.
pub(super) fn run(gather: &Gather<'_>) {
    let (images, rows, vectors) = (gather.image.n, gather.grid[0], gather.vectors);
    let plan = Plan::new(gather);
    let row_blocks = rows.div_ceil(plan.block_rows);
    let blocks = images.div_ceil(plan.block_images) * row_blocks;
    // Few blocks: the panels of the result's channels are work of their own.
    let panels = plan
        .columns
        .div_ceil(vectors.lanes() * tile::widest_of(vectors));
    let few = blocks < 8 * rayon::current_num_threads();
    let cuts = if few { panels } else { 1 };
    for_each(blocks * cuts, |work| {
        let (cut, block) = (work % cuts, work / cuts);
        let first_image = block / row_blocks * plan.block_images;
        let first_row = block % row_blocks * plan.block_rows;
        vectors.dispatch(Block {
            plan: &plan,
            images: first_image..images.min(first_image + plan.block_images),
            rows: first_row..rows.min(first_row + plan.block_rows),
            panels: if few { cut..cut + 1 } else { 0..panels },
        });
    });
}

/// The places `0..count` of one axis, by the taps whose source `place · step + reach` is in
/// `0..size`.
fn lines(count: usize, step: usize, size: usize, reaches: &[isize]) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for place in 0..count {
        let inside = |reach: &isize| {
            let at = (place * step) as isize + reach;
            at >= 0 && at < size as isize
        };
        let sees: Vec<bool> = reaches.iter().map(inside).collect();
        match lines.iter_mut().find(|line| line.sees == sees) {
            Some(line) => line.places.push(place),
            None => lines.push(Line {
                places: vec![place],
                sees,
            }),
        }
    }
    lines
}

impl<'a> Plan<'a> {
    fn new(gather: &'a Gather<'a>) -> Self {
        let Image { h, w, c, .. } = gather.image;
        let [rows, columns] = gather.grid;
        let pixels = (BLOCK / c.max(1)).clamp(48, 384);
        let grid = rows * columns;
        let (block_images, block_rows) = if grid <= pixels {
            ((pixels / grid).max(1), rows)
        } else {
            (1, (pixels / columns).clamp(1, rows))
        };
        let reach = |of: fn(&Tap) -> isize| gather.taps.iter().map(of).collect::<Vec<_>>();
        let mut plan = Self {
            gather,
            columns: gather.result_image.c / gather.groups,
            sum: c / gather.groups,
            block_images,
            block_rows,
            rows: lines(rows, gather.step[0], h, &reach(|tap| tap.y)),
            lines: lines(columns, gather.step[1], w, &reach(|tap| tap.x)),
            runs: Vec::new(),
        };
        plan.runs = (plan.rows.iter())
            .flat_map(|row| plan.lines.iter().map(move |line| (row, line)))
            .map(|(row, line)| plan.cut_sum(row, line))
            .collect();
        plan
    }

    /// What a pixel sums over, part by part, joining taps that follow each other both in the
    /// source and in the slab.
    fn cut_sum(&self, row: &Line, line: &Line) -> Vec<Vec<Run>> {
        let Image { w, c, .. } = self.gather.image;
        let lanes = self.gather.vectors.lanes();
        let widest = tile::widest_of(self.gather.vectors);
        let longest = SLAB / (self.columns.div_ceil(lanes).min(widest) * lanes);
        let total = self.gather.taps.len() * self.sum;
        let mut parts = Vec::new();
        for start in (0..total.max(1)).step_by(longest) {
            let end = total.min(start + longest);
            let mut runs: Vec<Run> = Vec::new();
            let mut slab = start;
            while slab < end {
                let (tap, channel) = (slab / self.sum, slab % self.sum);
                let len = (self.sum - channel).min(end - slab);
                if row.sees[tap] && line.sees[tap] {
                    let Tap { y, x, .. } = self.gather.taps[tap];
                    let offset = (y * w as isize + x) * c as isize + channel as isize;
                    match runs.last_mut() {
                        Some(run)
                            if run.offset + run.len as isize == offset
                                && run.slab + run.len == slab =>
                        {
                            run.len += len;
                        }
                        _ => runs.push(Run { offset, len, slab }),
                    }
                }
                slab += len;
            }
            parts.push(runs);
        }
        parts
    }
}

/// The pixels of a block, for some panels of result channels.
struct Block<'a> {
    plan: &'a Plan<'a>,
    images: std::ops::Range<usize>,
    rows: std::ops::Range<usize>,
    panels: std::ops::Range<usize>,
}

/// A pixel of a block: where it is in the result, and the one in the source that its taps are
/// relative to, which may lie outside.
#[derive(Clone, Copy)]
struct Pixel {
    source: isize,
    result: usize,
}

impl Task for Block<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let mut pixels = Vec::with_capacity(512);
        // Pixels of the same kind of row and column, which see the same taps, one after the other.
        let mut kinds = Vec::with_capacity(self.plan.runs.len());
        for row in &self.plan.rows {
            for line in &self.plan.lines {
                self.list(row, line, &mut pixels);
                kinds.push(pixels.len());
            }
        }
        let columns = self.plan.columns;
        let widest = tile::widest::<S>();
        for group in 0..self.plan.gather.groups {
            for panel in self.panels.clone() {
                let first = panel * widest * S::LANES;
                let vectors = (columns - first).div_ceil(S::LANES).min(widest);
                let at = Panel {
                    plan: self.plan,
                    group,
                    first,
                    pixels: &pixels,
                    kinds: &kinds,
                };
                // SAFETY: as of this function.
                unsafe {
                    if S::REGISTERS >= 32 {
                        match vectors {
                            1 => at.run::<S, 12, 6, 1>(),
                            2 => at.run::<S, 12, 6, 2>(),
                            3 => at.run::<S, 8, 4, 3>(),
                            _ => at.run::<S, 6, 3, 4>(),
                        }
                    } else {
                        match vectors {
                            1 => at.run::<S, 10, 5, 1>(),
                            _ => at.run::<S, 6, 3, 2>(),
                        }
                    }
                }
            }
        }
    }
}

impl Block<'_> {
    fn list(&self, row: &Line, line: &Line, pixels: &mut Vec<Pixel>) {
        let gather = self.plan.gather;
        let (from, to) = (gather.image, gather.result_image);
        for row in row.places.iter().filter(|row| self.rows.contains(row)) {
            let y = gather.origin[0] + row * gather.spread[0];
            for column in &line.places {
                let x = gather.origin[1] + column * gather.spread[1];
                for image in self.images.clone() {
                    let source =
                        (image * from.h + row * gather.step[0]) * from.w + column * gather.step[1];
                    pixels.push(Pixel {
                        source: (source * from.c) as isize,
                        result: ((image * to.h + y) * to.w + x) * to.c,
                    });
                }
            }
        }
    }
}

/// All pixels of a block for the vectors of result channels from `first` on.
struct Panel<'a> {
    plan: &'a Plan<'a>,
    group: usize,
    first: usize,
    pixels: &'a [Pixel],
    /// Where the pixels of each kind end.
    kinds: &'a [usize],
}

impl Panel<'_> {
    /// In tiles of `M` pixels, the last of a kind in one of `HALF` where that is enough.
    #[inline(always)]
    unsafe fn run<S: Simd, const M: usize, const HALF: usize, const V: usize>(&self) {
        let parts = self.plan.runs[0].len();
        for part in 0..parts {
            let mut start = 0;
            for (kind, end) in self.kinds.iter().enumerate() {
                let runs = &self.plan.runs[kind][part];
                let at = (part, part + 1 == parts);
                for pixels in self.pixels[start..*end].chunks(M) {
                    // SAFETY: as of this function.
                    unsafe {
                        if pixels.len() <= HALF {
                            self.tile::<S, HALF, V>(pixels, runs, at);
                        } else {
                            self.tile::<S, M, V>(pixels, runs, at);
                        }
                    }
                }
                start = *end;
            }
        }
    }

    #[inline(always)]
    unsafe fn tile<S: Simd, const M: usize, const V: usize>(
        &self,
        pixels: &[Pixel],
        runs: &[Run],
        (part, last): (usize, bool),
    ) {
        let (plan, gather) = (self.plan, self.plan.gather);
        let taps = gather.taps.len();
        let slab =
            (self.group * plan.columns.next_multiple_of(S::LANES) + self.first) * plan.sum * taps;
        let channel = self.group * plan.columns + self.first;
        let there = (plan.columns - self.first).min(V * S::LANES);
        let at = |m: usize| pixels[m.min(pixels.len() - 1)];
        // SAFETY: the packed slabs and the source hold what the runs name; the result's pixels
        // belong to this block and its channels to this panel.
        unsafe {
            let source = gather.source.as_ptr().add(self.group * plan.sum);
            let rows: [*const f32; M] =
                std::array::from_fn(|m| source.wrapping_offset(at(m).source));
            let mut sums = [[S::splat(0.0); V]; M];
            if part > 0 {
                for m in 0..M {
                    let pixel = at(m).result + channel;
                    tile::load_some::<S, V>(gather.result.add(pixel), there, &mut sums[m]);
                }
            }
            tile::rows::<S, M, V>(&rows, runs, gather.slabs.as_ptr().add(slab), &mut sums);
            if last {
                let pixel = |m: usize| at(m).result;
                finish::<S, M, V>(&gather.epilogue, pixel, channel, there, &mut sums);
            }
            for m in 0..M {
                if m < pixels.len() {
                    let pixel = pixels[m].result + channel;
                    tile::store_some::<S, V>(gather.result.add(pixel), there, &sums[m]);
                }
            }
        }
    }
}
