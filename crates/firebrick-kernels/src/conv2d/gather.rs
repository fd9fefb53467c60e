//! The implicit matrix product behind the forward pass and the input gradient.

use super::packed::padded;
use super::tile::{self, Run};
use super::{Conv2d, Epilogue, winograd};
use crate::simd::{Simd, Task, dispatch, lanes};
use crate::threads::for_each;
use crate::{Image, scratch};

/// One source pixel that a result pixel sums over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tap {
    /// Row and column of the source, relative to the result's pixel times the step.
    pub(super) y: isize,
    pub(super) x: isize,
    /// The offset of this tap in a kernel of the weight.
    pub(super) weight: usize,
}

/// The taps of a forward pass, in source order.
pub(super) fn forward_taps(conv: &Conv2d) -> Vec<Tap> {
    let mut taps = Vec::with_capacity(conv.taps());
    for ky in 0..conv.kernel[0] {
        for kx in 0..conv.kernel[1] {
            taps.push(Tap {
                y: (ky * conv.dilation[0]) as isize - conv.padding[0].0 as isize,
                x: (kx * conv.dilation[1]) as isize - conv.padding[1].0 as isize,
                weight: ky * conv.kernel[1] + kx,
            });
        }
    }
    taps
}

/// The taps through which the input pixels that equal `origin` modulo the stride reach the output,
/// in source order.
pub(super) fn input_grad_taps(conv: &Conv2d, origin: [usize; 2]) -> Vec<Tap> {
    let along = |axis: usize| -> Vec<(isize, usize)> {
        let mut seen = Vec::new();
        for k in (0..conv.kernel[axis]).rev() {
            let reach =
                (origin[axis] + conv.padding[axis].0) as isize - (k * conv.dilation[axis]) as isize;
            let stride = conv.stride[axis] as isize;
            if reach.rem_euclid(stride) == 0 {
                seen.push((reach.div_euclid(stride), k));
            }
        }
        seen
    };
    let (rows, columns) = (along(0), along(1));
    let mut taps = Vec::with_capacity(rows.len() * columns.len());
    for (y, ky) in rows {
        for (x, kx) in &columns {
            taps.push(Tap {
                y,
                x: *x,
                weight: ky * conv.kernel[1] + kx,
            });
        }
    }
    taps
}

/// A grid of result pixels, each a sum over taps into a source.
pub(super) struct Gather<'a> {
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
    /// As `packed` writes them.
    pub(super) slabs: &'a [f32],
    /// The same for Winograd's way, where that was done before.
    pub(super) transformed: Option<&'a [f32]>,
    pub(super) epilogue: Epilogue<'a>,
}

// SAFETY: `result` is written at pixels that belong to one task each.
unsafe impl Sync for Gather<'_> {}

/// Vectors in the widest tile of the instruction set in use.
pub(super) fn widest_now() -> usize {
    struct Widest;
    impl Task for Widest {
        type Output = usize;
        #[inline(always)]
        unsafe fn run<S: Simd>(self) -> usize {
            tile::widest::<S>()
        }
    }
    dispatch(Widest)
}

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

