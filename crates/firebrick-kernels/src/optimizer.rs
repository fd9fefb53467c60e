//! Optimizer steps and related operations, over many tensors in one parallel pass.
//!
//! A [`Formula`] says what happens to one element; [`apply`] does it to all elements of several
//! tensors, in place. An optimizer is one formula: it reads the gradient and changes the value and
//! the state, so that each is loaded and stored once.
//!
//! Work is cut into [`PIECE`]s of tensors, whatever the number of threads, and small tensors share
//! a task. Every operation of [`Real`] is rounded by itself, as IEEE 754 has it, so results depend
//! neither on the threads nor on the instruction set.

mod lanes;

use std::ops::{Add, Div, Mul, Neg, Range, Sub};

use lanes::Pass;

use crate::{simd, threads};

/// Elements that a thread does at once; a larger tensor is cut, in the same places always.
pub const PIECE: usize = 1 << 14;

/// Numbers that a formula computes with: some elements of a tensor, or a whole one.
///
/// Scalars are f64 and are rounded to the elements' type when they meet them. Write a scalar on the
/// right, as in `value * 0.9` and `value - 1.0`; on the left of a minus, wrap it in [`Number`].
pub trait Real:
    Clone
    + Neg<Output = Self>
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Add<f64, Output = Self>
    + Sub<f64, Output = Self>
    + Mul<f64, Output = Self>
{
    /// The root of every element; NaN below zero.
    #[must_use]
    fn sqrt(self) -> Self;

    /// The cube root of every element. Vectors go through it one element at a time.
    #[must_use]
    fn cbrt(self) -> Self;

    /// Without its sign; NaN stays NaN.
    #[must_use]
    fn abs(self) -> Self;

    /// 1 above zero, -1 below, 0 at zero; NaN stays NaN.
    #[must_use]
    fn sign(self) -> Self;

    /// The larger element of both; NaN where either is.
    #[must_use]
    fn max(self, other: Self) -> Self;

    /// Every element within `[low, high]`; NaN stays NaN.
    #[must_use]
    fn clamp(self, low: f64, high: f64) -> Self;
}

/// A scalar on the left of a minus: `Number(1.0) - value`.
///
/// ```
/// use firebrick_kernels::optimizer::{Number, Real};
///
/// /// The share that is left: 1 - x.
/// fn left<R: Real>(x: R) -> R {
///     Number(1.0) - x
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Number(pub f64);

impl<R: Real> Sub<R> for Number {
    type Output = R;

    #[inline(always)]
    fn sub(self, value: R) -> R {
        -value + self.0
    }
}

/// What happens to an element that `WRITTEN` tensors change and `READ` tensors give.
///
/// ```
/// use firebrick_kernels::optimizer::{Formula, Real};
///
/// /// v ← momentum · v + g, θ ← θ - lr · v
/// #[derive(Clone, Copy)]
/// struct Momentum {
///     lr: f64,
///     momentum: f64,
/// }
///
/// impl Formula<2, 1> for Momentum {
///     #[inline(always)]
///     fn apply<R: Real>(&self, [value, velocity]: [R; 2], [gradient]: [R; 1]) -> [R; 2] {
///         let velocity = velocity * self.momentum + gradient;
///         [value - velocity.clone() * self.lr, velocity]
///     }
/// }
/// ```
pub trait Formula<const WRITTEN: usize, const READ: usize>: Copy + Send + Sync {
    /// The new elements. `#[inline(always)]`, or it is compiled without the instruction set.
    fn apply<R: Real>(&self, written: [R; WRITTEN], read: [R; READ]) -> [R; WRITTEN];
}

/// Tensors of one length that go through a formula together, such as a parameter, its state and its
/// gradient.
#[derive(Debug)]
pub struct Tensors<'a, F, const WRITTEN: usize, const READ: usize> {
    /// What happens to them.
    pub formula: F,
    /// Those that change.
    pub written: [&'a mut [f32]; WRITTEN],
    /// Those that are read.
    pub read: [&'a [f32]; READ],
}

/// Passes over all the tensors, changing them in place.
///
/// # Panics
/// When the tensors of one entry differ in length.
pub fn apply<F, const WRITTEN: usize, const READ: usize>(
    tensors: &mut [Tensors<'_, F, WRITTEN, READ>],
) where
    F: Formula<WRITTEN, READ>,
{
    let lengths: Vec<_> = tensors.iter().map(Tensors::len).collect();
    let passes: Vec<_> = tensors.iter_mut().map(Pass::new).collect();
    let plan = Plan::new(&lengths);
    threads::for_each(plan.tasks.len(), |task| {
        for piece in &plan.pieces[plan.tasks[task].clone()] {
            // SAFETY: pieces lie within their tensors and do not overlap, and the tensors are
            // borrowed mutably until this function returns.
            simd::dispatch(unsafe { passes[piece.tensor].part(piece.start, piece.len) });
        }
    });
}

impl<F, const WRITTEN: usize, const READ: usize> Tensors<'_, F, WRITTEN, READ> {
    fn len(&self) -> usize {
        let written = self.written.iter().map(|slice| slice.len());
        let mut lengths = written.chain(self.read.iter().map(|slice| slice.len()));
        let len = lengths.next().unwrap_or(0);
        assert!(lengths.all(|other| other == len), "tensors of one length");
        len
    }
}

/// The sum of squares of each tensor, in f64: not finite just when the tensor holds an element that
/// is not.
///
/// A square of an f32 is exact in f64, and neither it nor such a sum overflows.
#[must_use]
pub fn sums_of_squares(tensors: &[&[f32]]) -> Vec<f64> {
    let lengths: Vec<_> = tensors.iter().map(|tensor| tensor.len()).collect();
    let plan = Plan::new(&lengths);
    let mut parts = vec![0.0; plan.pieces.len()];
    let shared = threads::Shared::new(&mut parts);
    threads::for_each(plan.tasks.len(), |task| {
        for index in plan.tasks[task].clone() {
            let Piece { tensor, start, len } = plan.pieces[index];
            let sum = simd::dispatch(lanes::SumOfSquares(&tensors[tensor][start..start + len]));
            // SAFETY: each piece belongs to one task, and `parts` has an element for each.
            unsafe { shared.part(index, 1)[0] = sum };
        }
    });
    let mut sums = vec![0.0; tensors.len()];
    for (piece, part) in plan.pieces.iter().zip(parts) {
        sums[piece.tensor] += part;
    }
    sums
}

/// A part of a tensor.
struct Piece {
    tensor: usize,
    start: usize,
    len: usize,
}

/// Pieces of several tensors in order, and the runs of them that are one task.
struct Plan {
    pieces: Vec<Piece>,
    tasks: Vec<Range<usize>>,
}

impl Plan {
    fn new(lengths: &[usize]) -> Self {
        let pieces: Vec<_> = lengths
            .iter()
            .enumerate()
            .flat_map(|(tensor, &length)| {
                (0..length).step_by(PIECE).map(move |start| Piece {
                    tensor,
                    start,
                    len: PIECE.min(length - start),
                })
            })
            .collect();
        let mut tasks: Vec<Range<usize>> = Vec::new();
        let mut elements = PIECE;
        for (index, piece) in pieces.iter().enumerate() {
            match tasks.last_mut() {
                Some(task) if elements + piece.len <= PIECE => {
                    task.end = index + 1;
                    elements += piece.len;
                }
                _ => {
                    tasks.push(index..index + 1);
                    elements = piece.len;
                }
            }
        }
        Self { pieces, tasks }
    }
}
