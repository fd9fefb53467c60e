//! The forward pass of batch norm: one pass for the statistics, one to apply them.

use super::scale::scale_and_shift;
use crate::activation::Activation;
use crate::activation::function::{Function, Identity};
use crate::elementwise::flat::{Part, Source, Step, parts_of, soon, walk_lines};
use crate::lines::Lines;
use crate::scratch;
use crate::simd::{Simd, Task, Vectors};
use crate::threads::Shared;

/// What a forward pass in training gives.
#[derive(Debug, Clone)]
pub struct Trained {
    /// The normalized images, `[pixels, channels]`.
    pub output: Vec<f32>,
    /// Mean of each channel.
    pub mean: Vec<f32>,
    /// Biased variance of each channel.
    pub variance: Vec<f32>,
}

/// What happens to each element once it is normalized, in this order.
#[derive(Debug, Clone, Copy, Default)]
pub struct Fused<'a> {
    /// Added, `[pixels, channels]`.
    pub residual: Option<&'a [f32]>,
    /// Applied last; one that [`fuses`](super::fuses).
    pub activation: Option<Activation>,
}

/// Normalizes with the statistics of these rows, and gives the statistics.
///
/// With `fused`, `output = activation?((x - mean) / √(variance + eps) · gamma + beta + residual?)`.
/// A single row normalizes to `beta`, where PyTorch refuses it.
///
/// # Shapes
/// `x` and the residual `[rows, channels]`, at least one row; `gamma` and `beta` `[channels]`.
///
/// # Panics
/// When a slice does not have that shape, or the activation is none of those that are fused.
#[must_use]
pub fn forward_train(
    x: &[f32],
    channels: usize,
    gamma: &[f32],
    beta: &[f32],
    eps: f32,
    fused: Fused<'_>,
) -> Trained {
    assert_eq!(gamma.len(), channels, "batch norm: gamma for each channel");
    assert_eq!(beta.len(), channels, "batch norm: beta for each channel");
    let lines = Lines::new(channels, Vectors::in_use());
    check(x, channels, fused);
    let (mean, variance) = statistics(x, &lines);
    let (scale, shift) = scale_and_shift(gamma, beta, &mean, &variance, eps);
    Trained {
        output: applied(x, &scale, &shift, fused, &lines),
        mean,
        variance,
    }
}

/// `activation?(x · scale + shift + residual?)`: batch norm with fixed statistics.
///
/// # Shapes
/// `x` and the residual `[rows, channels]`; `scale` and `shift` `[channels]`.
///
/// # Panics
/// When a slice does not have that shape, or the activation is none of those that are fused.
#[must_use]
pub fn apply(x: &[f32], scale: &[f32], shift: &[f32], fused: Fused<'_>) -> Vec<f32> {
    let channels = scale.len();
    assert_eq!(shift.len(), channels, "batch norm: a shift for each scale");
    let lines = Lines::new(channels, Vectors::in_use());
    check(x, channels, fused);
    applied(x, scale, shift, fused, &lines)
}

/// # Panics
/// When the slices do not fit.
fn check(x: &[f32], channels: usize, fused: Fused<'_>) {
    assert_eq!(x.len() % channels, 0, "batch norm: whole rows");
    if let Some(residual) = fused.residual {
        assert_eq!(residual.len(), x.len(), "batch norm: a residual like x");
    }
}

/// [`apply`] to slices that were checked.
fn applied(x: &[f32], scale: &[f32], shift: &[f32], fused: Fused<'_>, lines: &Lines) -> Vec<f32> {
    let channels = lines.channels;
    let (scale, shift) = (lines.expanded(scale), lines.expanded(shift));
    let mut out = Vec::with_capacity(x.len());
    let to = Shared::new(out.spare_capacity_mut());
    parts_of(x.len() / channels, lines.rows, channels, |rows| {
        let range = rows.start * channels..rows.end * channels;
        // SAFETY: the chunks are disjoint and lie in the result.
        let to = unsafe { to.pointer().cast::<f32>().add(range.start) };
        let task = Apply {
            x: &x[range.clone()],
            residual: fused.residual.map_or(&[], |residual| &residual[range]),
            scale: &scale,
            shift: &shift,
            line: lines.line,
            to,
        };
        let residual = fused.residual.is_some();
        match fused.activation {
            None => task.run(residual, Identity, lines),
            Some(activation) => {
                super::with_fused!(activation, |function| task.run(residual, function, lines));
            }
        }
    });
    // SAFETY: the chunks cover all of it.
    unsafe { out.set_len(x.len()) };
    out
}

