//! The average over windows.

use std::ops::Range;

use super::window::{Owners, Span, Window};
use crate::Image;
use crate::elementwise::flat::{First, Part, Whole, parts};
use crate::simd::{Simd, Task, Vectors};
use crate::threads::Shared;

/// The average of each window: over its pixels in the image and, with `count_include_pad`, over
/// those of the padding too, which are zeros. Zero where a window sees padding alone.
///
/// # Shapes
/// `x` as `image`, to `window.output(image)`.
///
/// # Panics
/// As [`Window::output`], and when `x` does not have that shape.
#[must_use]
pub fn avg(x: &[f32], image: Image, window: &Window, count_include_pad: bool) -> Vec<f32> {
    assert_eq!(x.len(), image.len(), "pooling: x of {image:?}");
    let [rows, columns] = [0, 1].map(|axis| {
        let spans = window.spans(image, axis);
        let spans = spans.into_iter();
        spans
            .map(|span| (span, share(&span, count_include_pad)))
            .collect::<Vec<_>>()
    });
    let area = window.kernel[0].saturating_mul(window.kernel[1]);
    averages(x, image, [&rows, &columns], area)
}

/// The averages of windows of about `area` pixels, given what each covers and its factor along both axes.
pub(super) fn averages(
    x: &[f32],
    image: Image,
    [rows, columns]: [&[(Span, f32)]; 2],
    area: usize,
) -> Vec<f32> {
    let out = Image {
        h: rows.len(),
        w: columns.len(),
        ..image
    };
    let mut y = Vec::with_capacity(out.len());
    let to = Shared::new(y.spare_capacity_mut());
    let line = out.w * out.c;
    let vectors = Vectors::in_use();
    parts(out.n * out.h, line * area.min(4), |part| {
        // SAFETY: the rows of different calls are disjoint and lie in the result.
        let to = unsafe { to.pointer().cast::<f32>().add(part.start * line) };
        vectors.dispatch(Averages {
            x,
            image,
            rows,
            columns,
            part,
            to,
        });
    });
    // SAFETY: the rows cover all of it.
    unsafe { y.set_len(out.len()) };
    y
}

/// What a window contributes to the factor along one axis; zero where it sees padding alone.
pub(super) fn share(span: &Span, count_include_pad: bool) -> f32 {
    match span.end - span.start {
        0 => 0.0,
        _ if count_include_pad => 1.0 / span.padded as f32,
        inside => 1.0 / inside as f32,
    }
}

/// Some rows of windows. `x` is as long as the image, the spans lie in it, and `to` has room for
/// the rows.
struct Averages<'a> {
    x: &'a [f32],
    image: Image,
    rows: &'a [(Span, f32)],
    columns: &'a [(Span, f32)],
    part: Range<usize>,
    to: *mut f32,
}

impl Task for Averages<'_> {
    type Output = ();
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Image { h, w, c, .. } = self.image;
        let mut at = 0;
        for row in self.part.clone() {
            let image = row / self.rows.len() * h * w * c;
            let (rows, height) = self.rows[row % self.rows.len()];
            for (columns, width) in self.columns {
                // SAFETY: the channels of this window lie in the result, and those of the spans'
                // pixels in the image.
                unsafe {
                    let factor = S::splat(height * width);
                    let x = self.x.as_ptr().add(image);
                    let to = self.to.add(at);
                    let mut channel = 0;
                    while channel + 4 * S::LANES <= c {
                        let span = (x.add(channel), rows, *columns);
                        self.window::<S, _, 4>(span, to.add(channel), factor, Whole);
                        channel += 4 * S::LANES;
                    }
                    while channel + S::LANES <= c {
                        let span = (x.add(channel), rows, *columns);
                        self.window::<S, _, 1>(span, to.add(channel), factor, Whole);
                        channel += S::LANES;
                    }
                    if channel < c {
                        let span = (x.add(channel), rows, *columns);
                        self.window::<S, _, 1>(span, to.add(channel), factor, First(c - channel));
                    }
                }
                at += c;
            }
        }
    }
}

impl Averages<'_> {
    /// The mean of `V` vectors of channels over one window.
    ///
    /// # Safety
    /// The lanes that `part` means exist at all pixels of the spans from `x` on and at `to`, and the processor has `S`.
    #[inline(always)]
    unsafe fn window<S: Simd, P: Part, const V: usize>(
        &self,
        (x, rows, columns): (*const f32, Span, Span),
        to: *mut f32,
        factor: S::V,
        part: P,
    ) {
        let Image { w, c, .. } = self.image;
        // SAFETY: as of this function.
        unsafe {
            let mut sums = [S::splat(0.0); V];
            for y in rows.start..rows.end {
                // Row by row, so that a large window is not summed into one number.
                let mut row = [S::splat(0.0); V];
                for column in columns.start..columns.end {
                    let x = x.add((y * w + column) * c);
                    for (v, sum) in row.iter_mut().enumerate() {
                        *sum = S::add(*sum, part.load::<S>(x.add(v * S::LANES)));
                    }
                }
                for (sum, row) in sums.iter_mut().zip(row) {
                    *sum = S::add(*sum, row);
                }
            }
            for (v, sum) in sums.into_iter().enumerate() {
                part.store::<S>(to.add(v * S::LANES), S::mul(sum, factor));
            }
        }
    }
}

