//! Convolutions whose groups have one channel each: vectors of channels, tap by tap, for any kernel, stride
//! and dilation. The common ones are done by `grouped`.

use super::epilogue::{Epilogue, finish};
use super::geometry::Conv2d;
use crate::output::written;
use crate::simd::{Simd, Task, Vectors};
use crate::threads::{Shared, for_each};
use crate::{Image, scratch};

/// Lends `work` the weight as `[tap][channel]`.
fn by_tap<R>(conv: &Conv2d, weight: &[f32], work: impl FnOnce(&[f32]) -> R) -> R {
    conv.check_weight(weight);
    let (area, channels) = (conv.taps(), conv.input.c);
    scratch::with(area * channels, |taps| {
        for (channel, kernel) in weight.chunks_exact(area).enumerate() {
            for (tap, value) in kernel.iter().enumerate() {
                taps[tap * channels + channel] = *value;
            }
        }
        work(taps)
    })
}

/// The pairs (tap, place in the other image) along one axis, for an output place.
fn forward_line(conv: &Conv2d, axis: usize, size: usize, place: usize) -> Vec<(usize, usize)> {
    let at = |k: usize| {
        (place * conv.stride[axis] + k * conv.dilation[axis]).wrapping_sub(conv.padding[axis].0)
    };
    (0..conv.kernel[axis])
        .map(|k| (k, at(k)))
        .filter(|(_, at)| *at < size)
        .collect()
}

/// The same, for an input place and the gradient's image.
fn input_grad_line(conv: &Conv2d, axis: usize, size: usize, place: usize) -> Vec<(usize, usize)> {
    let reach = place + conv.padding[axis].0;
    (0..conv.kernel[axis])
        .filter_map(|k| {
            let reach = reach.checked_sub(k * conv.dilation[axis])?;
            let at = reach / conv.stride[axis];
            (reach.is_multiple_of(conv.stride[axis]) && at < size).then_some((k, at))
        })
        .collect()
}

/// Neighbouring columns that see the same taps, each `step` source columns after the one before.
struct Run {
    start: usize,
    len: usize,
    /// (tap, source column of the first), as for a line.
    taps: Vec<(usize, usize)>,
    step: usize,
}

fn runs(columns: impl Iterator<Item = Vec<(usize, usize)>>) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for (column, taps) in columns.enumerate() {
        if let Some(run) = runs.last_mut() {
            let mut steps = run.taps.iter().zip(&taps).map(|(first, now)| {
                (first.0 == now.0)
                    .then(|| now.1.checked_sub(first.1))
                    .flatten()
            });
            let far = steps.next().flatten();
            let same =
                run.taps.len() == taps.len() && far.is_some() && steps.all(|step| step == far);
            let far = far.unwrap_or(0);
            if run.len == 1 {
                run.step = far;
            }
            if same && far == run.step * run.len {
                run.len += 1;
                continue;
            }
        }
        runs.push(Run {
            start: column,
            len: 1,
            taps,
            step: 0,
        });
    }
    runs
}

type Line = fn(&Conv2d, usize, usize, usize) -> Vec<(usize, usize)>;

/// For a geometry and slices that were checked.
pub(super) fn forward(
    vectors: Vectors,
    conv: &Conv2d,
    x: &[f32],
    weight: &[f32],
    epilogue: Epilogue<'_>,
) -> Vec<f32> {
    let images = [conv.input, conv.output()];
    gather(vectors, conv, (x, images), weight, forward_line, epilogue)
}

/// For a geometry and slices that were checked.
pub(super) fn input_grad(vectors: Vectors, conv: &Conv2d, dy: &[f32], weight: &[f32]) -> Vec<f32> {
    let (images, none) = ([conv.output(), conv.input], Epilogue::default());
    gather(vectors, conv, (dy, images), weight, input_grad_line, none)
}

