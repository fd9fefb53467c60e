//! The average over windows and over whole images.

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
    let out = window.output(image);
    assert_eq!(x.len(), image.len(), "pooling: x of {image:?}");
    let [rows, columns] = [0, 1].map(|axis| {
        let spans = window.spans(image, axis);
        let spans = spans.into_iter();
        spans
            .map(|span| (span, share(&span, count_include_pad)))
            .collect::<Vec<_>>()
    });
    let mut y = Vec::with_capacity(out.len());
    let to = Shared::new(y.spare_capacity_mut());
    let line = out.w * out.c;
    let area = window.kernel[0].saturating_mul(window.kernel[1]);
    let vectors = Vectors::in_use();
    parts(out.n * out.h, line * area.min(4), |part| {
        // SAFETY: the rows of different calls are disjoint and lie in the result.
        let to = unsafe { to.pointer().cast::<f32>().add(part.start * line) };
        vectors.dispatch(Averages {
            x,
            image,
            rows: &rows,
            columns: &columns,
            part,
            to,
        });
    });
    // SAFETY: the rows cover all of it.
    unsafe { y.set_len(out.len()) };
    y
}

/// What a window contributes to the factor along one axis; zero where it sees padding alone.
fn share(span: &Span, count_include_pad: bool) -> f32 {
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
                    let mut channel = 0;
                    while channel + S::LANES <= c {
                        let sum = self.sum::<S, _>(x.add(channel), rows, *columns, Whole);
                        Whole.store::<S>(self.to.add(at + channel), S::mul(sum, factor));
                        channel += S::LANES;
                    }
                    if channel < c {
                        let rest = First(c - channel);
                        let sum = self.sum::<S, _>(x.add(channel), rows, *columns, rest);
                        rest.store::<S>(self.to.add(at + channel), S::mul(sum, factor));
                    }
                }
                at += c;
            }
        }
    }
}

impl Averages<'_> {
    /// # Safety
    /// The lanes that `part` means exist at all pixels of the spans from `x` on, and the processor
    /// has `S`.
    #[inline(always)]
    unsafe fn sum<S: Simd, P: Part>(
        &self,
        x: *const f32,
        rows: Span,
        columns: Span,
        part: P,
    ) -> S::V {
        let Image { w, c, .. } = self.image;
        // SAFETY: as of this function.
        unsafe {
            let mut sum = S::splat(0.0);
            for y in rows.start..rows.end {
                // Row by row, so that a large window is not summed into one number.
                let mut row = S::splat(0.0);
                for column in columns.start..columns.end {
                    row = S::add(row, part.load::<S>(x.add((y * w + column) * c)));
                }
                sum = S::add(sum, row);
            }
            sum
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
    let mut dx = Vec::with_capacity(image.len());
    let to = Shared::new(dx.spare_capacity_mut());
    let (line, vectors) = (image.w * image.c, Vectors::in_use());
    parts(image.n * image.h, line * 2, |part| {
        // SAFETY: the rows of different calls are disjoint and lie in the result.
        let to = unsafe { to.pointer().cast::<f32>().add(part.start * line) };
        vectors.dispatch(Spread {
            dy,
            out,
            rows: &rows,
            columns: &columns,
            heights: &heights,
            widths: &widths,
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

/// The mean over all pixels of each image.
///
/// # Shapes
/// `x` as `image`, to `[n, c]`.
///
/// # Panics
/// When `x` does not have that shape.
#[must_use]
pub fn global_avg(x: &[f32], image: Image) -> Vec<f32> {
    assert_eq!(x.len(), image.len(), "pooling: x of {image:?}");
    let (c, size) = (image.c, image.h * image.w * image.c);
    let vectors = Vectors::in_use();
    let mut y = Vec::with_capacity(image.n * c);
    let to = Shared::new(y.spare_capacity_mut());
    parts(image.n, size, |images| {
        for index in images {
            // SAFETY: every image has its own row of the result.
            let to = unsafe { to.pointer().cast::<f32>().add(index * c) };
            vectors.dispatch(Mean(&x[index * size..(index + 1) * size], c, to));
        }
    });
    // SAFETY: the images cover all of it.
    unsafe { y.set_len(image.n * c) };
    y
}

/// The mean of an image's pixels: pixels, channels, and room for a mean of each channel.
struct Mean<'a>(&'a [f32], usize, *mut f32);

impl Task for Mean<'_> {
    type Output = ();
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let c = self.1;
        // SAFETY: the channels lie in every pixel and in the result.
        unsafe {
            let mut channel = 0;
            while channel + S::LANES <= c {
                self.channels::<S, _>(channel, Whole);
                channel += S::LANES;
            }
            if channel < c {
                self.channels::<S, _>(channel, First(c - channel));
            }
        }
    }
}

impl Mean<'_> {
    /// # Safety
    /// The lanes that `part` means exist from `channel` on, and the processor has `S`.
    #[inline(always)]
    unsafe fn channels<S: Simd, P: Part>(&self, channel: usize, part: P) {
        /// Pixels that are summed before they are added to the others.
        const RUN: usize = 64;
        let (pixels, c) = (self.0.len() / self.1, self.1);
        // SAFETY: as of this function.
        unsafe {
            let mut total = S::splat(0.0);
            let mut start = 0;
            while start < pixels {
                let end = pixels.min(start + RUN);
                let mut sums = [S::splat(0.0); 4];
                while start + 4 <= end {
                    for (index, sum) in sums.iter_mut().enumerate() {
                        let from = self.0.as_ptr().add((start + index) * c + channel);
                        *sum = S::add(*sum, part.load::<S>(from));
                    }
                    start += 4;
                }
                while start < end {
                    let from = self.0.as_ptr().add(start * c + channel);
                    sums[0] = S::add(sums[0], part.load::<S>(from));
                    start += 1;
                }
                let sum = S::add(S::add(sums[0], sums[1]), S::add(sums[2], sums[3]));
                total = S::add(total, sum);
            }
            let mean = S::div(total, S::splat(pixels as f32));
            part.store::<S>(self.2.add(channel), mean);
        }
    }
}

/// The gradient of [`global_avg`].
///
/// # Shapes
/// `dy` `[n, c]`, to `image`.
///
/// # Panics
/// When `dy` does not have that shape.
#[must_use]
pub fn global_avg_grad(dy: &[f32], image: Image) -> Vec<f32> {
    let (c, len) = (image.c, image.len());
    assert_eq!(dy.len(), image.n * c, "pooling: dy of {} x {c}", image.n);
    let pixels = image.h * image.w;
    let mut row = vec![0.0; dy.len()];
    row.iter_mut()
        .zip(dy)
        .for_each(|(to, dy)| *to = dy / pixels as f32);
    let mut dx = Vec::with_capacity(len);
    let to = Shared::new(dx.spare_capacity_mut());
    parts(image.n, pixels * c, |images| {
        for index in images {
            let row = &row[index * c..(index + 1) * c];
            // SAFETY: every image has its own part of the result.
            let to = unsafe { to.part(index * pixels * c, pixels * c) };
            // The first pixel, and then what is there as often as it fits.
            let mut have = 0;
            while have < to.len() {
                let count = if have == 0 {
                    c
                } else {
                    have.min(to.len() - have)
                };
                let (done, rest) = to.split_at_mut(have);
                if have == 0 {
                    for (to, value) in rest.iter_mut().zip(row) {
                        to.write(*value);
                    }
                } else {
                    rest[..count].copy_from_slice(&done[..count]);
                }
                have += count;
            }
        }
    });
    // SAFETY: the images cover all of it.
    unsafe { dx.set_len(len) };
    dx
}
