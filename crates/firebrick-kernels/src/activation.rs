//! Activation functions and their gradients, over slices of any shape. The rectifier has its own
//! kernels, in [`crate::elementwise`].
//!
//! Values and slopes are PyTorch's, also at a kink, and accurate to a few units in the last place of
//! f32, in the tails too. Φ is the distribution function of the normal distribution and φ its density:
//!
//! | function | value | slope |
//! |---|---|---|
//! | leaky rectifier | x > 0: x, else s · x | x > 0: 1, else s |
//! | ELU | x > 0: x, else eˣ - 1 | x > 0: 1, else eˣ |
//! | GELU, the exact form | x · Φ(x) | Φ(x) + x · φ(x) |
//! | SiLU | x · σ(x) | σ(x) · (1 + x · (1 - σ(x))) |
//! | tanh | tanh x | 1 - tanh² x |
//! | sigmoid | σ(x) = 1 / (1 + e⁻ˣ) | σ(x) · (1 - σ(x)) |

use crate::elementwise::Flat;
use crate::elementwise::flat::{Part, Source, Step, parts};
use crate::exponential::{exp, exp_minus_one};
use crate::simd::{Simd, Vectors};
use crate::threads::Shared;

/// An activation function.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Activation {
    /// x above zero, else this times x.
    LeakyRelu(f64),
    /// x above zero, else eˣ - 1.
    Elu,
    /// x · Φ(x), the exact form.
    Gelu,
    /// x · sigmoid(x).
    Silu,
    /// Hyperbolic tangent.
    Tanh,
    /// 1 / (1 + e⁻ˣ).
    Sigmoid,
}

/// Calls `$work` with the type that computes `$activation` bound to `$function`.
macro_rules! with_function {
    ($activation:expr, |$function:ident| $work:expr) => {
        match $activation {
            Activation::LeakyRelu(slope) => {
                let $function = LeakyRelu(slope as f32);
                $work
            }
            Activation::Elu => {
                let $function = Elu;
                $work
            }
            Activation::Gelu => {
                let $function = Gelu;
                $work
            }
            Activation::Silu => {
                let $function = Silu;
                $work
            }
            Activation::Tanh => {
                let $function = Tanh;
                $work
            }
            Activation::Sigmoid => {
                let $function = Sigmoid;
                $work
            }
        }
    };
}

/// The function of every element.
#[must_use]
pub fn forward(activation: Activation, x: &[f32]) -> Vec<f32> {
    let mut out = Vec::with_capacity(x.len());
    let to = Shared::new(out.spare_capacity_mut());
    let (from, vectors) = (Source::new(x), Vectors::in_use());
    parts(x.len(), COST, |part| {
        // SAFETY: the parts are disjoint and lie in both.
        unsafe {
            let from = from.pointer().add(part.start);
            let to = to.pointer().cast::<f32>().add(part.start);
            with_function!(activation, |function| vectors
                .dispatch(Flat(Values { function, from, to }, part.len())));
        }
    });
    // SAFETY: the parts cover all of it.
    unsafe { out.set_len(x.len()) };
    out
}

/// [`forward`] in place.
pub fn forward_in_place(activation: Activation, x: &mut [f32]) {
    let (len, to, vectors) = (x.len(), Shared::new(x), Vectors::in_use());
    parts(len, COST, |part| {
        // SAFETY: the parts are disjoint and lie in `x`, and an element is read before it is written.
        unsafe {
            let to = to.pointer().add(part.start);
            with_function!(activation, |function| vectors.dispatch(Flat(
                Values {
                    function,
                    from: to,
                    to
                },
                part.len()
            )));
        }
    });
}

/// The gradient with respect to the input, from the input and the gradient with respect to the output.
///
/// # Shapes
/// Two of `[len]` to `[len]`.
///
/// # Panics
/// When the slices differ in length.
#[must_use]
pub fn backward(activation: Activation, x: &[f32], dy: &[f32]) -> Vec<f32> {
    assert_eq!(x.len(), dy.len(), "activation: slices of the same length");
    let mut out = Vec::with_capacity(x.len());
    let to = Shared::new(out.spare_capacity_mut());
    let (from, gradient, vectors) = (Source::new(x), Source::new(dy), Vectors::in_use());
    parts(x.len(), COST, |part| {
        // SAFETY: the parts are disjoint and lie in all three.
        unsafe {
            let x = from.pointer().add(part.start);
            let dy = gradient.pointer().add(part.start);
            let to = to.pointer().cast::<f32>().add(part.start);
            with_function!(activation, |function| vectors.dispatch(Flat(
                Slopes {
                    function,
                    x,
                    dy,
                    to
                },
                part.len()
            )));
        }
    });
    // SAFETY: the parts cover all of it.
    unsafe { out.set_len(x.len()) };
    out
}

