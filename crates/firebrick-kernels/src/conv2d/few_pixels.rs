//! 1×1 convolutions of so few pixels that packing the weight would take longer than the work: the fully
//! connected layers of squeeze-and-excite blocks. The weight is read once, as it lies.

use super::epilogue::Epilogue;
use super::geometry::Conv2d;
use super::tile;
use crate::output::written;
use crate::simd::{Simd, Task, Vectors};
use crate::threads::{Shared, for_each};

/// Pixels up to which this pays.
const PIXELS: usize = 16;

/// Multiply-adds of a piece of work, about.
const WORK: usize = 32 * 1024;

/// Whether this way is open, and faster.
pub(super) fn pays(conv: &Conv2d) -> bool {
    let output = conv.output();
    let pixels = output.n * output.h * output.w;
    conv.kernel == [1, 1]
        && conv.groups == 1
        && (conv.input.h, conv.input.w) == (output.h, output.w)
        && conv.padding == [(0, 0); 2]
        && (1..=PIXELS).contains(&pixels)
}

/// For a geometry and slices that were checked, and where it [`pays`].
pub(super) fn forward(
    vectors: Vectors,
    conv: &Conv2d,
    x: &[f32],
    weight: &[f32],
    epilogue: Epilogue<'_>,
) -> Vec<f32> {
    conv.check_weight(weight);
    let (inputs, outputs) = (conv.input.c, conv.output_channels);
    let pixels = x.len() / inputs;
    let each = (WORK / (inputs * pixels)).clamp(1, outputs);
    // SAFETY: the pieces cover all channels of all pixels.
    unsafe {
        written(pixels * outputs, |y| {
            let shared = Shared::at(y);
            for_each(outputs.div_ceil(each), |piece| {
                let first = piece * each;
                let some = first..outputs.min(first + each);
                vectors.dispatch(Rows {
                    x,
                    weight: &weight[some.start * inputs..some.end * inputs],
                    inputs,
                    finish: |pixel: usize, output: usize, sum: f32| {
                        let (channel, place) = (first + output, pixel * outputs + first + output);
                        let mut sum = sum;
                        if let Some(bias) = epilogue.bias {
                            sum += bias[channel];
                        }
                        if let Some(residual) = epilogue.residual {
                            sum += residual[place];
                        }
                        if epilogue.relu && sum < 0.0 {
                            sum = 0.0;
                        }
                        // SAFETY: the piece's channels are written by it alone.
                        shared.part(place, 1)[0] = sum;
                    },
                });
            });
        })
    }
}

/// Products of pixels and rows of the weight.
struct Rows<'a, F> {
    x: &'a [f32],
    weight: &'a [f32],
    inputs: usize,
    finish: F,
}

impl<F: Fn(usize, usize, f32)> Task for Rows<'_, F> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let outputs = self.weight.len() / self.inputs;
        let pixels = self.x.len() / self.inputs;
        for output in (0..outputs).step_by(4) {
            for pixel in (0..pixels).step_by(2) {
                // SAFETY: as of this function; there are these rows and pixels.
                unsafe {
                    match (outputs - output, pixels - pixel) {
                        (4.., 2..) => self.tile::<S, 4, 2>(output, pixel),
                        (4.., _) => self.tile::<S, 4, 1>(output, pixel),
                        (left, 2..) => {
                            (0..left).for_each(|row| self.tile::<S, 1, 2>(output + row, pixel));
                        }
                        (left, _) => {
                            (0..left).for_each(|row| self.tile::<S, 1, 1>(output + row, pixel));
                        }
                    }
                }
            }
        }
    }
}

impl<F: Fn(usize, usize, f32)> Rows<'_, F> {
    #[inline(always)]
    unsafe fn tile<S: Simd, const M: usize, const N: usize>(&self, output: usize, pixel: usize) {
        // SAFETY: as of the caller.
        unsafe {
            let mut sums = [[S::splat(0.0); N]; M];
            let weight = self.weight.as_ptr().add(output * self.inputs);
            let x = self.x.as_ptr().add(pixel * self.inputs);
            for at in (0..self.inputs).step_by(S::LANES) {
                let count = (self.inputs - at).min(S::LANES);
                let values: [S::V; N] =
                    std::array::from_fn(|n| S::load_some(x.add(n * self.inputs + at), count));
                for m in 0..M {
                    let row = S::load_some(weight.add(m * self.inputs + at), count);
                    for n in 0..N {
                        sums[m][n] = S::fma(row, values[n], sums[m][n]);
                    }
                }
            }
            for m in 0..M {
                for n in 0..N {
                    (self.finish)(pixel + n, output + m, S::sum(sums[m][n]));
                }
            }
        }
    }
}

/// For a geometry and slices that were checked, and where it [`pays`].
pub(super) fn input_grad(vectors: Vectors, conv: &Conv2d, dy: &[f32], weight: &[f32]) -> Vec<f32> {
    let (inputs, outputs) = (conv.input.c, conv.output_channels);
    let pixels = dy.len() / outputs;
    let lanes = vectors.lanes();
    // Some vectors of input channels.
    let wide = (WORK / (outputs * pixels))
        .max(1)
        .next_multiple_of(4 * lanes);
    // SAFETY: the pieces cover all channels of all pixels.
    unsafe {
        written(pixels * inputs, |dx| {
            let shared = Shared::at(dx);
            for_each(inputs.div_ceil(wide), |piece| {
                let first = piece * wide;
                vectors.dispatch(Columns {
                    dy,
                    weight,
                    inputs,
                    outputs,
                    some: first..inputs.min(first + wide),
                    dx: shared.pointer(),
                });
            });
        })
    }
}

/// Products of gradient pixels and some columns of the weight.
struct Columns<'a> {
    dy: &'a [f32],
    weight: &'a [f32],
    inputs: usize,
    outputs: usize,
    some: std::ops::Range<usize>,
    dx: *mut f32,
}

impl Task for Columns<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let pixels = self.dy.len() / self.outputs;
        for first in self.some.clone().step_by(2 * S::LANES) {
            let there = (self.some.end - first).min(2 * S::LANES);
            for pixel in (0..pixels).step_by(4) {
                // SAFETY: as of this function; there are these columns and pixels.
                unsafe {
                    if pixels - pixel >= 4 {
                        self.tile::<S, 4>(pixel, first, there);
                    } else {
                        (pixel..pixels).for_each(|pixel| self.tile::<S, 1>(pixel, first, there));
                    }
                }
            }
        }
    }
}

impl Columns<'_> {
    #[inline(always)]
    unsafe fn tile<S: Simd, const M: usize>(&self, pixel: usize, first: usize, there: usize) {
        // SAFETY: as of the caller.
        unsafe {
            let mut sums = [[S::splat(0.0); 2]; M];
            let dy = self.dy.as_ptr().add(pixel * self.outputs);
            for output in 0..self.outputs {
                let mut row = [S::splat(0.0); 2];
                let from = self.weight.as_ptr().add(output * self.inputs + first);
                tile::load_some::<S, 2>(from, there, &mut row);
                for m in 0..M {
                    let value = S::splat(*dy.add(m * self.outputs + output));
                    for v in 0..2 {
                        sums[m][v] = S::fma(value, row[v], sums[m][v]);
                    }
                }
            }
            for m in 0..M {
                let to = self.dx.add((pixel + m) * self.inputs + first);
                tile::store_some::<S, 2>(to, there, &sums[m]);
            }
        }
    }
}
