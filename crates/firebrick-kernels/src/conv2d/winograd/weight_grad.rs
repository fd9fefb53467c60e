//! The weight gradient.

use std::ops::Range;

use super::super::geometry::Conv2d;
use super::super::tile::{self, Span};
use super::transform::{
    POINTS, REACH, SIDE, Window, both_ways, line_of_gradient, line_of_source, line_of_weight,
    load_square, pitch,
};
use crate::output::written;
use crate::simd::{Simd, Task, Vectors};
use crate::threads::{Shared, for_each};
use crate::{Image, scratch};

/// Units of work that are enough for the processors that we plan for.
const UNITS: usize = 16;

/// Input channels of a unit.
const DEPTH: usize = 64;

/// Tiles of a block.
const BLOCK: usize = 24;

/// Whether this way is open for a convolution, and faster.
pub(in super::super) fn pays(conv: &Conv2d) -> bool {
    let output = conv.output();
    let (h, w) = (output.h, output.w);
    let filled = h * w * 2 >= h.next_multiple_of(SIDE) * w.next_multiple_of(SIDE);
    let tiles = output.n * h.div_ceil(SIDE) * w.div_ceil(SIDE);
    conv.kernel == [3, 3]
        && conv.stride == [1, 1]
        && conv.dilation == [1, 1]
        && conv.groups == 1
        && filled
        && conv.input.c >= 16
        && conv.input.c.is_multiple_of(4)
        && output.c >= 16
        && tiles >= 32
}

/// How the work is cut: input channels by panels of output channels by chunks of tiles.
struct Plan<'a> {
    vectors: Vectors,
    conv: &'a Conv2d,
    x: &'a [f32],
    dy: &'a [f32],
    output: Image,
    /// Tiles of an image.
    across: usize,
    down: usize,
    panel: usize,
    panels: usize,
    chunks: usize,
}

/// For a geometry and slices that were checked.
pub(in super::super) fn run(vectors: Vectors, conv: &Conv2d, x: &[f32], dy: &[f32]) -> Vec<f32> {
    let (output, lanes) = (conv.output(), vectors.lanes());
    let (across, down) = (output.w.div_ceil(SIDE), output.h.div_ceil(SIDE));
    let tiles = output.n * across * down;
    let panel = (output.c.next_multiple_of(lanes)).min(tile::widest_of(vectors) * lanes);
    let panels = output.c.div_ceil(panel);
    let units = conv.input.c.div_ceil(DEPTH) * panels;
    let plan = Plan {
        vectors,
        conv,
        x,
        dy,
        output,
        across,
        down,
        panel,
        panels,
        chunks: UNITS.div_ceil(units).min(tiles.div_ceil(BLOCK)),
    };
    let len = POINTS * DEPTH * panel;
    let chunk_tiles = |chunk: usize| tiles * chunk / plan.chunks..tiles * (chunk + 1) / plan.chunks;
    let fill = |grad: *mut f32| {
        let grad = Shared::at(grad);
        if plan.chunks == 1 {
            for_each(units, |unit| {
                scratch::with(len, |sums| {
                    plan.unit(unit, 0..tiles, sums);
                    plan.collect(unit, sums, grad);
                });
            });
            return;
        }
        scratch::with(units * plan.chunks * len, |sums| {
            let shared = Shared::new(sums);
            for_each(units * plan.chunks, |work| {
                // SAFETY: each piece of work has its own part.
                let sums = unsafe { shared.part(work * len, len) };
                plan.unit(work / plan.chunks, chunk_tiles(work % plan.chunks), sums);
            });
            for_each(units, |unit| {
                // SAFETY: the work on this unit is over, and no other reads its parts.
                let sums = unsafe { shared.part(unit * plan.chunks * len, plan.chunks * len) };
                let (total, others) = sums.split_at_mut(len);
                for other in others.chunks_exact(len) {
                    total
                        .iter_mut()
                        .zip(other)
                        .for_each(|(sum, term)| *sum += term);
                }
                plan.collect(unit, total, grad);
            });
        });
    };
    // SAFETY: the units cover all channels.
    unsafe { written(conv.weight_len(), fill) }
}

