//! The outer products of input pixels and gradient pixels of a block.

use std::ops::Range;

use super::super::tile::{self, Span};
use super::plan::{Plan, Rows};
use crate::Image;
use crate::simd::{Simd, Task};

/// The outer products of a block.
pub(super) struct Outer<'a> {
    pub(super) plan: &'a Plan<'a>,
    /// From the first pixel of the block's first row on; pixels of an image, and elements from one
    /// pixel to the next.
    pub(super) x: &'a [f32],
    pub(super) x_image: usize,
    pub(super) x_step: usize,
    pub(super) x_rows: Range<usize>,
    pub(super) dy: &'a [f32],
    pub(super) dy_image: usize,
    pub(super) dy_step: usize,
    pub(super) images: usize,
    pub(super) rows: Range<usize>,
    pub(super) sums: &'a mut [f32],
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