/// The application to a chunk. `scale` and `shift` hold a line, `to` has room for all of `x`, and
/// `residual` is as long as `x` where it is used.
struct Apply<'a> {
    x: &'a [f32],
    residual: &'a [f32],
    scale: &'a [f32],
    shift: &'a [f32],
    line: usize,
    to: *mut f32,
}

impl Apply<'_> {
    fn run<F: Function>(self, residual: bool, function: F, lines: &Lines) {
        if residual {
            lines.vectors.dispatch(With::<true, F>(self, function));
        } else {
            lines.vectors.dispatch(With::<false, F>(self, function));
        }
    }
}

struct With<'a, const RESIDUAL: bool, F>(Apply<'a>, F);

impl<const RESIDUAL: bool, F: Function> Task for With<'_, RESIDUAL, F> {
    type Output = ();
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        // SAFETY: every line lies inside `x`.
        unsafe { walk_lines::<S, Self>(&self, self.0.x.len(), self.0.line) }
    }
}

impl<const RESIDUAL: bool, F: Function> Step for With<'_, RESIDUAL, F> {
    #[inline(always)]
    unsafe fn step<S: Simd, P: Part>(&self, at: usize, column: usize, part: P) {
        let task = &self.0;
        // SAFETY: as of the trait; `scale` and `shift` hold whole vectors of a line.
        unsafe {
            let scale = S::load(task.scale.as_ptr().add(column));
            let shift = S::load(task.shift.as_ptr().add(column));
            let x = task.x.as_ptr().add(at);
            soon(x);
            let mut y = S::fma(part.load::<S>(x), scale, shift);
            if RESIDUAL {
                let residual = task.residual.as_ptr().add(at);
                soon(residual);
                y = S::add(y, part.load::<S>(residual));
            }
            part.store::<S>(task.to.add(at), self.1.value::<S>(y));
        }
    }
}

/// Mean and biased variance of each channel.
///
/// A chunk is summed around the mean c of its first eighth: s = Σ (x - c), q = Σ (x - c)². These
/// rows are part of the chunk, so its sum of squares around its own mean is no less than an eighth
/// of its rows times (c - mean)², and q no more than nine times that sum: the difference that gives
/// the variance loses about three bits of q, never more, whatever the data.
fn statistics(x: &[f32], lines: &Lines) -> (Vec<f32>, Vec<f32>) {
    let channels = lines.channels;
    assert!(!x.is_empty(), "batch norm: at least one row");
    let rows = x.len() / channels;
    scratch::with(lines.chunks(rows) * 3 * channels, |chunks| {
        let shared = Shared::new(chunks);
        parts_of(rows, lines.rows, channels, |part| {
            // SAFETY: every chunk has its own part of the buffer.
            let sums = unsafe {
                let index = part.start / lines.rows;
                shared.part(index * 3 * channels, 3 * channels)
            };
            chunk_sums(lines, &x[part.start * channels..part.end * channels], sums);
        });
        combine(lines, rows, chunks)
    })
}

/// Writes c, s and q of a chunk, each `[channels]`.
fn chunk_sums(lines: &Lines, x: &[f32], sums: &mut [f32]) {
    let channels = lines.channels;
    scratch::with(3 * lines.padded, |buffer| {
        let (center, buffer) = buffer.split_at_mut(lines.padded);
        let (sum, squares) = buffer.split_at_mut(lines.padded);
        let first = (x.len() / 8 / lines.line * lines.line).max(lines.line.min(x.len()));
        center.fill(0.0);
        sum.fill(0.0);
        lines
            .vectors
            .dispatch(Sums::<false>::new(lines, &x[..first], center, sum, squares));
        lines.fold(sum);
        let count = (first / channels) as f32;
        for (center, sum) in center.iter_mut().zip(&sum[..channels]) {
            let mean = sum / count;
            *center = if mean.is_finite() { mean } else { 0.0 };
        }
        lines.expand(center);
        sum.fill(0.0);
        squares.fill(0.0);
        lines
            .vectors
            .dispatch(Sums::<true>::new(lines, x, center, sum, squares));
        lines.fold(sum);
        lines.fold(squares);
        let found = [center, sum, squares];
        for (to, from) in sums.chunks_exact_mut(channels).zip(found) {
            to.copy_from_slice(&from[..channels]);
        }
    });
}