impl Plan<'_> {
    /// First input channel of a unit, their number, and the first output channel.
    fn place(&self, unit: usize) -> (usize, usize, usize) {
        let first_input = unit / self.panels * DEPTH;
        let depth = DEPTH.min(self.conv.input.c - first_input);
        (first_input, depth, unit % self.panels * self.panel)
    }

    /// Writes the weights of a unit.
    fn collect(&self, unit: usize, sums: &[f32], grad: Shared<f32>) {
        let (first_input, depth, first_output) = self.place(unit);
        self.vectors.dispatch(Collect {
            plan: self,
            sums,
            first_input,
            depth,
            first_output,
            grad,
        });
    }

    fn unit(&self, unit: usize, tiles: Range<usize>, sums: &mut [f32]) {
        sums.fill(0.0);
        let (first_input, depth, first_output) = self.place(unit);
        for start in tiles.clone().step_by(BLOCK) {
            let tiles = start..tiles.end.min(start + BLOCK);
            let (sources, gradients) = (
                POINTS * pitch(tiles.len() * DEPTH),
                POINTS * pitch(tiles.len() * self.panel),
            );
            scratch::with(sources + gradients, |space| {
                let (sources, gradients) = space.split_at_mut(sources);
                self.vectors.dispatch(Block {
                    plan: self,
                    tiles,
                    first_input,
                    depth,
                    first_output,
                    sources,
                    gradients,
                    sums,
                });
            });
        }
    }
}

/// Adds the products of some tiles to the sums of a unit.
struct Block<'a> {
    plan: &'a Plan<'a>,
    tiles: Range<usize>,
    first_input: usize,
    depth: usize,
    first_output: usize,
    /// `[point][tile][channel]`.
    sources: &'a mut [f32],
    gradients: &'a mut [f32],
    /// `[point][input channel][output channel]`.
    sums: &'a mut [f32],
}

impl Task for Block<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(mut self) {
        // SAFETY: as of this function.
        unsafe {
            self.transform::<S>();
            if S::REGISTERS >= 32 {
                match self.plan.panel / S::LANES {
                    1 => self.products::<S, 16, 1>(),
                    2 => self.products::<S, 8, 2>(),
                    3 => self.products::<S, 8, 3>(),
                    _ => self.products::<S, 4, 4>(),
                }
            } else {
                match self.plan.panel / S::LANES {
                    1 => self.products::<S, 8, 1>(),
                    _ => self.products::<S, 4, 2>(),
                }
            }
        }
    }
}