/// The work for one element, relative to one that is only copied.
const COST: usize = 4;

/// One function of vectors.
trait Function: Copy {
    /// # Safety
    /// The processor has `S`.
    unsafe fn value<S: Simd>(self, x: S::V) -> S::V;

    /// # Safety
    /// The processor has `S`.
    unsafe fn slope<S: Simd>(self, x: S::V) -> S::V;
}

struct Values<F> {
    function: F,
    from: *const f32,
    to: *mut f32,
}

impl<F: Function> Step for Values<F> {
    #[inline(always)]
    unsafe fn step<S: Simd, P: Part>(&self, at: usize, _: usize, part: P) {
        // SAFETY: as of the trait.
        unsafe {
            let x = part.load::<S>(self.from.add(at));
            part.store::<S>(self.to.add(at), self.function.value::<S>(x));
        }
    }
}

struct Slopes<F> {
    function: F,
    x: *const f32,
    dy: *const f32,
    to: *mut f32,
}

impl<F: Function> Step for Slopes<F> {
    #[inline(always)]
    unsafe fn step<S: Simd, P: Part>(&self, at: usize, _: usize, part: P) {
        // SAFETY: as of the trait.
        unsafe {
            let slope = self.function.slope::<S>(part.load::<S>(self.x.add(at)));
            let dy = part.load::<S>(self.dy.add(at));
            part.store::<S>(self.to.add(at), S::mul(dy, slope));
        }
    }
}

/// `above` where x is above zero or NaN, `else_` elsewhere.
///
/// # Safety
/// The processor has `S`.
#[inline(always)]
unsafe fn choose<S: Simd>(x: S::V, above: S::V, else_: S::V) -> S::V {
    // SAFETY: as of this function.
    unsafe {
        let bits = S::passes(x);
        S::add(S::keep(above, bits), S::keep(else_, !bits))
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
struct LeakyRelu(f32);

impl Function for LeakyRelu {
    #[inline(always)]
    unsafe fn value<S: Simd>(self, x: S::V) -> S::V {
        // SAFETY: as of the trait.
        unsafe { choose::<S>(x, x, S::mul(x, S::splat(self.0))) }
    }

    #[inline(always)]
    unsafe fn slope<S: Simd>(self, x: S::V) -> S::V {
        // SAFETY: as of the trait.
        unsafe { choose::<S>(x, S::splat(1.0), S::splat(self.0)) }
    }
}

#[derive(Clone, Copy)]
struct Elu;

impl Function for Elu {
    #[inline(always)]
    unsafe fn value<S: Simd>(self, x: S::V) -> S::V {
        // SAFETY: as of the trait.
        unsafe { choose::<S>(x, x, exp_minus_one::<S>(minus_magnitude::<S>(x))) }
    }

    #[inline(always)]
    unsafe fn slope<S: Simd>(self, x: S::V) -> S::V {
        // SAFETY: as of the trait.
        unsafe { choose::<S>(x, S::splat(1.0), exp::<S>(minus_magnitude::<S>(x))) }
    }
}

#[derive(Clone, Copy)]
struct Gelu;

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
        unsafe { choose::<S>(x, S::sub(S::splat(1.0), tail), tail) }
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
struct Sigmoid;

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
            choose::<S>(x, large, small)
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
struct Silu;

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
            let own = choose::<S>(x, large, small);
            // σ + x · σ · (1 - σ), where σ · (1 - σ) is the same on both sides.
            S::fma(x, S::mul(large, small), own)
        }
    }
}

#[derive(Clone, Copy)]
struct Tanh;

impl Function for Tanh {
    #[inline(always)]
    unsafe fn value<S: Simd>(self, x: S::V) -> S::V {
        // SAFETY: as of the trait.
        unsafe {
            let two = S::splat(2.0);
            let m = exp_minus_one::<S>(S::mul(minus_magnitude::<S>(x), two));
            let minus = S::div(m, S::add(two, m));
            choose::<S>(x, S::sub(S::splat(0.0), minus), minus)
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
