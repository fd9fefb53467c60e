//! Layer norm over the channels of each pixel of channels-last images, or over the rows of a matrix.
//!
//! Source: Ba, Kiros and Hinton, "Layer Normalization" (2016). With μ and σ² the mean and the biased variance of a row of
//! C values, and x̂ = (x - μ) / √(σ² + ε):
//!
//! ```text
//! y  = x̂ · weight + bias
//! dx = ( g - mean(g) - x̂ · mean(g · x̂) ) / √(σ² + ε)      g = dy · weight, means over the row
//! dweight = Σ dy · x̂,   dbias = Σ dy                        over the rows
//! ```
//!
//! A row stays in the nearest cache while its moments are taken, the variance around the mean. Sums over the rows are
//! taken in chunks of a fixed size, which are combined in order in f64.

use crate::elementwise::flat::{First, Part, Whole, parts, parts_of};
use crate::output::written;
use crate::scratch;
use crate::simd::{Simd, Task, Vectors};
use crate::threads::Shared;

/// Elements of the chunks that sums over rows are taken in, at least.
const CHUNK: usize = 1 << 15;

/// What a forward pass gives.
#[derive(Debug, Clone)]
pub struct Normalized {
    /// The normalized rows, `[rows, channels]`.
    pub output: Vec<f32>,
    /// Mean of each row.
    pub mean: Vec<f32>,
    /// 1 / √(variance + eps) of each row.
    pub inverse: Vec<f32>,
}

/// Normalizes each row, then scales and shifts each channel.
///
/// # Shapes
/// `x` `[rows, channels]`; `weight` and `bias` `[channels]`.
///
/// # Panics
/// When a slice does not have that shape, or there are no channels.
#[must_use]
pub fn forward(x: &[f32], weight: &[f32], bias: &[f32], eps: f32) -> Normalized {
    let channels = weight.len();
    assert!(channels > 0, "layer norm: at least one channel");
    assert_eq!(bias.len(), channels, "layer norm: bias for each channel");
    assert_eq!(x.len() % channels, 0, "layer norm: whole rows");
    let (rows, vectors) = (x.len() / channels, Vectors::in_use());
    let (mut mean, mut inverse) = (vec![0.0; rows], vec![0.0; rows]);
    let (means, inverses) = (Shared::new(&mut mean), Shared::new(&mut inverse));
    // SAFETY: the parts cover all rows.
    let output = unsafe {
        written(x.len(), |to: *mut f32| {
            let to = Shared::at(to);
            parts(rows, channels, |part| {
                let range = part.start * channels..part.end * channels;
                vectors.dispatch(Forward {
                    x: &x[range.clone()],
                    weight,
                    bias,
                    eps,
                    // SAFETY: the parts are disjoint and lie in the results.
                    mean: means.pointer().add(part.start),
                    inverse: inverses.pointer().add(part.start),
                    to: to.pointer().add(range.start),
                });
            });
        })
    };
    Normalized {
        output,
        mean,
        inverse,
    }
}

/// Some rows. `weight` and `bias` are as long as a row, `mean` and `inverse` have room for one of each, and `to` for all of
/// `x`.
struct Forward<'a> {
    x: &'a [f32],
    weight: &'a [f32],
    bias: &'a [f32],
    eps: f32,
    mean: *mut f32,
    inverse: *mut f32,
    to: *mut f32,
}

impl Task for Forward<'_> {
    type Output = ();
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let c = self.weight.len();
        for (row, x) in self.x.chunks_exact(c).enumerate() {
            // SAFETY: the row has `c` elements, and so has its place in the result.
            unsafe {
                let mean = Self::sum::<S, false>(x, 0.0) / c as f32;
                let variance = Self::sum::<S, true>(x, mean) / c as f32;
                let inverse = 1.0 / (variance + self.eps).sqrt();
                self.mean.add(row).write(mean);
                self.inverse.add(row).write(inverse);
                let to = self.to.add(row * c);
                let mut at = 0;
                while at + S::LANES <= c {
                    self.apply::<S, _>((x, to), at, (mean, inverse), Whole);
                    at += S::LANES;
                }
                if at < c {
                    self.apply::<S, _>((x, to), at, (mean, inverse), First(c - at));
                }
            }
        }
    }
}