fn gather(
    vectors: Vectors,
    conv: &Conv2d,
    (source, [from, to]): (&[f32], [Image; 2]),
    weight: &[f32],
    line: Line,
    epilogue: Epilogue<'_>,
) -> Vec<f32> {
    let columns = runs((0..to.w).map(|x| line(conv, 1, from.w, x)));
    by_tap(conv, weight, |taps| {
        // SAFETY: the rows cover the result.
        unsafe {
            written(to.len(), |result: *mut f32| {
                let row_len = to.w * to.c;
                let shared = Shared::at(result);
                for_each(to.n * to.h, |row| {
                    let (image, y) = (row / to.h, row % to.h);
                    vectors.dispatch(Row {
                        source: &source[image * from.h * from.w * from.c..],
                        width: from.w,
                        taps,
                        kernel_width: conv.kernel[1],
                        rows: &line(conv, 0, from.h, y),
                        columns: &columns,
                        channels: to.c,
                        epilogue,
                        start: row * row_len,
                        // SAFETY: each row is written by one piece of work.
                        result: shared.pointer().add(row * row_len),
                    });
                });
            })
        }
    })
}

/// One row of the result.
struct Row<'a> {
    source: &'a [f32],
    width: usize,
    taps: &'a [f32],
    kernel_width: usize,
    rows: &'a [(usize, usize)],
    columns: &'a [Run],
    channels: usize,
    epilogue: Epilogue<'a>,
    /// The row's first element in the whole result.
    start: usize,
    result: *mut f32,
}

impl Task for Row<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        for channel in (0..self.channels).step_by(S::LANES) {
            // SAFETY: the channels from `channel` on are there in every operand.
            unsafe {
                if self.channels - channel >= S::LANES {
                    self.channel::<S, true>(channel);
                } else {
                    self.channel::<S, false>(channel);
                }
            }
        }
    }
}

impl Row<'_> {
    /// A vector of channels of the whole row; `FULL` if it is a whole one.
    #[inline(always)]
    unsafe fn channel<S: Simd, const FULL: bool>(&self, channel: usize) {
        for run in self.columns {
            let mut column = 0;
            // SAFETY: the run's columns lie in the row.
            unsafe {
                while column + 8 <= run.len {
                    self.pixels::<S, FULL, 8>(run, column, channel);
                    column += 8;
                }
                while column + 2 <= run.len {
                    self.pixels::<S, FULL, 2>(run, column, channel);
                    column += 2;
                }
                while column < run.len {
                    self.pixels::<S, FULL, 1>(run, column, channel);
                    column += 1;
                }
            }
        }
    }

    /// `N` pixels of a run, from its column on.
    #[inline(always)]
    unsafe fn pixels<S: Simd, const FULL: bool, const N: usize>(
        &self,
        run: &Run,
        column: usize,
        channel: usize,
    ) {
        let c = self.channels;
        let count = if FULL { S::LANES } else { c - channel };
        // SAFETY: as of this function.
        unsafe {
            let source = self.source.as_ptr().add(channel);
            let mut sums = [[S::splat(0.0)]; N];
            for (ky, y) in self.rows {
                for (kx, x) in &run.taps {
                    let tap = (ky * self.kernel_width + kx) * c + channel;
                    let tap = S::load_some(self.taps.as_ptr().add(tap), count);
                    let from = source.add((y * self.width + x + column * run.step) * c);
                    for pixel in 0..N {
                        let value = S::load_some(from.add(pixel * run.step * c), count);
                        sums[pixel][0] = S::fma(value, tap, sums[pixel][0]);
                    }
                }
            }
            let first = (run.start + column) * c;
            let pixel = |pixel: usize| self.start + first + pixel * c;
            finish::<S, N, 1>(&self.epilogue, pixel, channel, count, &mut sums);
            for (pixel, [sum]) in sums.into_iter().enumerate() {
                let to = self.result.add(first + pixel * c + channel);
                S::store_some(to, sum, count);
            }
        }
    }
}

