//! What happens to one element, written once for vectors and for whole tensors.

use std::ops::{Add, Div, Mul, Neg, Sub};

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

impl<F, const WRITTEN: usize, const READ: usize> Tensors<'_, F, WRITTEN, READ> {
    /// Elements of each.
    ///
    /// # Panics
    /// When they differ in length.
    pub(super) fn len(&self) -> usize {
        let written = self.written.iter().map(|slice| slice.len());
        let mut lengths = written.chain(self.read.iter().map(|slice| slice.len()));
        let len = lengths.next().unwrap_or(0);
        for other in lengths {
            assert_eq!(other, len, "optimizer: tensors of one length");
        }
        len
    }
}
