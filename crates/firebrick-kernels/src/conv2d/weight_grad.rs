//! The weight gradient: outer products of input pixels and gradient pixels.
//!
//! Work is cut into units, a block of input channels by a panel of output channels, and a few
//! chunks of images where there are few units. A unit walks blocks of gradient pixels that stay in
//! the first-level cache and adds all taps of them to its sums. The cut depends on shapes alone.

use std::ops::Range;

use super::tile::{self, Span};
use super::{Conv2d, gather};
use crate::output::written;
use crate::simd::{Simd, Task, dispatch, lanes};
use crate::threads::{Shared, for_each};
use crate::{Image, scratch};

/// Units of work that are enough for the processors that we plan for.
const UNITS: usize = 16;

/// Elements of a block of gradient pixels.
const BLOCK: usize = 6144;

/// How a unit reads its input channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rows {
    /// From the images as they are.
    Direct,
    /// Copied, its block of channels alone, rounded up to a multiple of four: pixels far apart in
    /// memory fall into few sets of the cache.
    Packed,
    /// Copied as patches, all taps of all channels of a pixel side by side: for few channels.
    Patches,
}

struct Plan<'a> {
    conv: &'a Conv2d,
    x: &'a [f32],
    dy: &'a [f32],
    output: Image,
    rows: Rows,
    /// Input channels of a unit, and with the padding that tiles need.
    block: usize,
    block_padded: usize,
    /// Output channels of a unit, a multiple of the lanes.
    panel: usize,
    /// Units of a group along each axis.
    blocks: usize,
    panels: usize,
    chunks: usize,
}

pub(super) fn run(conv: &Conv2d, x: &[f32], dy: &[f32]) -> Vec<f32> {
    let output = conv.output();
    let (inputs, outputs, area) = (conv.group_inputs(), conv.group_outputs(), conv.taps());
    if output.is_empty() {
        return vec![0.0; conv.weight_len()];
    }
    let patches = area > 1 && inputs <= 4 && conv.groups == 1;
    // Fewer channels for many taps, so that the sums of a unit stay in the second-level cache.
    let block = inputs.min(if patches {
        4
    } else {
        (288 / area).next_multiple_of(16)
    });
    let rows = if patches {
        Rows::Patches
    } else if inputs > 128
        || conv.groups > 1
        || !inputs.is_multiple_of(block)
        || !block.is_multiple_of(4)
    {
        // A tile reads whole blocks: one that is not filled would be read past its pixel.
        Rows::Packed
    } else {
        Rows::Direct
    };
    let panel = outputs
        .next_multiple_of(lanes())
        .min(gather::widest_now() * lanes());
    let (blocks, panels) = (inputs.div_ceil(block), outputs.div_ceil(panel));
    let units = conv.groups * blocks * panels;
    let plan = Plan {
        conv,
        x,
        dy,
        output,
        rows,
        block,
        block_padded: block.next_multiple_of(4),
        panel,
        blocks,
        panels,
        chunks: UNITS.div_ceil(units).min(output.n),
    };
    let len = plan.sums_len();
    scratch::with(units * plan.chunks * len, |sums| {
        let shared = Shared::new(sums);
        for_each(units * plan.chunks, |work| {
            let (unit, chunk) = (work / plan.chunks, work % plan.chunks);
            let images = output.n * chunk / plan.chunks..output.n * (chunk + 1) / plan.chunks;
            // SAFETY: each piece of work has its own part.
            let sums = unsafe { shared.part(work * len, len) };
            plan.unit(unit, images, sums);
        });
        // SAFETY: the units cover all channels of all groups.
        unsafe {
            written(conv.weight_len(), |grad| {
                let grad = Shared::new(std::slice::from_raw_parts_mut(grad, conv.weight_len()));
                for_each(units, |unit| {
                    // SAFETY: the work on this unit is over, and no other reads its parts.
                    let sums = shared.part(unit * plan.chunks * len, plan.chunks * len);
                    plan.collect(unit, sums, grad);
                });
            })
        }
    })
}

