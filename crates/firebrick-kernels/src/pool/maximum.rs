//! The maximum, with its position inside the window.

use std::ops::Range;

use super::window::{Owners, Span, Window};
use crate::Image;
use crate::elementwise::flat::{First, Part, Whole, parts};
use crate::simd::{Simd, Task, Vectors};
use crate::threads::Shared;

/// The maximum of each window, and its position: rows times the kernel's width plus columns.
/// -∞ at position 0 where a window sees padding alone.
///
/// # Shapes
/// `x` as `image`; both results as `window.output(image)`.
///
/// # Panics
/// As [`Window::output`], and when `x` does not have that shape or the kernel has more than 65536
/// elements.
#[must_use]
pub fn max(x: &[f32], image: Image, window: &Window) -> (Vec<f32>, Vec<u16>) {
    let len = window.output(image).len();
    let mut positions = Vec::with_capacity(len);
    let to = Shared::new(positions.spare_capacity_mut());
    let out = maxima::<true>(x, image, window, |at| {
        // SAFETY: `at` is an element of the result.
        unsafe { to.pointer().cast::<u16>().add(at) }
    });
    // SAFETY: all windows write theirs.
    unsafe { positions.set_len(len) };
    (out, positions)
}

/// The maximum of each window.
///
/// # Shapes
/// `x` as `image`, to `window.output(image)`.
///
/// # Panics
/// As [`Window::output`], and when `x` does not have that shape.
#[must_use]
pub fn max_infer(x: &[f32], image: Image, window: &Window) -> Vec<f32> {
    maxima::<false>(x, image, window, |_| std::ptr::null_mut())
}

/// Writes positions to where `positions` says that those of an element of the result are.
fn maxima<const POSITIONS: bool>(
    x: &[f32],
    image: Image,
    window: &Window,
    positions: impl Fn(usize) -> *mut u16 + Sync,
) -> Vec<f32> {
    let out = window.output(image);
    let area = window.kernel[0].saturating_mul(window.kernel[1]);
    assert_eq!(x.len(), image.len(), "pooling: x of {image:?}");
    assert!(area <= 1 << 16, "pooling: kernel of {:?}", window.kernel);
    let [rows, columns] = [0, 1].map(|axis| window.spans(image, axis));
    let mut y = Vec::with_capacity(out.len());
    let to = Shared::new(y.spare_capacity_mut());
    let (line, vectors) = (out.w * out.c, Vectors::in_use());
    parts(out.n * out.h, line * area.min(4), |part| {
        let at = part.start * line;
        // SAFETY: the rows of different calls are disjoint and lie in the result.
        let to = unsafe { to.pointer().cast::<f32>().add(at) };
        vectors.dispatch(Maxima::<POSITIONS> {
            x,
            image,
            width: window.kernel[1],
            rows: &rows,
            columns: &columns,
            part,
            y: to,
            positions: positions(at),
        });
    });
    // SAFETY: the rows cover all of it.
    unsafe { y.set_len(out.len()) };
    y
}

/// Some rows of windows. `x` is as long as the image, the spans lie in it, and the results have
/// room for the rows.
struct Maxima<'a, const POSITIONS: bool> {
    x: &'a [f32],
    image: Image,
    width: usize,
    rows: &'a [Span],
    columns: &'a [Span],
    part: Range<usize>,
    y: *mut f32,
    positions: *mut u16,
}

impl<const POSITIONS: bool> Task for Maxima<'_, POSITIONS> {
    type Output = ();
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Image { h, w, c, .. } = self.image;
        let mut at = 0;
        for row in self.part.clone() {
            let image = row / self.rows.len() * h * w * c;
            let rows = self.rows[row % self.rows.len()];
            for columns in self.columns {
                // SAFETY: the channels of this window lie in the result, and those of the spans'
                // pixels in the image.
                unsafe {
                    let x = self.x.as_ptr().add(image);
                    let mut channel = 0;
                    while channel + S::LANES <= c {
                        self.window::<S, _>(x.add(channel), rows, *columns, at + channel, Whole);
                        channel += S::LANES;
                    }
                    if channel < c {
                        let rest = First(c - channel);
                        self.window::<S, _>(x.add(channel), rows, *columns, at + channel, rest);
                    }
                }
                at += c;
            }
        }
    }
}

