//! One piece of a tensor, vector by vector.

use std::ops::{Add, Div, Mul, Neg, Sub};

use super::formula::{Formula, Real, Tensors};
use crate::simd::{Simd, Task};

/// No vector is longer.
const MOST_LANES: usize = 16;

/// A vector of elements. There is one only where the processor has the instruction set: they come
/// from [`Pass::run`] alone.
struct Lanes<S: Simd>(S::V);

impl<S: Simd> Copy for Lanes<S> {}

impl<S: Simd> Clone for Lanes<S> {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}

impl<S: Simd> Lanes<S> {
    /// Another vector where there is one already.
    #[inline(always)]
    fn splat(self, value: f64) -> Self {
        // SAFETY: `self` shows that the processor has the instruction set.
        Self(unsafe { S::splat(value as f32) })
    }

    /// The larger one; `other` where either is NaN.
    #[inline(always)]
    fn above(self, other: Self) -> Self {
        // SAFETY: as in `splat`.
        Self(unsafe { S::max(self.0, other.0) })
    }

    /// The lanes that are NaN.
    #[inline(always)]
    fn nan(self) -> u32 {
        // SAFETY: as in `splat`.
        unsafe { S::passes(self.0) & S::passes(self.neg().0) }
    }
}

macro_rules! operator {
    ($trait:ident, $method:ident) => {
        impl<S: Simd> $trait for Lanes<S> {
            type Output = Self;

            #[inline(always)]
            fn $method(self, other: Self) -> Self {
                // SAFETY: as in `splat`.
                Self(unsafe { S::$method(self.0, other.0) })
            }
        }
    };
}
operator!(Add, add);
operator!(Sub, sub);
operator!(Mul, mul);
operator!(Div, div);

impl<S: Simd> Neg for Lanes<S> {
    type Output = Self;

    #[inline(always)]
    fn neg(self) -> Self {
        self * -1.0
    }
}

impl<S: Simd> Sub<f64> for Lanes<S> {
    type Output = Self;

    #[inline(always)]
    fn sub(self, scalar: f64) -> Self {
        self - self.splat(scalar)
    }
}

impl<S: Simd> Add<f64> for Lanes<S> {
    type Output = Self;

    #[inline(always)]
    fn add(self, scalar: f64) -> Self {
        self + self.splat(scalar)
    }
}

impl<S: Simd> Mul<f64> for Lanes<S> {
    type Output = Self;

    #[inline(always)]
    fn mul(self, scalar: f64) -> Self {
        self * self.splat(scalar)
    }
}

impl<S: Simd> Real for Lanes<S> {
    #[inline(always)]
    fn sqrt(self) -> Self {
        // SAFETY: as in `splat`.
        Self(unsafe { S::sqrt(self.0) })
    }

    #[inline(always)]
    fn cbrt(self) -> Self {
        let mut elements = [0.0_f32; MOST_LANES];
        // SAFETY: as in `splat`; the array holds the longest vector.
        unsafe { S::store(elements.as_mut_ptr(), self.0) };
        for element in &mut elements[..S::LANES] {
            *element = element.cbrt();
        }
        // SAFETY: as above.
        Self(unsafe { S::load(elements.as_ptr()) })
    }

    #[inline(always)]
    fn abs(self) -> Self {
        // Of both zeros the positive one.
        self.above(-self) + 0.0
    }

    #[inline(always)]
    fn sign(self) -> Self {
        let one = self.splat(1.0);
        // SAFETY: as in `splat`.
        let (above, below, nan) = unsafe {
            (
                S::keep(one.0, S::passes(self.0)),
                S::keep(one.0, S::passes(self.neg().0)),
                S::keep(self.0, self.nan()),
            )
        };
        Self(above) - Self(below) + Self(nan)
    }

    #[inline(always)]
    fn max(self, other: Self) -> Self {
        // `above` keeps a NaN of `other` only.
        let nan = self.nan();
        // SAFETY: as in `splat`.
        let (own, larger) = unsafe {
            let larger = self.above(other).0;
            (S::keep(self.0, nan), S::keep(larger, !nan))
        };
        Self(own) + Self(larger)
    }

    #[inline(always)]
    fn clamp(self, low: f64, high: f64) -> Self {
        let above = self.splat(low).above(self);
        -self.splat(-high).above(-above)
    }
}

/// Tensors on their way through a formula.
pub(super) struct Pass<F, const WRITTEN: usize, const READ: usize> {
    formula: F,
    written: [*mut f32; WRITTEN],
    read: [*const f32; READ],
    len: usize,
}

// SAFETY: the pointers are only numbers; `part` says what makes their use sound.
unsafe impl<F: Send, const WRITTEN: usize, const READ: usize> Send for Pass<F, WRITTEN, READ> {}
// SAFETY: as above.
unsafe impl<F: Sync, const WRITTEN: usize, const READ: usize> Sync for Pass<F, WRITTEN, READ> {}

