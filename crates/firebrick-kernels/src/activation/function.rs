//! The functions, for vectors.

use crate::exponential::{exp, exp_minus_one};
use crate::simd::Simd;

/// One function of vectors.
#[allow(clippy::missing_safety_doc)]
pub(crate) trait Function: Copy + Send + Sync {
    /// # Safety
    /// The processor has `S`.
    unsafe fn value<S: Simd>(self, x: S::V) -> S::V;

    /// # Safety
    /// The processor has `S`.
    unsafe fn slope<S: Simd>(self, x: S::V) -> S::V;

    /// The gradient with respect to `x`, given that with respect to the value.
    ///
    /// # Safety
    /// The processor has `S`.
    #[inline(always)]
    unsafe fn pass<S: Simd>(self, x: S::V, dy: S::V) -> S::V {
        // SAFETY: as of this function.
        unsafe { S::mul(dy, self.slope::<S>(x)) }
    }
}

/// x itself.
#[derive(Clone, Copy)]
pub(crate) struct Identity;

impl Function for Identity {
    #[inline(always)]
    unsafe fn value<S: Simd>(self, x: S::V) -> S::V {
        x
    }

    #[inline(always)]
    unsafe fn slope<S: Simd>(self, _: S::V) -> S::V {
        // SAFETY: as of the trait.
        unsafe { S::splat(1.0) }
    }

    #[inline(always)]
    unsafe fn pass<S: Simd>(self, _: S::V, dy: S::V) -> S::V {
        dy
    }
}

#[derive(Clone, Copy)]
pub(crate) struct Relu;

impl Function for Relu {
    #[inline(always)]
    unsafe fn value<S: Simd>(self, x: S::V) -> S::V {
        // SAFETY: as of the trait.
        unsafe { S::relu(x) }
    }

    #[inline(always)]
    unsafe fn slope<S: Simd>(self, x: S::V) -> S::V {
        // SAFETY: as of the trait.
        unsafe { self.pass::<S>(x, S::splat(1.0)) }
    }

    #[inline(always)]
    unsafe fn pass<S: Simd>(self, x: S::V, dy: S::V) -> S::V {
        // SAFETY: as of the trait.
        unsafe { S::gate(dy, x) }
    }
}

/// min(max(0, x), 6); NaN stays NaN.
///
/// # Safety
/// The processor has `S`.
#[inline(always)]
unsafe fn to_six<S: Simd>(x: S::V) -> S::V {
    // SAFETY: as of this function. Where one of both is NaN, `min` gives the second.
    unsafe { S::min(S::splat(6.0), S::relu(x)) }
}

/// `v` where `low` < x < `high`, zero elsewhere and where x is NaN.
///
/// # Safety
/// The processor has `S`.
#[inline(always)]
unsafe fn between<S: Simd>(x: S::V, low: f32, high: f32, v: S::V) -> S::V {
    // SAFETY: as of this function. A difference is zero only where both are equal.
    unsafe {
        let above = S::gate(v, S::sub(x, S::splat(low)));
        S::same(x, x, S::gate(above, S::sub(S::splat(high), x)))
    }
}

#[derive(Clone, Copy)]
pub(crate) struct Relu6;

impl Function for Relu6 {
    #[inline(always)]
    unsafe fn value<S: Simd>(self, x: S::V) -> S::V {
        // SAFETY: as of the trait.
        unsafe { to_six::<S>(x) }
    }

    #[inline(always)]
    unsafe fn slope<S: Simd>(self, x: S::V) -> S::V {
        // SAFETY: as of the trait.
        unsafe { self.pass::<S>(x, S::splat(1.0)) }
    }

    #[inline(always)]
    unsafe fn pass<S: Simd>(self, x: S::V, dy: S::V) -> S::V {
        // SAFETY: as of the trait.
        unsafe { between::<S>(x, 0.0, 6.0, dy) }
    }
}

#[derive(Clone, Copy)]
pub(crate) struct Hardsigmoid;

impl Function for Hardsigmoid {
    #[inline(always)]
    unsafe fn value<S: Simd>(self, x: S::V) -> S::V {
        // SAFETY: as of the trait.
        unsafe {
            let x = S::add(x, S::splat(3.0));
            S::mul(to_six::<S>(x), S::splat(1.0 / 6.0))
        }
    }