impl Plan<'_> {
    /// Rows of a unit's sums for each tap of the loops below.
    fn depth(&self) -> usize {
        match self.rows {
            Rows::Patches => (self.block * self.conv.taps()).next_multiple_of(4),
            _ => self.block_padded,
        }
    }

    fn loop_taps(&self) -> usize {
        if self.rows == Rows::Patches {
            1
        } else {
            self.conv.taps()
        }
    }

    fn sums_len(&self) -> usize {
        self.loop_taps() * self.depth() * self.panel
    }

    /// The group of a unit, its first input and its first output channel there.
    fn place(&self, unit: usize) -> (usize, usize, usize) {
        let (panel, rest) = (unit % self.panels, unit / self.panels);
        let (block, group) = (rest % self.blocks, rest / self.blocks);
        (group, block * self.block, panel * self.panel)
    }

    fn unit(&self, unit: usize, images: Range<usize>, sums: &mut [f32]) {
        sums.fill(0.0);
        let Image {
            h: rows,
            w: columns,
            ..
        } = self.output;
        let pixels = (BLOCK / self.panel).max(1);
        let (each_image, each_row) = if rows * columns <= pixels {
            (pixels / (rows * columns), rows)
        } else {
            (1, (pixels / columns).clamp(1, rows))
        };
        for first in images.clone().step_by(each_image) {
            for row in (0..rows).step_by(each_row) {
                self.block(
                    unit,
                    first..images.end.min(first + each_image),
                    row..rows.min(row + each_row),
                    sums,
                );
            }
        }
    }

    /// Adds a block of gradient pixels to the sums of a unit.
    fn block(&self, unit: usize, images: Range<usize>, rows: Range<usize>, sums: &mut [f32]) {
        let (group, first_input, first_output) = self.place(unit);
        let (conv, Image { h, w, c, .. }) = (self.conv, self.conv.input);
        let columns = self.output.w;
        let pixels = images.len() * rows.len() * columns;
        let there = self.panel.min(conv.group_outputs() - first_output);
        let dy_channel = group * conv.group_outputs() + first_output;
        let x_channel = group * conv.group_inputs() + first_input;
        let depth = self.block.min(conv.group_inputs() - first_input);

        // The rows of the input that the block's taps reach.
        let reach = (conv.kernel[0] - 1) * conv.dilation[0];
        let top = (rows.start * conv.stride[0]) as isize - conv.padding[0].0 as isize;
        let bottom =
            ((rows.end - 1) * conv.stride[0] + reach) as isize - conv.padding[0].0 as isize;
        let x_rows = top.clamp(0, h as isize) as usize..(bottom + 1).clamp(0, h as isize) as usize;
        let x_pixels = images.len() * x_rows.len() * w;
        let (x_len, x_step) = match self.rows {
            Rows::Direct => (0, c),
            Rows::Packed => (x_pixels * self.block_padded, self.block_padded),
            Rows::Patches => (pixels * self.depth() + lanes(), self.depth()),
        };
        let dy_packed = there < self.panel || self.output.c > 4 * self.panel.min(64);
        let dy_len = if dy_packed { pixels * self.panel } else { 0 };
        scratch::with(x_len + dy_len, |copies| {
            let (x_copy, dy_copy) = copies.split_at_mut(x_len);
            let first_pixel = |image: usize| (image * self.output.h + rows.start) * columns;
            if dy_packed {
                let each = rows.len() * columns;
                for (place, copy) in dy_copy.chunks_exact_mut(self.panel).enumerate() {
                    let pixel = first_pixel(images.start + place / each) + place % each;
                    let from = pixel * self.output.c + dy_channel;
                    copy[..there].copy_from_slice(&self.dy[from..from + there]);
                    copy[there..].fill(0.0);
                }
            }
            let each = x_rows.len() * w;
            let x_pixel = |image: usize| (image * h + x_rows.start) * w;
            match self.rows {
                Rows::Direct => {}
                Rows::Packed => {
                    for (place, copy) in x_copy.chunks_exact_mut(self.block_padded).enumerate() {
                        let pixel = x_pixel(images.start + place / each) + place % each;
                        let from = pixel * c + x_channel;
                        copy[..depth].copy_from_slice(&self.x[from..from + depth]);
                        copy[depth..].fill(0.0);
                    }
                }
                Rows::Patches => dispatch(Patches {
                    plan: self,
                    images: images.clone(),
                    rows: rows.clone(),
                    copy: x_copy,
                }),
            }
            let (x, x_image) = match self.rows {
                Rows::Direct => (&self.x[x_pixel(images.start) * c + x_channel..], h * w),
                _ => (&*x_copy, each),
            };
            let (dy, dy_image, dy_step) = if dy_packed {
                (&*dy_copy, rows.len() * columns, self.panel)
            } else {
                let from = first_pixel(images.start) * self.output.c + dy_channel;
                (&self.dy[from..], self.output.h * columns, self.output.c)
            };
            dispatch(Outer {
                plan: self,
                x,
                x_image,
                x_step,
                x_rows: x_rows.clone(),
                dy,
                dy_image,
                dy_step,
                images: images.len(),
                rows: rows.clone(),
                sums,
            });
        });
    }

    /// Adds up the chunks of a unit and writes them in the weight's order.
    fn collect(&self, unit: usize, sums: &mut [f32], grad: Shared<f32>) {
        let (total, others) = sums.split_at_mut(self.sums_len());
        for other in others.chunks_exact(self.sums_len()) {
            total
                .iter_mut()
                .zip(other)
                .for_each(|(sum, term)| *sum += term);
        }
        let (conv, area) = (self.conv, self.conv.taps());
        let (group, first_input, first_output) = self.place(unit);
        let depth = self.block.min(conv.group_inputs() - first_input);
        let there = self.panel.min(conv.group_outputs() - first_output);
        let inputs = conv.group_inputs();
        for column in 0..there {
            let output = group * conv.group_outputs() + first_output + column;
            // SAFETY: these channels of the weight belong to this unit alone.
            let to = unsafe { grad.part((output * inputs + first_input) * area, depth * area) };
            for (place, value) in to.iter_mut().enumerate() {
                let (input, tap) = (place / area, place % area);
                let row = match self.rows {
                    Rows::Patches => tap * conv.input.c + input,
                    _ => tap * self.block_padded + input,
                };
                *value = total[row * self.panel + column];
            }
        }
    }
}