impl Forward<'_> {
    /// Σ x, or with `SQUARES` Σ (x - mean)².
    ///
    /// # Safety
    /// The processor has `S`.
    #[inline(always)]
    unsafe fn sum<S: Simd, const SQUARES: bool>(x: &[f32], mean: f32) -> f32 {
        let c = x.len();
        // SAFETY: all loads lie inside the row.
        unsafe {
            let mean = S::splat(mean);
            let mut sums = [S::splat(0.0); 4];
            let mut at = 0;
            while at + 4 * S::LANES <= c {
                for (index, sum) in sums.iter_mut().enumerate() {
                    let v = S::load(x.as_ptr().add(at + index * S::LANES));
                    *sum = Self::term::<S, SQUARES>(*sum, v, mean);
                }
                at += 4 * S::LANES;
            }
            while at + S::LANES <= c {
                let v = S::load(x.as_ptr().add(at));
                sums[0] = Self::term::<S, SQUARES>(sums[0], v, mean);
                at += S::LANES;
            }
            if at < c {
                let v = S::load_first(x.as_ptr().add(at), c - at);
                // The lanes that are left out must not differ from the mean.
                let mean = S::keep(mean, (1 << (c - at)) - 1);
                sums[1] = Self::term::<S, SQUARES>(sums[1], v, mean);
            }
            S::sum(S::add(S::add(sums[0], sums[1]), S::add(sums[2], sums[3])))
        }
    }

    /// # Safety
    /// The processor has `S`.
    #[inline(always)]
    unsafe fn term<S: Simd, const SQUARES: bool>(sum: S::V, v: S::V, mean: S::V) -> S::V {
        // SAFETY: as of this function.
        unsafe {
            if SQUARES {
                let d = S::sub(v, mean);
                S::fma(d, d, sum)
            } else {
                S::add(sum, v)
            }
        }
    }

    /// # Safety
    /// The lanes that `part` means exist at `at`, and the processor has `S`.
    #[inline(always)]
    unsafe fn apply<S: Simd, P: Part>(
        &self,
        (x, to): (&[f32], *mut f32),
        at: usize,
        (mean, inverse): (f32, f32),
        part: P,
    ) {
        // SAFETY: as of this function.
        unsafe {
            let x = part.load::<S>(x.as_ptr().add(at));
            let weight = part.load::<S>(self.weight.as_ptr().add(at));
            let bias = part.load::<S>(self.bias.as_ptr().add(at));
            let normal = S::mul(S::sub(x, S::splat(mean)), S::splat(inverse));
            part.store::<S>(to.add(at), S::fma(normal, weight, bias));
        }
    }
}

/// What the backward pass needs of the forward pass.
#[derive(Debug, Clone, Copy)]
pub struct Saved<'a> {
    /// Input, `[rows, channels]`.
    pub x: &'a [f32],
    /// Scale of each channel.
    pub weight: &'a [f32],
    /// [`Normalized::mean`].
    pub mean: &'a [f32],
    /// [`Normalized::inverse`].
    pub inverse: &'a [f32],
}

/// Gradients of the loss.
#[derive(Debug, Clone)]
pub struct Gradients {
    /// Of the input, `[rows, channels]`.
    pub x: Vec<f32>,
    /// Of the scale.
    pub weight: Vec<f32>,
    /// Of the shift.
    pub bias: Vec<f32>,
}

/// The gradients of [`forward`].
///
/// # Shapes
/// `dy` `[rows, channels]`.
///
/// # Panics
/// When a slice does not have that shape.
#[must_use]
pub fn backward(saved: &Saved<'_>, dy: &[f32]) -> Gradients {
    let c = saved.weight.len();
    assert!(c > 0, "layer norm: at least one channel");
    assert_eq!(dy.len(), saved.x.len(), "layer norm: dy like x");
    assert_eq!(dy.len() % c, 0, "layer norm: whole rows");
    let rows = dy.len() / c;
    assert_eq!(saved.mean.len(), rows, "layer norm: mean for each row");
    let inverses = saved.inverse.len();
    assert_eq!(inverses, rows, "layer norm: inverse for each row");
    let vectors = Vectors::in_use();
    let each = CHUNK.div_ceil(c);
    let mut sums = vec![0.0_f64; 2 * c];
    // SAFETY: the chunks cover all rows.
    let x = unsafe {
        written(dy.len(), |to: *mut f32| {
            let to = Shared::at(to);
            scratch::with(rows.div_ceil(each) * 2 * c, |chunks| {
                let shared = Shared::new(chunks);
                parts_of(rows, each, c, |part| {
                    let range = part.start * c..part.end * c;
                    // SAFETY: every chunk has its own part of the buffer.
                    let sums = shared.part(part.start / each * 2 * c, 2 * c);
                    sums.fill(0.0);
                    let (weight, bias) = sums.split_at_mut(c);
                    vectors.dispatch(Backward {
                        saved: Saved {
                            x: &saved.x[range.clone()],
                            mean: &saved.mean[part.clone()],
                            inverse: &saved.inverse[part],
                            ..*saved
                        },
                        dy: &dy[range.clone()],
                        weight: weight.as_mut_ptr(),
                        bias: bias.as_mut_ptr(),
                        // SAFETY: the chunks are disjoint and lie in the result.
                        to: to.pointer().add(range.start),
                    });
                });
                for chunk in chunks.chunks_exact(2 * c) {
                    let pairs = sums.iter_mut().zip(chunk);
                    pairs.for_each(|(sum, value)| *sum += f64::from(*value));
                }
            });
        })
    };
    let sums: Vec<f32> = sums.into_iter().map(|sum| sum as f32).collect();
    Gradients {
        x,
        weight: sums[..c].to_vec(),
        bias: sums[c..].to_vec(),
    }
}

