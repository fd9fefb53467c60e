//! Convolutions whose groups have one channel each: vectors of channels, tap by tap.

use super::{Conv2d, Epilogue};
use crate::output::written;
use crate::simd::{Simd, Task, dispatch};
use crate::threads::{Shared, for_each};
use crate::{Image, scratch};

/// Lends `work` the weight as `[tap][channel]`.
fn by_tap<R>(conv: &Conv2d, weight: &[f32], work: impl FnOnce(&[f32]) -> R) -> R {
    assert_eq!(weight.len(), conv.weight_len(), "weight");
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

type Line = fn(&Conv2d, usize, usize, usize) -> Vec<(usize, usize)>;

pub(super) fn forward(
    conv: &Conv2d,
    x: &[f32],
    weight: &[f32],
    epilogue: Epilogue<'_>,
) -> Vec<f32> {
    let output = conv.output();
    epilogue.check(output);
    assert_eq!(x.len(), conv.input.len(), "input");
    gather(conv, x, conv.input, output, weight, forward_line, epilogue)
}

pub(super) fn input_grad(conv: &Conv2d, dy: &[f32], weight: &[f32]) -> Vec<f32> {
    let output = conv.output();
    assert_eq!(dy.len(), output.len(), "gradient of the output");
    let none = Epilogue::default();
    gather(conv, dy, output, conv.input, weight, input_grad_line, none)
}

fn gather(
    conv: &Conv2d,
    source: &[f32],
    from: Image,
    to: Image,
    weight: &[f32],
    line: Line,
    epilogue: Epilogue<'_>,
) -> Vec<f32> {
    let columns: Vec<_> = (0..to.w).map(|x| line(conv, 1, from.w, x)).collect();
    by_tap(conv, weight, |taps| {
        // SAFETY: the rows cover the result.
        unsafe {
            written(to.len(), |result| {
                let row_len = to.w * to.c;
                let shared = Shared::new(std::slice::from_raw_parts_mut(result, to.len()));
                for_each(to.n * to.h, |row| {
                    let (image, y) = (row / to.h, row % to.h);
                    dispatch(Row {
                        source: &source[image * from.h * from.w * from.c..],
                        width: from.w,
                        taps,
                        kernel_width: conv.kernel[1],
                        rows: &line(conv, 0, from.h, y),
                        columns: &columns,
                        channels: to.c,
                        epilogue,
                        start: row * row_len,
                        // SAFETY: each row is written once.
                        result: shared.part(row * row_len, row_len),
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
    columns: &'a [Vec<(usize, usize)>],
    channels: usize,
    epilogue: Epilogue<'a>,
    /// The row's first element in the whole result.
    start: usize,
    result: &'a mut [f32],
}

impl Task for Row<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let c = self.channels;
        for (column, pixel) in self.result.chunks_exact_mut(c).enumerate() {
            for channel in (0..c).step_by(S::LANES) {
                let count = (c - channel).min(S::LANES);
                // SAFETY: `count` channels from `channel` on are there in every operand.
                unsafe {
                    let load = |from: &[f32], at: usize| {
                        let from = from.as_ptr().add(at + channel);
                        if count == S::LANES {
                            S::load(from)
                        } else {
                            S::load_first(from, count)
                        }
                    };
                    let mut sum = S::splat(0.0);
                    for (ky, y) in self.rows {
                        for (kx, x) in &self.columns[column] {
                            let value = load(self.source, (y * self.width + x) * c);
                            let tap = load(self.taps, (ky * self.kernel_width + kx) * c);
                            sum = S::fma(value, tap, sum);
                        }
                    }
                    if let Some(bias) = self.epilogue.bias {
                        sum = S::add(sum, load(bias, 0));
                    }
                    if let Some(residual) = self.epilogue.residual {
                        sum = S::add(sum, load(residual, self.start + column * c));
                    }
                    if self.epilogue.relu {
                        sum = S::relu(sum);
                    }
                    S::store_first(pixel.as_mut_ptr().add(channel), sum, count);
                }
            }
        }
    }
}

pub(super) fn weight_grad(conv: &Conv2d, x: &[f32], dy: &[f32]) -> Vec<f32> {
    let output = conv.output();
    let (area, c, rows) = (conv.taps(), conv.input.c, output.n * output.h);
    let columns: Vec<_> = (0..output.w)
        .map(|column| forward_line(conv, 1, conv.input.w, column))
        .collect();
    // A fixed cut, so that the sum does not depend on the number of threads.
    let chunks = rows.clamp(1, 16);
    scratch::with(chunks * area * c, |sums| {
        let shared = Shared::new(sums);
        for_each(chunks, |chunk| {
            // SAFETY: each chunk has its own part.
            let sums = unsafe { shared.part(chunk * area * c, area * c) };
            dispatch(Products {
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
    columns: &'a [Vec<(usize, usize)>],
    rows: std::ops::Range<usize>,
    sums: &'a mut [f32],
}

impl Task for Products<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Image { h, w, c, .. } = self.conv.input;
        self.sums.fill(0.0);
        for row in self.rows {
            let (image, y) = (row / self.output.h, row % self.output.h);
            let lines = forward_line(self.conv, 0, h, y);
            for (column, line) in self.columns.iter().enumerate() {
                let dy = (row * self.output.w + column) * c;
                for (ky, y) in &lines {
                    for (kx, x) in line {
                        let x = ((image * h + y) * w + x) * c;
                        let tap = (ky * self.conv.kernel[1] + kx) * c;
                        for channel in (0..c).step_by(S::LANES) {
                            let count = (c - channel).min(S::LANES);
                            // SAFETY: `count` channels from `channel` on are there everywhere.
                            unsafe {
                                let sum = self.sums.as_mut_ptr().add(tap + channel);
                                let a = S::load_first(self.x.as_ptr().add(x + channel), count);
                                let b = S::load_first(self.dy.as_ptr().add(dy + channel), count);
                                let total = S::fma(a, b, S::load_first(sum, count));
                                S::store_first(sum, total, count);
                            }
                        }
                    }
                }
            }
        }
    }
}