impl Block<'_> {
    #[inline(always)]
    unsafe fn transform<S: Simd>(&mut self) {
        let plan = self.plan;
        let (x, y, count) = (plan.conv.input, plan.output, self.tiles.len());
        for (place, tile) in self.tiles.clone().enumerate() {
            let (column, rest) = (tile % plan.across, tile / plan.across);
            let (row, image) = (rest % plan.down, rest / plan.down);
            let (row, column) = ((row * SIDE) as isize, (column * SIDE) as isize);
            // SAFETY: the image and the channels exist; the copies have room for all points.
            unsafe {
                let from = plan.x.as_ptr().add(image * x.h * x.w * x.c);
                let window = Window {
                    y: row - plan.conv.padding[0].0 as isize,
                    x: column - plan.conv.padding[1].0 as isize,
                };
                for channel in (0..self.depth).step_by(S::LANES) {
                    let lanes = (self.depth - channel).min(S::LANES);
                    let channel_in = self.first_input + channel;
                    let square =
                        load_square::<S, REACH>(from, [x.h, x.w, x.c], window, channel_in, lanes);
                    let points = both_ways!(square, 6 => 6, line_of_source);
                    let to = self.sources.as_mut_ptr().add(place * DEPTH + channel);
                    for (point, value) in points.as_flattened().iter().enumerate() {
                        S::store(to.add(point * pitch(count * DEPTH)), *value);
                    }
                }
                let from = plan.dy.as_ptr().add(image * y.h * y.w * y.c);
                let window = Window { y: row, x: column };
                for channel in (0..plan.panel).step_by(S::LANES) {
                    let lanes =
                        y.c.saturating_sub(self.first_output + channel)
                            .min(S::LANES);
                    let square = load_square::<S, SIDE>(
                        from,
                        [y.h, y.w, y.c],
                        window,
                        self.first_output + channel,
                        lanes,
                    );
                    let mut half = [[S::splat(0.0); SIDE]; REACH];
                    for x in 0..SIDE {
                        let line = line_of_gradient::<S>(std::array::from_fn(|y| square[y][x]));
                        for y in 0..REACH {
                            half[y][x] = line[y];
                        }
                    }
                    let to = self
                        .gradients
                        .as_mut_ptr()
                        .add(place * plan.panel + channel);
                    for y in 0..REACH {
                        let line = line_of_gradient::<S>(half[y]);
                        for x in 0..REACH {
                            let to = to.add((y * REACH + x) * pitch(count * plan.panel));
                            S::store(to, line[x]);
                        }
                    }
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn products<S: Simd, const M: usize, const V: usize>(&mut self) {
        let (count, width) = (self.tiles.len(), V * S::LANES);
        let all = [Span {
            a: 0,
            b: 0,
            len: count,
        }];
        for point in 0..POINTS {
            // SAFETY: rows of this point in each of the three; DEPTH is a multiple of M.
            unsafe {
                let sources = self.sources.as_ptr().add(point * pitch(count * DEPTH));
                let gradients = self.gradients.as_ptr().add(point * pitch(count * width));
                let sums = self.sums.as_mut_ptr().add(point * DEPTH * width);
                for row in (0..self.depth.next_multiple_of(M)).step_by(M) {
                    let sums = sums.add(row * width);
                    // Each block is summed on its own first: a sum of short sums rounds less than
                    // one long sum.
                    let mut tile = [[S::splat(0.0); V]; M];
                    tile::outer::<S, M, V>(
                        (sources.add(row), DEPTH),
                        (gradients, width),
                        &all,
                        &mut tile,
                    );
                    tile::add_to::<S, M, V>(&tile, sums, M);
                }
            }
        }
    }
}

/// Turns the sums of a unit into weights.
struct Collect<'a> {
    plan: &'a Plan<'a>,
    sums: &'a [f32],
    first_input: usize,
    depth: usize,
    first_output: usize,
    grad: Shared<f32>,
}

impl Task for Collect<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let (panel, inputs) = (self.plan.panel, self.plan.conv.input.c);
        for channel in (0..panel).step_by(S::LANES) {
            let there = (self.plan.output.c)
                .saturating_sub(self.first_output + channel)
                .min(S::LANES);
            for input in 0..self.depth {
                // SAFETY: the sums have all points; the weights of these channels are this unit's.
                unsafe {
                    let from = self.sums.as_ptr().add(input * panel + channel);
                    let mut half = [[S::splat(0.0); REACH]; 3];
                    for x in 0..REACH {
                        let line = line_of_weight::<S>(std::array::from_fn(|y| {
                            S::load(from.add((y * REACH + x) * DEPTH * panel))
                        }));
                        for y in 0..3 {
                            half[y][x] = line[y];
                        }
                    }
                    let mut taps = [[0.0_f32; 16]; 9];
                    for y in 0..3 {
                        let line = line_of_weight::<S>(half[y]);
                        for x in 0..3 {
                            S::store(taps[y * 3 + x].as_mut_ptr(), line[x]);
                        }
                    }
                    for lane in 0..there {
                        let output = self.first_output + channel + lane;
                        let at = (output * inputs + self.first_input + input) * 9;
                        let to = self.grad.pointer().add(at);
                        for (tap, values) in taps.iter().enumerate() {
                            *to.add(tap) = values[lane];
                        }
                    }
                }
            }
        }
    }
}