/// Computes every pixel of the grid.
pub(super) fn run(gather: &Gather<'_>) {
    let [rows, columns] = gather.grid;
    let images = gather.image.n;
    if images == 0 || rows == 0 || columns == 0 {
        return;
    }
    if let Some(weights) = gather.transformed {
        return winograd::gather::run(gather, weights);
    }
    if winograd::gather::pays(gather) {
        let (columns, sum) = (gather.result_image.c, gather.image.c);
        return scratch::with(winograd::gather::weights_len(columns, sum), |weights| {
            winograd::gather::transform_weights(gather.slabs, columns, sum, weights);
            winograd::gather::run(gather, weights);
        });
    }
    let plan = Plan::new(gather);
    let row_blocks = rows.div_ceil(plan.block_rows);
    let blocks = images.div_ceil(plan.block_images) * row_blocks;
    // Few blocks: the panels of the result's channels are work of their own.
    let panels = plan.columns.div_ceil(lanes() * widest_now());
    let few = blocks < 8 * rayon::current_num_threads();
    let cuts = if few { panels } else { 1 };
    for_each(blocks * cuts, |work| {
        let (cut, block) = (work % cuts, work / cuts);
        let first_image = block / row_blocks * plan.block_images;
        let first_row = block % row_blocks * plan.block_rows;
        dispatch(Block {
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
        let vectors = self.columns.div_ceil(lanes()).min(widest_now());
        let longest = SLAB / (vectors * lanes());
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
pub(super) struct Pixel {
    pub(super) source: isize,
    pub(super) result: usize,
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
                for tile in self.pixels[start..*end].chunks(M) {
                    // SAFETY: as of this function.
                    unsafe {
                        if tile.len() <= HALF {
                            self.tile::<S, HALF, V>(tile, runs, at);
                        } else {
                            self.tile::<S, M, V>(tile, runs, at);
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
        tile: &[Pixel],
        runs: &[Run],
        (part, last): (usize, bool),
    ) {
        let (plan, gather) = (self.plan, self.plan.gather);
        let taps = gather.taps.len();
        let slab = (self.group * padded(plan.columns) + self.first) * plan.sum * taps;
        let channel = self.group * plan.columns + self.first;
        let there = (plan.columns - self.first).min(V * S::LANES);
        // SAFETY: the packed slabs and the source hold what the runs name; the result's pixels
        // belong to this block and its channels to this panel.
        unsafe {
            let source = gather.source.as_ptr().add(self.group * plan.sum);
            let rows: [*const f32; M] =
                std::array::from_fn(|m| source.wrapping_offset(tile[m.min(tile.len() - 1)].source));
            let mut sums = [[S::splat(0.0); V]; M];
            if part > 0 {
                for m in 0..M {
                    let pixel = tile[m.min(tile.len() - 1)].result + channel;
                    load::<S, V>(gather.result.add(pixel), there, &mut sums[m]);
                }
            }
            tile::rows::<S, M, V>(&rows, runs, gather.slabs.as_ptr().add(slab), &mut sums);
            if last {
                finish::<S, M, V>(&gather.epilogue, tile, channel, there, &mut sums);
            }
            for m in 0..M {
                if m < tile.len() {
                    let pixel = tile[m].result + channel;
                    store::<S, V>(gather.result.add(pixel), there, &sums[m]);
                }
            }
        }
    }
}

/// # Safety
/// `there` elements can be read.
#[inline(always)]
pub(super) unsafe fn load<S: Simd, const V: usize>(
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

/// # Safety
/// `there` elements can be written.
#[inline(always)]
pub(super) unsafe fn store<S: Simd, const V: usize>(to: *mut f32, there: usize, from: &[S::V; V]) {
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

/// # Safety
/// Bias and residual have the channels and pixels named.
#[inline(always)]
pub(super) unsafe fn finish<S: Simd, const M: usize, const V: usize>(
    epilogue: &Epilogue<'_>,
    tile: &[Pixel],
    channel: usize,
    there: usize,
    sums: &mut [[S::V; V]; M],
) {
    // SAFETY: as of this function.
    unsafe {
        if let Some(bias) = epilogue.bias {
            let mut terms = [S::splat(0.0); V];
            load::<S, V>(bias.as_ptr().add(channel), there, &mut terms);
            for m in 0..M {
                for v in 0..V {
                    sums[m][v] = S::add(sums[m][v], terms[v]);
                }
            }
        }
        if let Some(residual) = epilogue.residual {
            for m in 0..M {
                let pixel = tile[m.min(tile.len() - 1)].result + channel;
                let mut terms = [S::splat(0.0); V];
                load::<S, V>(residual.as_ptr().add(pixel), there, &mut terms);
                for v in 0..V {
                    sums[m][v] = S::add(sums[m][v], terms[v]);
                }
            }
        }
        if epilogue.relu {
            for m in 0..M {
                for v in 0..V {
                    sums[m][v] = S::relu(sums[m][v]);
                }
            }
        }
    }
}