/// For a geometry and slices that were checked.
pub(super) fn weight_grad(vectors: Vectors, conv: &Conv2d, x: &[f32], dy: &[f32]) -> Vec<f32> {
    let output = conv.output();
    let (area, c, rows) = (conv.taps(), conv.input.c, output.n * output.h);
    let columns = runs((0..output.w).map(|column| forward_line(conv, 1, conv.input.w, column)));
    // A fixed cut, so that the sum does not depend on the number of threads.
    let chunks = rows.clamp(1, 16);
    scratch::with(chunks * area * c, |sums| {
        let shared = Shared::new(sums);
        for_each(chunks, |chunk| {
            // SAFETY: each chunk has its own part.
            let sums = unsafe { shared.part(chunk * area * c, area * c) };
            vectors.dispatch(Products {
                conv,
                x,
                dy,
                output,
                columns: &columns,
                rows: rows * chunk / chunks..rows * (chunk + 1) / chunks,
                sums,
            });
        });
        let mut grad = vec![0.0; conv.weight_len()];
        for part in sums.chunks_exact(area * c) {
            for (channel, kernel) in grad.chunks_exact_mut(area).enumerate() {
                for (tap, sum) in kernel.iter_mut().enumerate() {
                    *sum += part[tap * c + channel];
                }
            }
        }
        grad
    })
}

/// Sums of products over some rows of the output.
struct Products<'a> {
    conv: &'a Conv2d,
    x: &'a [f32],
    dy: &'a [f32],
    output: Image,
    columns: &'a [Run],
    rows: std::ops::Range<usize>,
    sums: &'a mut [f32],
}

impl Task for Products<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Image { h, w, c, .. } = self.conv.input;
        self.sums.fill(0.0);
        for row in self.rows.clone() {
            let (image, y) = (row / self.output.h, row % self.output.h);
            for (ky, y) in forward_line(self.conv, 0, h, y) {
                let line = Pixels {
                    x: (image * h + y) * w,
                    dy: row * self.output.w,
                    sums: self
                        .sums
                        .as_ptr()
                        .cast_mut()
                        .wrapping_add(ky * self.conv.kernel[1] * c),
                };
                for channel in (0..c).step_by(S::LANES) {
                    // SAFETY: the channels from `channel` on are there everywhere.
                    unsafe {
                        if c - channel >= S::LANES {
                            self.channel::<S, true>(&line, channel);
                        } else {
                            self.channel::<S, false>(&line, channel);
                        }
                    }
                }
            }
        }
    }
}

/// The first pixels of a row of both images, and the sums of its row of taps.
struct Pixels {
    x: usize,
    dy: usize,
    sums: *mut f32,
}

impl Products<'_> {
    /// A vector of channels; `FULL` if it is a whole one.
    #[inline(always)]
    unsafe fn channel<S: Simd, const FULL: bool>(&self, line: &Pixels, channel: usize) {
        for run in self.columns {
            // A few taps at a time, so that the gradient is read once for them.
            for taps in run.taps.chunks(3) {
                // SAFETY: as of this function.
                unsafe {
                    match taps {
                        [a, b, c] => self.taps::<S, FULL, 3>(line, run, [*a, *b, *c], channel),
                        _ => taps
                            .iter()
                            .for_each(|tap| self.taps::<S, FULL, 1>(line, run, [*tap], channel)),
                    }
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn taps<S: Simd, const FULL: bool, const N: usize>(
        &self,
        line: &Pixels,
        run: &Run,
        taps: [(usize, usize); N],
        channel: usize,
    ) {
        let c = self.conv.input.c;
        let count = if FULL { S::LANES } else { c - channel };
        // SAFETY: as of the caller.
        unsafe {
            let x = self.x.as_ptr().add(line.x * c + channel);
            let dy = self.dy.as_ptr().add((line.dy + run.start) * c + channel);
            let mut sums = [S::splat(0.0); N];
            for column in 0..run.len {
                let gradient = S::load_some(dy.add(column * c), count);
                for tap in 0..N {
                    let value = x.add((taps[tap].1 + column * run.step) * c);
                    sums[tap] = S::fma(S::load_some(value, count), gradient, sums[tap]);
                }
            }
            for tap in 0..N {
                let to = line.sums.add(taps[tap].0 * c + channel);
                S::store_some(to, S::add(S::load_some(to, count), sums[tap]), count);
            }
        }
    }
}