/// The gradient of [`avg`].
///
/// # Shapes
/// `dy` as `window.output(image)`, to `image`.
///
/// # Panics
/// As [`Window::output`], and when `dy` does not have that shape.
#[must_use]
pub fn avg_grad(dy: &[f32], image: Image, window: &Window, count_include_pad: bool) -> Vec<f32> {
    let out = window.output(image);
    assert_eq!(dy.len(), out.len(), "pooling: dy of {out:?}");
    let [rows, columns] = [0, 1].map(|axis| window.owners(image, axis));
    let [heights, widths] = [0, 1].map(|axis| {
        let spans = window.spans(image, axis);
        let spans = spans.iter();
        spans
            .map(|span| share(span, count_include_pad))
            .collect::<Vec<_>>()
    });
    spread(dy, image, [&rows, &columns], [&heights, &widths])
}

/// The gradient of [`averages`], given the windows that each pixel is in, and their factors.
pub(super) fn spread(
    dy: &[f32],
    image: Image,
    [rows, columns]: [&[Owners]; 2],
    [heights, widths]: [&[f32]; 2],
) -> Vec<f32> {
    let out = Image {
        h: heights.len(),
        w: widths.len(),
        ..image
    };
    let mut dx = Vec::with_capacity(image.len());
    let to = Shared::new(dx.spare_capacity_mut());
    let (line, vectors) = (image.w * image.c, Vectors::in_use());
    parts(image.n * image.h, line * 2, |part| {
        // SAFETY: the rows of different calls are disjoint and lie in the result.
        let to = unsafe { to.pointer().cast::<f32>().add(part.start * line) };
        vectors.dispatch(Spread {
            dy,
            out,
            rows,
            columns,
            heights,
            widths,
            part,
            to,
        });
    });
    // SAFETY: the rows cover all of it.
    unsafe { dx.set_len(image.len()) };
    dx
}

/// Some rows of the input's gradient. `dy` is as long as `out`, the owners lie in it, and `to` has
/// room for the rows.
struct Spread<'a> {
    dy: &'a [f32],
    out: Image,
    rows: &'a [Owners],
    columns: &'a [Owners],
    heights: &'a [f32],
    widths: &'a [f32],
    part: Range<usize>,
    to: *mut f32,
}

impl Task for Spread<'_> {
    type Output = ();
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Image { h, w, c, .. } = self.out;
        let mut to = self.to;
        for row in self.part.clone() {
            let (image, y) = (row / self.rows.len(), row % self.rows.len());
            let rows = self.rows[y];
            for columns in self.columns {
                let from = ((image * h + rows.start) * w + columns.start) * c;
                // SAFETY: the channels of this pixel lie in the result, and those of the windows
                // that own it in `dy`.
                unsafe {
                    let mut channel = 0;
                    while channel + S::LANES <= c {
                        let sum = self.sum::<S, _>(rows, *columns, from + channel, Whole);
                        Whole.store::<S>(to.add(channel), sum);
                        channel += S::LANES;
                    }
                    if channel < c {
                        let rest = First(c - channel);
                        let sum = self.sum::<S, _>(rows, *columns, from + channel, rest);
                        rest.store::<S>(to.add(channel), sum);
                    }
                    to = to.add(c);
                }
            }
        }
    }
}

impl Spread<'_> {
    /// What reaches a pixel from its windows; `from` is where the first one lies in `dy`.
    ///
    /// # Safety
    /// The lanes that `part` means exist in all windows, and the processor has `S`.
    #[inline(always)]
    unsafe fn sum<S: Simd, P: Part>(
        &self,
        rows: Owners,
        columns: Owners,
        from: usize,
        part: P,
    ) -> S::V {
        let line = self.out.w * self.out.c;
        // SAFETY: as of this function.
        unsafe {
            let mut sum = S::splat(0.0);
            for row in 0..rows.count {
                let height = self.heights[rows.start + row];
                let mut from = from + row * line;
                for column in 0..columns.count {
                    let width = self.widths[columns.start + column];
                    let dy = part.load::<S>(self.dy.as_ptr().add(from));
                    sum = S::fma(dy, S::splat(height * width), sum);
                    from += self.out.c;
                }
            }
            sum
        }
    }
}