/// Copies what each pixel of the output sees, `[tap][channel]`.
struct Patches<'a> {
    plan: &'a Plan<'a>,
    images: Range<usize>,
    rows: Range<usize>,
    copy: &'a mut [f32],
}

impl Task for Patches<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let conv = self.plan.conv;
        let Image { h, w, c, .. } = conv.input;
        let [kernel_h, kernel_w] = conv.kernel;
        let depth = self.plan.depth();
        // Neighbours of a pixel lie side by side, unless there are gaps between them.
        let joined = if conv.dilation[1] == 1 { kernel_w } else { 1 };
        let x_end = self.plan.x.as_ptr_range().end;
        let mut patch = self.copy.as_mut_ptr();
        for image in self.images {
            for row in self.rows.clone() {
                for column in 0..self.plan.output.w {
                    let left = (column * conv.stride[1]) as isize - conv.padding[1].0 as isize;
                    for ky in 0..kernel_h {
                        let y = (row * conv.stride[0] + ky * conv.dilation[0])
                            .wrapping_sub(conv.padding[0].0);
                        for kx in (0..kernel_w).step_by(joined) {
                            let x = left + (kx * conv.dilation[1]) as isize;
                            let skip = (-x).clamp(0, joined as isize) as usize;
                            let inside = (w as isize - x).clamp(0, joined as isize) as usize;
                            // SAFETY: the copy has a patch of `depth` for each pixel and a vector
                            // more: what is written too far is written again by what follows.
                            unsafe {
                                let to = patch.add((ky * kernel_w + kx) * c);
                                if y >= h || (skip, inside) != (0, joined) {
                                    std::slice::from_raw_parts_mut(to, joined * c).fill(0.0);
                                }
                                if y < h && skip < inside {
                                    let from = (image * h + y) * w + (x + skip as isize) as usize;
                                    let from = self.plan.x.as_ptr().add(from * c);
                                    let len = (inside - skip) * c;
                                    let whole = inside == joined
                                        && x_end.offset_from(from) as usize >= len + S::LANES;
                                    copy_run::<S>(from, to.add(skip * c), len, whole);
                                }
                            }
                        }
                    }
                    // SAFETY: as above.
                    unsafe {
                        for place in conv.taps() * c..depth {
                            *patch.add(place) = 0.0;
                        }
                        patch = patch.add(depth);
                    }
                }
            }
        }
    }
}

/// Copies `len` elements; with `over`, in whole vectors, the last of which may go too far.
///
/// # Safety
/// Both sides have `len` elements, with `over` a vector more.
#[inline(always)]
unsafe fn copy_run<S: Simd>(from: *const f32, to: *mut f32, len: usize, over: bool) {
    for at in (0..len).step_by(S::LANES) {
        // SAFETY: as of this function.
        unsafe {
            if over {
                S::store(to.add(at), S::load(from.add(at)));
            } else {
                let count = (len - at).min(S::LANES);
                S::store_first(to.add(at), S::load_first(from.add(at), count), count);
            }
        }
    }
}

/// The outer products of a block.
struct Outer<'a> {
    plan: &'a Plan<'a>,
    /// From the first pixel of the block's first row on; pixels of an image, and elements from one
    /// pixel to the next.
    x: &'a [f32],
    x_image: usize,
    x_step: usize,
    x_rows: Range<usize>,
    dy: &'a [f32],
    dy_image: usize,
    dy_step: usize,
    images: usize,
    rows: Range<usize>,
    sums: &'a mut [f32],
}