/// The gradients of a chunk; `weight` and `bias` hold sums of `c` elements, and `to` has room for all of `dy`.
struct Backward<'a> {
    saved: Saved<'a>,
    dy: &'a [f32],
    weight: *mut f32,
    bias: *mut f32,
    to: *mut f32,
}

impl Task for Backward<'_> {
    type Output = ();
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let c = self.saved.weight.len();
        for row in 0..self.saved.mean.len() {
            let at = row * c;
            // SAFETY: the row has `c` elements in `x`, `dy` and the result.
            unsafe {
                let (mean, inverse) = (self.saved.mean[row], self.saved.inverse[row]);
                let moments = (S::splat(mean), S::splat(inverse));
                let mut sums = [S::splat(0.0); 2];
                let mut column = 0;
                while column + S::LANES <= c {
                    self.sums::<S, _>(at, column, moments, &mut sums, Whole);
                    column += S::LANES;
                }
                if column < c {
                    self.sums::<S, _>(at, column, moments, &mut sums, First(c - column));
                }
                // dx = inverse · g + slope · (x - mean) + offset
                let [g, product] = sums.map(|sum| S::sum(sum) / c as f32);
                let slope = S::splat(-inverse * inverse * product);
                let line = [moments.0, moments.1, slope, S::splat(-inverse * g)];
                let mut column = 0;
                while column + S::LANES <= c {
                    self.apply::<S, _>(at, column, line, Whole);
                    column += S::LANES;
                }
                if column < c {
                    self.apply::<S, _>(at, column, line, First(c - column));
                }
            }
        }
    }
}

impl Backward<'_> {
    /// Adds to Σ g and Σ g · x̂ of the row, and to the sums over rows.
    ///
    /// # Safety
    /// The lanes that `part` means exist there, and the processor has `S`.
    #[inline(always)]
    unsafe fn sums<S: Simd, P: Part>(
        &self,
        at: usize,
        column: usize,
        (mean, inverse): (S::V, S::V),
        sums: &mut [S::V; 2],
        part: P,
    ) {
        // SAFETY: as of this function. Lanes that `part` leaves out are zero in `dy`.
        unsafe {
            let x = part.load::<S>(self.saved.x.as_ptr().add(at + column));
            let dy = part.load::<S>(self.dy.as_ptr().add(at + column));
            let normal = S::mul(S::sub(x, mean), inverse);
            let (weight, bias) = (self.weight.add(column), self.bias.add(column));
            part.store::<S>(weight, S::fma(dy, normal, part.load::<S>(weight)));
            part.store::<S>(bias, S::add(dy, part.load::<S>(bias)));
            let g = S::mul(dy, part.load::<S>(self.saved.weight.as_ptr().add(column)));
            sums[0] = S::add(sums[0], g);
            sums[1] = S::fma(g, normal, sums[1]);
        }
    }

    /// # Safety
    /// As of [`Self::sums`].
    #[inline(always)]
    unsafe fn apply<S: Simd, P: Part>(
        &self,
        at: usize,
        column: usize,
        [mean, inverse, slope, offset]: [S::V; 4],
        part: P,
    ) {
        // SAFETY: as of this function.
        unsafe {
            let x = part.load::<S>(self.saved.x.as_ptr().add(at + column));
            let dy = part.load::<S>(self.dy.as_ptr().add(at + column));
            let g = S::mul(dy, part.load::<S>(self.saved.weight.as_ptr().add(column)));
            let rest = S::fma(S::sub(x, mean), slope, offset);
            part.store::<S>(self.to.add(at + column), S::fma(g, inverse, rest));
        }
    }
}
