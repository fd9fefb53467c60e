//! The gradients of batch norm: one pass for two sums, one for the gradient of the input.

use super::scale::scale_and_shift;
use crate::activation::Activation;
use crate::activation::function::{Function, Identity};
use crate::elementwise::flat::{Part, Step, parts_of, soon, walk_lines};
use crate::lines::Lines;
use crate::scratch;
use crate::simd::{Simd, Task, Vectors};
use crate::threads::Shared;

/// What the backward pass needs of the forward pass.
#[derive(Debug, Clone, Copy)]
pub struct Saved<'a> {
    /// Input, `[pixels, channels]`.
    pub x: &'a [f32],
    /// Scale of each channel.
    pub gamma: &'a [f32],
    /// Shift of each channel.
    pub beta: &'a [f32],
    /// [`Trained::mean`](super::Trained::mean).
    pub mean: &'a [f32],
    /// [`Trained::variance`](super::Trained::variance).
    pub variance: &'a [f32],
    /// What was added to the variance.
    pub eps: f32,
    /// [`Fused::activation`](super::Fused::activation). After a sum with a residual, none but the rectifier has a gradient here.
    pub activation: Option<Activation>,
    /// [`Trained::output`](super::Trained::output), exactly when there was a residual and a rectifier: its sign says where
    /// the gradient passes. Without a residual, the input of the activation is computed again from `x`.
    pub output: Option<&'a [f32]>,
}

/// Gradients of the loss.
#[derive(Debug, Clone)]
pub struct Gradients {
    /// Of the input, `[pixels, channels]`.
    pub x: Vec<f32>,
    /// Of the scale.
    pub gamma: Vec<f32>,
    /// Of the shift.
    pub beta: Vec<f32>,
    /// Of the residual, where it was asked for and is not `dy` itself.
    pub residual: Option<Vec<f32>>,
}

/// The gradient passes everywhere.
const ALL: u8 = 0;
/// It passes as the activation's slope at `x · scale + shift` says.
const INPUT: u8 = 1;
/// It passes where the output is above zero or NaN.
const OUTPUT: u8 = 2;

/// The gradients of [`forward_train`](super::forward_train).
///
/// `residual` asks for the gradient of the residual. Without a rectifier that is `dy`, and
/// [`Gradients::residual`] is `None`; with one, [`Saved::output`] must be there.
///
/// # Shapes
/// `dy` `[rows, channels]`, at least one row.
///
/// # Panics
/// When a slice does not have that shape, or the output is missing.
#[must_use]
pub fn backward(saved: &Saved<'_>, dy: &[f32], residual: bool) -> Gradients {
    let channels = saved.gamma.len();
    let lines = Lines::new(channels, Vectors::in_use());
    for (name, values) in [
        ("beta", saved.beta),
        ("mean", saved.mean),
        ("variance", saved.variance),
    ] {
        assert_eq!(
            values.len(),
            channels,
            "batch norm: {name} for each channel"
        );
    }
    assert!(!dy.is_empty(), "batch norm: at least one row");
    assert_eq!(saved.x.len(), dy.len(), "batch norm: dy like x");
    assert_eq!(dy.len() % channels, 0, "batch norm: whole rows");
    let gate = match saved.output {
        _ if saved.activation.is_none() => ALL,
        None => INPUT,
        Some(_) => OUTPUT,
    };
    assert!(
        gate != OUTPUT || saved.activation == Some(Activation::Relu),
        "batch norm: the gradient of a sum with a residual goes through a rectifier or no activation"
    );
    let output = saved.output.filter(|_| gate == OUTPUT).unwrap_or_default();
    if gate == OUTPUT {
        assert_eq!(output.len(), dy.len(), "batch norm: dy like the output");
    }
    assert!(
        !residual || gate != INPUT,
        "batch norm: the output of a rectified sum with a residual"
    );
    let (scale, shift) = scale_and_shift(
        saved.gamma,
        saved.beta,
        saved.mean,
        saved.variance,
        saved.eps,
    );
    let rows = Rows {
        x: saved.x,
        output,
        mean: &lines.expanded(saved.mean),
        scale: &lines.expanded(&scale),
        shift: &lines.expanded(&shift),
        lines,
    };
    let mut masked = Vec::new();
    let sums = match (gate, residual, saved.activation) {
        (INPUT, _, Some(activation)) => super::with_fused!(activation, |function| rows
            .sums::<INPUT, false, _>(function, dy, &mut masked)),
        (OUTPUT, false, _) => rows.sums::<OUTPUT, false, _>(Identity, dy, &mut masked),
        (OUTPUT, true, _) => rows.sums::<OUTPUT, true, _>(Identity, dy, &mut masked),
        _ => rows.sums::<ALL, false, _>(Identity, dy, &mut masked),
    };
    let count = (dy.len() / channels) as f64;
    let (mut gamma, mut beta) = (Vec::new(), Vec::new());
    // dx = scale · g + slope · (x - mean) + offset
    let (mut slope, mut offset) = (Vec::new(), Vec::new());
    for channel in 0..channels {
        let inverse = 1.0 / (f64::from(saved.variance[channel]) + f64::from(saved.eps)).sqrt();
        let (sum, product) = (sums[channel], sums[channels + channel] * inverse);
        let scale = f64::from(saved.gamma[channel]) * inverse;
        beta.push(sum as f32);
        gamma.push(product as f32);
        slope.push((-scale * inverse * product / count) as f32);
        offset.push((-scale * sum / count) as f32);
    }
    let (slope, offset) = (lines.expanded(&slope), lines.expanded(&offset));
    let x = match (gate, residual, saved.activation) {
        (INPUT, _, Some(activation)) => super::with_fused!(activation, |function| rows
            .input_gradient::<INPUT, _>(function, dy, &slope, &offset)),
        (OUTPUT, false, _) => rows.input_gradient::<OUTPUT, _>(Identity, dy, &slope, &offset),
        (OUTPUT, true, _) => rows.input_gradient::<ALL, _>(Identity, &masked, &slope, &offset),
        _ => rows.input_gradient::<ALL, _>(Identity, dy, &slope, &offset),
    };
    Gradients {
        x,
        gamma,
        beta,
        residual: (gate == OUTPUT && residual).then_some(masked),
    }
}

