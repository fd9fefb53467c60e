//! 1×1 convolutions of so few pixels that packing the weight would take longer than the work: the fully
//! connected layers of squeeze-and-excite blocks. The weight is read once, as it lies.

use std::ops::Range;

use super::epilogue::{Epilogue, finish};
use super::geometry::Conv2d;
use super::tile;
use crate::activation;
use crate::output::written;
use crate::simd::{Simd, Task, Vectors};
use crate::threads::{Shared, for_each};

/// Pixels up to which this pays.
const PIXELS: usize = 16;

/// Multiply-adds of a piece of work, about.
const WORK: usize = 32 * 1024;

/// Results of a piece of work.
const STRIP: usize = 4096;

/// Rows of a weight that are read side by side.
const ROWS: usize = 16;

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
    let mut y = unsafe {
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
                        // SAFETY: the piece's channels are written by it alone.
                        shared.part(place, 1)[0] = sum;
                    },
                });
            });
        })
    };
    if let Some(activation) = epilogue.activation {
        activation::in_place(vectors, activation, &mut y);
    }
    y
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
    let sizes = [conv.output_channels, conv.input.c];
    across(vectors, dy, weight, sizes, Epilogue::default())
}

/// [`forward`] with a weight that is stored `[in, out]`.
pub(super) fn forward_transposed(
    vectors: Vectors,
    conv: &Conv2d,
    x: &[f32],
    weight: &[f32],
    epilogue: Epilogue<'_>,
) -> Vec<f32> {
    let sizes = [conv.input.c, conv.output_channels];
    across(vectors, x, weight, sizes, epilogue)
}

/// The product of pixels of `sum` channels and a weight of `[sum, columns]`.
fn across(
    vectors: Vectors,
    x: &[f32],
    weight: &[f32],
    [sum, columns]: [usize; 2],
    epilogue: Epilogue<'_>,
) -> Vec<f32> {
    assert_eq!(
        weight.len(),
        sum * columns,
        "convolution: a weight of {sum} by {columns}"
    );
    let pixels = x.len() / sum;
    let step = 2 * vectors.lanes();
    // The results of a piece stay in the first-level cache; there are pieces for several threads.
    let wide = (STRIP / pixels)
        .min(columns.div_ceil(8))
        .max(WORK / (sum * pixels))
        .next_multiple_of(step);
    // SAFETY: the pieces cover all channels of all pixels.
    unsafe {
        written(pixels * columns, |result| {
            let shared = Shared::at(result);
            for_each(columns.div_ceil(wide), |piece| {
                let first = piece * wide;
                vectors.dispatch(Columns {
                    x,
                    weight,
                    sum,
                    columns,
                    some: first..columns.min(first + wide),
                    epilogue,
                    result: shared.pointer(),
                });
            });
        })
    }
}

/// Products of pixels and some columns of the weight.
struct Columns<'a> {
    x: &'a [f32],
    weight: &'a [f32],
    sum: usize,
    columns: usize,
    some: Range<usize>,
    epilogue: Epilogue<'a>,
    result: *mut f32,
}

impl Task for Columns<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let pixels = self.x.len() / self.sum;
        // Some rows of the weight at a time, each of which is read in one stretch.
        for row in (0..self.sum).step_by(ROWS) {
            let rows = row..self.sum.min(row + ROWS);
            for first in self.some.clone().step_by(2 * S::LANES) {
                let columns = first..self.some.end.min(first + 2 * S::LANES);
                let mut pixel = 0;
                while pixel < pixels {
                    let (rows, columns) = (rows.clone(), columns.clone());
                    // SAFETY: as of this function; there are these rows, columns and pixels.
                    pixel += unsafe {
                        match pixels - pixel {
                            4 | 5 | 8 => self.tile::<S, 4>(pixel, rows, columns),
                            6.. => self.tile::<S, 6>(pixel, rows, columns),
                            2.. => self.tile::<S, 2>(pixel, rows, columns),
                            _ => self.tile::<S, 1>(pixel, rows, columns),
                        }
                    };
                }
            }
        }
    }
}

impl Columns<'_> {
    /// Adds what some rows of the weight give to `M` pixels; the number of pixels.
    #[inline(always)]
    unsafe fn tile<S: Simd, const M: usize>(
        &self,
        pixel: usize,
        rows: Range<usize>,
        columns: Range<usize>,
    ) -> usize {
        let (first, there) = (columns.start, columns.len());
        let place = |m: usize| (pixel + m) * self.columns;
        // SAFETY: as of the caller.
        unsafe {
            let mut sums = [[S::splat(0.0); 2]; M];
            if rows.start > 0 {
                for m in 0..M {
                    let from = self.result.add(place(m) + first);
                    tile::load_some::<S, 2>(from, there, &mut sums[m]);
                }
            }
            let x = self.x.as_ptr().add(pixel * self.sum);
            for row in rows.clone() {
                let mut weights = [S::splat(0.0); 2];
                let from = self.weight.as_ptr().add(row * self.columns + first);
                tile::load_some::<S, 2>(from, there, &mut weights);
                for m in 0..M {
                    let value = S::splat(*x.add(m * self.sum + row));
                    for v in 0..2 {
                        sums[m][v] = S::fma(value, weights[v], sums[m][v]);
                    }
                }
            }
            if rows.end == self.sum {
                finish::<S, M, 2>(&self.epilogue, place, first, there, &mut sums);
            }
            for m in 0..M {
                let to = self.result.add(place(m) + first);
                tile::store_some::<S, 2>(to, there, &sums[m]);
            }
        }
        M
    }
}