/// Σ (x - center), and with `SQUARES` Σ (x - center)², added to lines of whole vectors.
struct Sums<'a, const SQUARES: bool> {
    x: &'a [f32],
    line: usize,
    center: Source,
    sum: *mut f32,
    squares: *mut f32,
}

impl<'a, const SQUARES: bool> Sums<'a, SQUARES> {
    fn new(
        lines: &Lines,
        x: &'a [f32],
        center: &'a [f32],
        sum: &'a mut [f32],
        squares: &'a mut [f32],
    ) -> Self {
        let room = [center.len(), sum.len(), squares.len()];
        assert!(room.iter().all(|len| *len >= lines.padded));
        Self {
            x,
            line: lines.line,
            center: Source::new(center),
            sum: sum.as_mut_ptr(),
            squares: squares.as_mut_ptr(),
        }
    }
}

impl<const SQUARES: bool> Task for Sums<'_, SQUARES> {
    type Output = ();
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        // SAFETY: every line lies inside `x`.
        unsafe { walk_lines::<S, Self>(&self, self.x.len(), self.line) }
    }
}

impl<const SQUARES: bool> Step for Sums<'_, SQUARES> {
    #[inline(always)]
    unsafe fn step<S: Simd, P: Part>(&self, at: usize, column: usize, part: P) {
        // SAFETY: as of the trait; the three lines hold whole vectors. Lanes that `part` leaves out
        // are zero in both `x` and the center, so that they add nothing.
        unsafe {
            let center = part.load::<S>(self.center.pointer().add(column));
            let x = self.x.as_ptr().add(at);
            soon(x);
            let d = S::sub(part.load::<S>(x), center);
            let sum = self.sum.add(column);
            S::store(sum, S::add(S::load(sum), d));
            if SQUARES {
                let squares = self.squares.add(column);
                S::store(squares, S::fma(d, d, S::load(squares)));
            }
        }
    }
}

/// Mean and biased variance from c, s and q of each chunk.
fn combine(lines: &Lines, rows: usize, chunks: &[f32]) -> (Vec<f32>, Vec<f32>) {
    let channels = lines.channels;
    let chunks = || {
        let chunks = chunks.chunks_exact(3 * channels).enumerate();
        chunks.map(|(index, sums)| {
            let count = lines.rows.min(rows - index * lines.rows) as f64;
            let (center, sums) = sums.split_at(channels);
            let (sum, squares) = sums.split_at(channels);
            (count, center, sum, squares)
        })
    };
    let mut mean = vec![0.0_f64; channels];
    for (count, center, sum, _) in chunks() {
        for channel in 0..channels {
            mean[channel] += count * f64::from(center[channel]) + f64::from(sum[channel]);
        }
    }
    mean.iter_mut().for_each(|mean| *mean /= rows as f64);
    // q - s²/n is around the chunk's own mean; n · (its own - the mean)² leads to the common one.
    let mut variance = vec![0.0_f64; channels];
    for (count, center, sum, squares) in chunks() {
        let inverse = 1.0 / count;
        for channel in 0..channels {
            let sum = f64::from(sum[channel]);
            let own = f64::from(center[channel]) + sum * inverse;
            let inside = f64::from(squares[channel]) - sum * sum * inverse;
            let inside = if inside < 0.0 { 0.0 } else { inside };
            variance[channel] += inside + count * (own - mean[channel]).powi(2);
        }
    }
    let variance = variance.iter().map(|sum| (sum / rows as f64) as f32);
    (
        mean.iter().map(|mean| *mean as f32).collect(),
        variance.collect(),
    )
}