/// What both passes read. `output` is as long as `x` where the gate is `OUTPUT`; `mean`, `scale`
/// and `shift` hold a line.
#[derive(Clone, Copy)]
struct Rows<'a> {
    x: &'a [f32],
    output: &'a [f32],
    mean: &'a [f32],
    scale: &'a [f32],
    shift: &'a [f32],
    lines: Lines,
}

impl<'a> Rows<'a> {
    /// The same for rows of a chunk.
    fn chunk(&self, range: std::ops::Range<usize>, gate: u8) -> Self {
        let output = if gate == OUTPUT { range.clone() } else { 0..0 };
        Self {
            x: &self.x[range],
            output: &self.output[output],
            ..*self
        }
    }

    /// Σ g and Σ g · (x - mean) of each channel, one after the other; with `WRITE` g itself too.
    fn sums<const GATE: u8, const WRITE: bool, F: Function>(
        &self,
        function: F,
        dy: &[f32],
        masked: &mut Vec<f32>,
    ) -> Vec<f64> {
        let (lines, channels) = (self.lines, self.lines.channels);
        let rows = dy.len() / channels;
        if WRITE {
            masked.reserve_exact(dy.len());
        }
        let to = Shared::new(masked.spare_capacity_mut());
        let sums = scratch::with(lines.chunks(rows) * 2 * channels, |chunks| {
            let shared = Shared::new(chunks);
            parts_of(rows, lines.rows, channels, |part| {
                let range = part.start * channels..part.end * channels;
                // SAFETY: every chunk has its own part of the buffer, and of g where it is written.
                let (sums, to) = unsafe {
                    let index = part.start / lines.rows;
                    let at = if WRITE { range.start } else { 0 };
                    (
                        shared.part(index * 2 * channels, 2 * channels),
                        to.pointer().cast::<f32>().add(at),
                    )
                };
                scratch::with(2 * lines.padded, |buffer| {
                    buffer.fill(0.0);
                    let (sum, product) = buffer.split_at_mut(lines.padded);
                    lines.vectors.dispatch(Sums::<GATE, WRITE, F> {
                        function,
                        rows: self.chunk(range.clone(), GATE),
                        dy: &dy[range],
                        sum: sum.as_mut_ptr(),
                        product: product.as_mut_ptr(),
                        to,
                    });
                    lines.fold(sum);
                    lines.fold(product);
                    sums[..channels].copy_from_slice(&sum[..channels]);
                    sums[channels..].copy_from_slice(&product[..channels]);
                });
            });
            let mut sums = vec![0.0_f64; 2 * channels];
            for chunk in chunks.chunks_exact(2 * channels) {
                let pairs = sums.iter_mut().zip(chunk);
                pairs.for_each(|(sum, value)| *sum += f64::from(*value));
            }
            sums
        });
        if WRITE {
            // SAFETY: the chunks cover all of it.
            unsafe { masked.set_len(dy.len()) };
        }
        sums
    }

    /// scale · g + slope · (x - mean) + offset.
    fn input_gradient<const GATE: u8, F: Function>(
        &self,
        function: F,
        dy: &[f32],
        slope: &[f32],
        offset: &[f32],
    ) -> Vec<f32> {
        let channels = self.lines.channels;
        let mut out = Vec::with_capacity(dy.len());
        let to = Shared::new(out.spare_capacity_mut());
        parts_of(dy.len() / channels, self.lines.rows, channels, |part| {
            let range = part.start * channels..part.end * channels;
            // SAFETY: the chunks are disjoint and lie in the result.
            let to = unsafe { to.pointer().cast::<f32>().add(range.start) };
            self.lines.vectors.dispatch(InputGradient::<GATE, F> {
                function,
                rows: self.chunk(range.clone(), GATE),
                dy: &dy[range],
                slope,
                offset,
                to,
            });
        });
        // SAFETY: the chunks cover all of it.
        unsafe { out.set_len(dy.len()) };
        out
    }