    #[inline(always)]
    unsafe fn slope<S: Simd>(self, x: S::V) -> S::V {
        // SAFETY: as of the trait.
        unsafe { self.pass::<S>(x, S::splat(1.0)) }
    }

    #[inline(always)]
    unsafe fn pass<S: Simd>(self, x: S::V, dy: S::V) -> S::V {
        // SAFETY: as of the trait.
        unsafe { between::<S>(x, -3.0, 3.0, S::mul(dy, S::splat(1.0 / 6.0))) }
    }
}

#[derive(Clone, Copy)]
pub(crate) struct Hardswish;

impl Function for Hardswish {
    #[inline(always)]
    unsafe fn value<S: Simd>(self, x: S::V) -> S::V {
        // SAFETY: as of the trait.
        unsafe {
            let share = to_six::<S>(S::add(x, S::splat(3.0)));
            S::mul(S::mul(x, share), S::splat(1.0 / 6.0))
        }
    }

    #[inline(always)]
    unsafe fn slope<S: Simd>(self, x: S::V) -> S::V {
        // SAFETY: as of the trait.
        unsafe { self.pass::<S>(x, S::splat(1.0)) }
    }

    #[inline(always)]
    unsafe fn pass<S: Simd>(self, x: S::V, dy: S::V) -> S::V {
        // SAFETY: as of the trait.
        unsafe {
            let three = S::splat(3.0);
            let slope = S::fma(x, S::splat(1.0 / 3.0), S::splat(0.5));
            let inside = S::above(S::sub(three, x), S::mul(dy, slope), dy);
            S::above(S::add(x, three), inside, S::splat(0.0))
        }
    }
}

/// -|x|; NaN stays NaN.
///
/// # Safety
/// The processor has `S`.
#[inline(always)]
unsafe fn minus_magnitude<S: Simd>(x: S::V) -> S::V {
    // SAFETY: as of this function.
    unsafe {
        let zero = S::splat(0.0);
        S::sub(zero, S::max(S::sub(zero, x), x))
    }
}

#[derive(Clone, Copy)]
pub(crate) struct LeakyRelu(pub(crate) f32);

impl Function for LeakyRelu {
    #[inline(always)]
    unsafe fn value<S: Simd>(self, x: S::V) -> S::V {
        // SAFETY: as of the trait.
        unsafe { S::above(x, x, S::mul(x, S::splat(self.0))) }
    }

    #[inline(always)]
    unsafe fn slope<S: Simd>(self, x: S::V) -> S::V {
        // SAFETY: as of the trait.
        unsafe { S::above(x, S::splat(1.0), S::splat(self.0)) }
    }
}

#[derive(Clone, Copy)]
pub(crate) struct Elu;

impl Function for Elu {
    #[inline(always)]
    unsafe fn value<S: Simd>(self, x: S::V) -> S::V {
        // SAFETY: as of the trait.
        unsafe { S::above(x, x, exp_minus_one::<S>(minus_magnitude::<S>(x))) }
    }

    #[inline(always)]
    unsafe fn slope<S: Simd>(self, x: S::V) -> S::V {
        // SAFETY: as of the trait.
        unsafe { S::above(x, S::splat(1.0), exp::<S>(minus_magnitude::<S>(x))) }
    }
}

#[derive(Clone, Copy)]
pub(crate) struct Gelu;

impl Gelu {
    /// Coefficients of Φ(-|x|) / exp(-x²/2) as a polynomial in t = 1 / (1 + |x|/4), highest power
    /// first and accurate to 1e-8. There is no constant term, because the quotient falls as 1/|x| does.
    const TAIL: [f32; 10] = [
        1.717_727e-2,
        -6.611_966e-2,
        5.969_412e-2,
        1.738_347_5e-2,
        2.221_406_3e-2,
        8.136_699e-2,
        7.390_284e-2,
        9.508_957e-2,
        9.954_635e-2,
        9.974_499e-2,
    ];