impl<const POSITIONS: bool> Maxima<'_, POSITIONS> {
    /// # Safety
    /// The lanes that `part` means exist at all pixels of the spans from `x` on and at `at`, and
    /// the processor has `S`.
    #[inline(always)]
    unsafe fn window<S: Simd, P: Part>(
        &self,
        x: *const f32,
        rows: Span,
        columns: Span,
        at: usize,
        part: P,
    ) {
        let Image { w, c, .. } = self.image;
        // SAFETY: as of this function.
        unsafe {
            let one = S::splat(1.0);
            let first = (rows.first * self.width + columns.first) as f32;
            let mut best = S::splat(f32::NEG_INFINITY);
            let empty = rows.start == rows.end || columns.start == columns.end;
            let mut winner = S::splat(if empty { 0.0 } else { first });
            for y in rows.start..rows.end {
                let row = (rows.first + y - rows.start) * self.width + columns.first;
                let mut position = S::splat(row as f32);
                let mut pixel = x.add((y * w + columns.start) * c);
                for _ in columns.start..columns.end {
                    let v = part.load::<S>(pixel);
                    if POSITIONS {
                        winner = S::wins(v, best, position, winner);
                        position = S::add(position, one);
                    }
                    best = S::wins(v, best, v, best);
                    // May lie behind the image after its last pixel, where nothing reads it.
                    pixel = pixel.wrapping_add(c);
                }
            }
            part.store::<S>(self.y.add(at), best);
            if POSITIONS {
                S::store_u16(self.positions.add(at), winner, part.count::<S>());
            }
        }
    }
}

/// The gradient of [`max`]: that of each window goes to where its maximum was.
///
/// # Shapes
/// `dy` and `positions` as `window.output(image)`, to `image`.
///
/// # Panics
/// As [`Window::output`], and when a slice does not have that shape.
#[must_use]
pub fn max_grad(dy: &[f32], positions: &[u16], image: Image, window: &Window) -> Vec<f32> {
    let out = window.output(image);
    assert_eq!(dy.len(), out.len(), "pooling: dy of {out:?}");
    assert_eq!(positions.len(), out.len(), "pooling: positions of {out:?}");
    let [rows, columns] = [0, 1].map(|axis| window.owners(image, axis));
    let mut dx = Vec::with_capacity(image.len());
    let to = Shared::new(dx.spare_capacity_mut());
    let (line, vectors) = (image.w * image.c, Vectors::in_use());
    parts(image.n * image.h, line * 2, |part| {
        // SAFETY: the rows of different calls are disjoint and lie in the result.
        let to = unsafe { to.pointer().cast::<f32>().add(part.start * line) };
        vectors.dispatch(Gather {
            dy,
            positions,
            out,
            window,
            rows: &rows,
            columns: &columns,
            part,
            to,
        });
    });
    // SAFETY: the rows cover all of it.
    unsafe { dx.set_len(image.len()) };
    dx
}

/// Some rows of the input's gradient. `dy` and `positions` are as long as `out`, the owners lie in
/// it, and `to` has room for the rows.
struct Gather<'a> {
    dy: &'a [f32],
    positions: &'a [u16],
    out: Image,
    window: &'a Window,
    rows: &'a [Owners],
    columns: &'a [Owners],
    part: Range<usize>,
    to: *mut f32,
}

impl Task for Gather<'_> {
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
                let position = (rows.position * self.window.kernel[1] + columns.position) as isize;
                // SAFETY: the channels of this pixel lie in the result, and those of the windows
                // that own it in `dy`.
                unsafe {
                    let mut channel = 0;
                    while channel + S::LANES <= c {
                        let sum = self.sum::<S, _>(rows, *columns, from + channel, position, Whole);
                        Whole.store::<S>(to.add(channel), sum);
                        channel += S::LANES;
                    }
                    if channel < c {
                        let rest = First(c - channel);
                        let sum = self.sum::<S, _>(rows, *columns, from + channel, position, rest);
                        rest.store::<S>(to.add(channel), sum);
                    }
                    to = to.add(c);
                }
            }
        }
    }
}

impl Gather<'_> {
    /// What reaches a pixel from its windows; `from` is where the first one lies in `dy`, and
    /// `position` is that of the pixel in it.
    ///
    /// # Safety
    /// The lanes that `part` means exist in all windows, and the processor has `S`.
    #[inline(always)]
    unsafe fn sum<S: Simd, P: Part>(
        &self,
        rows: Owners,
        columns: Owners,
        from: usize,
        position: isize,
        part: P,
    ) -> S::V {
        let Window { kernel, stride, .. } = *self.window;
        let line = self.out.w * self.out.c;
        // SAFETY: as of this function.
        unsafe {
            if rows.count == 1 && columns.count == 1 {
                return self.one::<S, P>(from, position, part);
            }
            let mut sum = S::splat(0.0);
            for row in 0..rows.count {
                let mut from = from + row * line;
                let mut position = position - (row * stride[0] * kernel[1]) as isize;
                for _ in 0..columns.count {
                    sum = S::add(sum, self.one::<S, P>(from, position, part));
                    from += self.out.c;
                    position -= stride[1] as isize;
                }
            }
            sum
        }
    }

    /// What reaches a pixel from one window.
    ///
    /// # Safety
    /// The lanes that `part` means exist at `from`, and the processor has `S`.
    #[inline(always)]
    unsafe fn one<S: Simd, P: Part>(&self, from: usize, position: isize, part: P) -> S::V {
        // SAFETY: as of this function.
        unsafe {
            let winner = S::load_u16(self.positions.as_ptr().add(from), part.count::<S>());
            let dy = part.load::<S>(self.dy.as_ptr().add(from));
            S::same(winner, S::splat(position as f32), dy)
        }
    }
}