impl Task for Outer<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let mut spans = Vec::new();
        for tap in 0..self.plan.loop_taps() {
            self.spans(tap, &mut spans);
            let depth = self.plan.depth();
            // SAFETY: the sums of one tap.
            unsafe {
                let sums = self
                    .sums
                    .as_ptr()
                    .cast_mut()
                    .add(tap * depth * self.plan.panel);
                if S::REGISTERS >= 32 {
                    match self.plan.panel / S::LANES {
                        1 => self.tap::<S, 16, 1>(&spans, sums),
                        2 => self.tap::<S, 8, 2>(&spans, sums),
                        3 => self.tap::<S, 4, 3>(&spans, sums),
                        _ => self.tap::<S, 4, 4>(&spans, sums),
                    }
                } else {
                    match self.plan.panel / S::LANES {
                        1 => self.tap::<S, 8, 1>(&spans, sums),
                        _ => self.tap::<S, 4, 2>(&spans, sums),
                    }
                }
            }
        }
    }
}

impl Outer<'_> {
    /// The pixels that a tap joins, in runs.
    fn spans(&self, tap: usize, spans: &mut Vec<Span>) {
        spans.clear();
        let (plan, conv) = (self.plan, self.plan.conv);
        let columns = plan.output.w;
        let mut push = |a: usize, b: usize, len: usize, a_step: usize| match spans.last_mut() {
            Some(last)
                if last.a + last.len * a_step == a && last.b + last.len * self.dy_step == b =>
            {
                last.len += len;
            }
            _ => spans.push(Span { a, b, len }),
        };
        if plan.rows == Rows::Patches {
            push(0, 0, self.images * self.rows.len() * columns, self.x_step);
            return;
        }
        let Image { w, .. } = conv.input;
        let (ky, kx) = (tap / conv.kernel[1], tap % conv.kernel[1]);
        let (stride, shift) = (conv.stride[1], kx * conv.dilation[1]);
        let left = conv.padding[1].0;
        // Columns whose input column `column · stride + shift - left` is in the image.
        let first = left.saturating_sub(shift).div_ceil(stride);
        let end = (w + left)
            .saturating_sub(shift)
            .div_ceil(stride)
            .min(columns);
        if first >= end {
            return;
        }
        for image in 0..self.images {
            for row in self.rows.clone() {
                let y =
                    (row * conv.stride[0] + ky * conv.dilation[0]).wrapping_sub(conv.padding[0].0);
                if !self.x_rows.contains(&y) {
                    continue;
                }
                let x_pixel = image * self.x_image
                    + (y - self.x_rows.start) * w
                    + (first * stride + shift - left);
                let dy_pixel = image * self.dy_image + (row - self.rows.start) * columns + first;
                push(
                    x_pixel * self.x_step,
                    dy_pixel * self.dy_step,
                    end - first,
                    self.x_step * stride,
                );
            }
        }
    }

    /// Adds one tap's products to its sums, `M` rows at a time.
    #[inline(always)]
    unsafe fn tap<S: Simd, const M: usize, const V: usize>(&self, spans: &[Span], sums: *mut f32) {
        let depth = self.plan.depth();
        let mut row = 0;
        // SAFETY: the spans lie in the block; the rows are a multiple of 4, as M is.
        unsafe {
            while row + M <= depth {
                self.tile::<S, M, V>(spans, row, sums);
                row += M;
            }
            while row + 8 <= depth && M > 8 {
                self.tile::<S, 8, V>(spans, row, sums);
                row += 8;
            }
            while row < depth {
                self.tile::<S, 4, V>(spans, row, sums);
                row += 4;
            }
        }
    }

    #[inline(always)]
    unsafe fn tile<S: Simd, const M: usize, const V: usize>(
        &self,
        spans: &[Span],
        row: usize,
        sums: *mut f32,
    ) {
        let a_step = match self.plan.rows {
            Rows::Patches => self.x_step,
            _ => self.x_step * self.plan.conv.stride[1],
        };
        // SAFETY: as of the caller.
        unsafe {
            let sums = sums.add(row * V * S::LANES);
            let mut tile: [[S::V; V]; M] = std::array::from_fn(|m| {
                std::array::from_fn(|v| S::load(sums.add((m * V + v) * S::LANES)))
            });
            tile::outer::<S, M, V>(
                (self.x.as_ptr().add(row), a_step),
                (self.dy.as_ptr(), self.dy_step),
                spans,
                &mut tile,
            );
            for m in 0..M {
                for v in 0..V {
                    S::store(sums.add((m * V + v) * S::LANES), tile[m][v]);
                }
            }
        }
    }
}