    /// Φ(-|x|) and exp(-x²/2).
    ///
    /// # Safety
    /// The processor has `S`.
    #[inline(always)]
    unsafe fn tail<S: Simd>(x: S::V) -> (S::V, S::V) {
        // SAFETY: as of this function.
        unsafe {
            let one = S::splat(1.0);
            let e = exp::<S>(S::mul(S::mul(x, x), S::splat(-0.5)));
            let t = S::div(one, S::fma(minus_magnitude::<S>(x), S::splat(-0.25), one));
            let mut p = S::splat(Self::TAIL[0]);
            for term in &Self::TAIL[1..] {
                p = S::fma(p, t, S::splat(*term));
            }
            (S::mul(S::mul(p, t), e), e)
        }
    }

    /// Φ(x), given Φ(-|x|).
    ///
    /// # Safety
    /// The processor has `S`.
    #[inline(always)]
    unsafe fn share<S: Simd>(x: S::V, tail: S::V) -> S::V {
        // SAFETY: as of this function.
        unsafe { S::above(x, S::sub(S::splat(1.0), tail), tail) }
    }
}

impl Function for Gelu {
    #[inline(always)]
    unsafe fn value<S: Simd>(self, x: S::V) -> S::V {
        // SAFETY: as of the trait.
        unsafe {
            let (tail, _) = Self::tail::<S>(x);
            S::mul(x, Self::share::<S>(x, tail))
        }
    }

    #[inline(always)]
    unsafe fn slope<S: Simd>(self, x: S::V) -> S::V {
        /// 1 / √(2π).
        const DENSITY: f32 = 0.398_942_3;
        // SAFETY: as of the trait.
        unsafe {
            let (tail, e) = Self::tail::<S>(x);
            S::fma(S::mul(x, S::splat(DENSITY)), e, Self::share::<S>(x, tail))
        }
    }
}

#[derive(Clone, Copy)]
pub(crate) struct Sigmoid;

impl Sigmoid {
    /// σ(|x|) and σ(-|x|).
    ///
    /// # Safety
    /// The processor has `S`.
    #[inline(always)]
    unsafe fn both<S: Simd>(x: S::V) -> (S::V, S::V) {
        // SAFETY: as of this function.
        unsafe {
            let e = exp::<S>(minus_magnitude::<S>(x));
            let one = S::splat(1.0);
            let large = S::div(one, S::add(one, e));
            (large, S::mul(e, large))
        }
    }
}

impl Function for Sigmoid {
    #[inline(always)]
    unsafe fn value<S: Simd>(self, x: S::V) -> S::V {
        // SAFETY: as of the trait.
        unsafe {
            let (large, small) = Self::both::<S>(x);
            S::above(x, large, small)
        }
    }

    #[inline(always)]
    unsafe fn slope<S: Simd>(self, x: S::V) -> S::V {
        // SAFETY: as of the trait.
        unsafe {
            let (large, small) = Self::both::<S>(x);
            S::mul(large, small)
        }
    }
}

#[derive(Clone, Copy)]
pub(crate) struct Silu;

impl Function for Silu {
    #[inline(always)]
    unsafe fn value<S: Simd>(self, x: S::V) -> S::V {
        // SAFETY: as of the trait.
        unsafe { S::mul(x, Sigmoid.value::<S>(x)) }
    }

    #[inline(always)]
    unsafe fn slope<S: Simd>(self, x: S::V) -> S::V {
        // SAFETY: as of the trait.
        unsafe {
            let (large, small) = Sigmoid::both::<S>(x);
            let own = S::above(x, large, small);
            // σ + x · σ · (1 - σ), where σ · (1 - σ) is the same on both sides.
            S::fma(x, S::mul(large, small), own)
        }
    }
}

#[derive(Clone, Copy)]
pub(crate) struct Tanh;

impl Function for Tanh {
    #[inline(always)]
    unsafe fn value<S: Simd>(self, x: S::V) -> S::V {
        // SAFETY: as of the trait.
        unsafe {
            let two = S::splat(2.0);
            let m = exp_minus_one::<S>(S::mul(minus_magnitude::<S>(x), two));
            let minus = S::div(m, S::add(two, m));
            S::above(x, S::sub(S::splat(0.0), minus), minus)
        }
    }

    #[inline(always)]
    unsafe fn slope<S: Simd>(self, x: S::V) -> S::V {
        // SAFETY: as of the trait.
        unsafe {
            let (large, small) = Sigmoid::both::<S>(S::mul(x, S::splat(2.0)));
            S::mul(S::splat(4.0), S::mul(large, small))
        }
    }
}