    /// The part of `dy` that the activation lets pass.
    ///
    /// # Safety
    /// The lanes exist at `at` and `column`, and the processor has `S`.
    #[inline(always)]
    unsafe fn passing<S: Simd, P: Part, F: Function, const GATE: u8>(
        &self,
        function: F,
        [dy, x]: [S::V; 2],
        at: usize,
        column: usize,
        part: P,
    ) -> S::V {
        // SAFETY: as of this function; `scale` and `shift` hold whole vectors.
        unsafe {
            match GATE {
                INPUT => {
                    let scale = S::load(self.scale.as_ptr().add(column));
                    let shift = S::load(self.shift.as_ptr().add(column));
                    function.pass::<S>(S::fma(x, scale, shift), dy)
                }
                OUTPUT => {
                    let output = self.output.as_ptr().add(at);
                    soon(output);
                    S::gate(dy, part.load::<S>(output))
                }
                _ => dy,
            }
        }
    }
}

/// The sums of a chunk, added to lines of whole vectors; `to` has room for all of `dy` where it is
/// written.
struct Sums<'a, const GATE: u8, const WRITE: bool, F> {
    function: F,
    rows: Rows<'a>,
    dy: &'a [f32],
    sum: *mut f32,
    product: *mut f32,
    to: *mut f32,
}

impl<const GATE: u8, const WRITE: bool, F: Function> Task for Sums<'_, GATE, WRITE, F> {
    type Output = ();
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        // SAFETY: every line lies inside `dy`.
        unsafe { walk_lines::<S, Self>(&self, self.dy.len(), self.rows.lines.line) }
    }
}

impl<const GATE: u8, const WRITE: bool, F: Function> Step for Sums<'_, GATE, WRITE, F> {
    #[inline(always)]
    unsafe fn step<S: Simd, P: Part>(&self, at: usize, column: usize, part: P) {
        // SAFETY: as of the trait; the lines hold whole vectors. Lanes that `part` leaves out are
        // zero in `dy` and finite in `x - mean`, so that they add nothing.
        unsafe {
            let mean = part.load::<S>(self.rows.mean.as_ptr().add(column));
            let (x, dy) = (self.rows.x.as_ptr().add(at), self.dy.as_ptr().add(at));
            soon(x);
            soon(dy);
            let (x, dy) = (part.load::<S>(x), part.load::<S>(dy));
            let g = self
                .rows
                .passing::<S, P, F, GATE>(self.function, [dy, x], at, column, part);
            if WRITE {
                part.store::<S>(self.to.add(at), g);
            }
            let (sum, product) = (self.sum.add(column), self.product.add(column));
            S::store(sum, S::add(S::load(sum), g));
            S::store(product, S::fma(g, S::sub(x, mean), S::load(product)));
        }
    }
}

/// The input's gradient of a chunk; `to` has room for all of `dy`.
struct InputGradient<'a, const GATE: u8, F> {
    function: F,
    rows: Rows<'a>,
    dy: &'a [f32],
    slope: &'a [f32],
    offset: &'a [f32],
    to: *mut f32,
}

impl<const GATE: u8, F: Function> Task for InputGradient<'_, GATE, F> {
    type Output = ();
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        // SAFETY: every line lies inside `dy`.
        unsafe { walk_lines::<S, Self>(&self, self.dy.len(), self.rows.lines.line) }
    }
}

impl<const GATE: u8, F: Function> Step for InputGradient<'_, GATE, F> {
    #[inline(always)]
    unsafe fn step<S: Simd, P: Part>(&self, at: usize, column: usize, part: P) {
        // SAFETY: as of the trait; the lines hold whole vectors.
        unsafe {
            let mean = S::load(self.rows.mean.as_ptr().add(column));
            let scale = S::load(self.rows.scale.as_ptr().add(column));
            let slope = S::load(self.slope.as_ptr().add(column));
            let offset = S::load(self.offset.as_ptr().add(column));
            let (x, dy) = (self.rows.x.as_ptr().add(at), self.dy.as_ptr().add(at));
            soon(x);
            soon(dy);
            let (x, dy) = (part.load::<S>(x), part.load::<S>(dy));
            let g = self
                .rows
                .passing::<S, P, F, GATE>(self.function, [dy, x], at, column, part);
            let rest = S::fma(S::sub(x, mean), slope, offset);
            part.store::<S>(self.to.add(at), S::fma(g, scale, rest));
        }
    }
}