impl<F: Copy, const WRITTEN: usize, const READ: usize> Pass<F, WRITTEN, READ> {
    pub(super) fn new(tensors: &mut Tensors<'_, F, WRITTEN, READ>) -> Self {
        Self {
            formula: tensors.formula,
            written: tensors.written.each_mut().map(|slice| slice.as_mut_ptr()),
            read: tensors.read.map(<[f32]>::as_ptr),
            len: tensors.len(),
        }
    }

    /// `len` elements from `start`.
    ///
    /// # Safety
    /// They lie in the tensors, which outlive the part and are borrowed from no one else meanwhile;
    /// parts in use at one time do not overlap.
    pub(super) unsafe fn part(&self, start: usize, len: usize) -> Self {
        debug_assert!(start + len <= self.len);
        Self {
            // SAFETY: as of this function.
            written: self.written.map(|from| unsafe { from.add(start) }),
            // SAFETY: as of this function.
            read: self.read.map(|from| unsafe { from.add(start) }),
            formula: self.formula,
            len,
        }
    }
}

impl<F, const WRITTEN: usize, const READ: usize> Task for Pass<F, WRITTEN, READ>
where
    F: Formula<WRITTEN, READ>,
{
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        // SAFETY: the caller of `part` vouches for `len` elements behind each pointer, and the
        // caller of this function for the instruction set.
        unsafe {
            // Vectors that straddle two cache lines cost bandwidth. Large tensors begin at one and
            // the same place of a line, so that all are aligned once the first is.
            let line = S::LANES * size_of::<f32>();
            let mut at = self.written[0].align_offset(line).min(self.len) % S::LANES;
            if at > 0 {
                self.few::<S>(0, at);
            }
            while at + S::LANES <= self.len {
                self.one::<S>(at);
                at += S::LANES;
            }
            if at < self.len {
                self.few::<S>(at, self.len - at);
            }
        }
    }
}

impl<F, const WRITTEN: usize, const READ: usize> Pass<F, WRITTEN, READ>
where
    F: Formula<WRITTEN, READ>,
{
    /// The vector at an element.
    ///
    /// # Safety
    /// The part reaches `LANES` elements further, and the processor has the instruction set.
    #[inline(always)]
    unsafe fn one<S: Simd>(&self, at: usize) {
        // SAFETY: as of this function.
        unsafe {
            let zero = Lanes::<S>(S::splat(0.0));
            let (mut old, mut given) = ([zero; WRITTEN], [zero; READ]);
            for (lanes, from) in old.iter_mut().zip(&self.written) {
                *lanes = Lanes(S::load(from.add(at)));
            }
            for (lanes, from) in given.iter_mut().zip(&self.read) {
                *lanes = Lanes(S::load(from.add(at)));
            }
            for (lanes, to) in self.formula.apply(old, given).iter().zip(&self.written) {
                S::store(to.add(at), lanes.0);
            }
        }
    }

    /// The first `count` lanes of the vector at an element.
    ///
    /// # Safety
    /// The part reaches `count` elements further, at most `LANES`, and the processor has the
    /// instruction set.
    #[inline(always)]
    unsafe fn few<S: Simd>(&self, at: usize, count: usize) {
        // SAFETY: as of this function.
        unsafe {
            let zero = Lanes::<S>(S::splat(0.0));
            let (mut old, mut given) = ([zero; WRITTEN], [zero; READ]);
            for (lanes, from) in old.iter_mut().zip(&self.written) {
                *lanes = Lanes(S::load_first(from.add(at), count));
            }
            for (lanes, from) in given.iter_mut().zip(&self.read) {
                *lanes = Lanes(S::load_first(from.add(at), count));
            }
            for (lanes, to) in self.formula.apply(old, given).iter().zip(&self.written) {
                S::store_first(to.add(at), lanes.0, count);
            }
        }
    }
}

/// The sum of squares of a piece.
pub(super) struct SumOfSquares<'a>(pub(super) &'a [f32]);

impl Task for SumOfSquares<'_> {
    type Output = f64;

    /// In as many sums for every instruction set, so that all give the same.
    #[inline(always)]
    unsafe fn run<S: Simd>(self) -> f64 {
        let mut sums = [0.0_f64; 32];
        let (rows, rest) = self.0.as_chunks::<32>();
        for row in rows {
            for (sum, value) in sums.iter_mut().zip(row) {
                let value = f64::from(*value);
                *sum += value * value;
            }
        }
        for (sum, value) in sums.iter_mut().zip(rest) {
            let value = f64::from(*value);
            *sum += value * value;
        }
        sums.iter().sum()
    }
}
