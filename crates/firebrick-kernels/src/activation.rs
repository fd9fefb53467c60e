//! Activation functions and their gradients, over slices of any shape. On its own, the rectifier is quicker in
//! [`crate::elementwise`], which remembers a bit of each element.
//!
//! Values and slopes are PyTorch's, also at a kink, and accurate to a few units in the last place of
//! f32, in the tails too. Φ is the distribution function of the normal distribution and φ its density:
//!
//! | function | value | slope |
//! |---|---|---|
//! | rectifier | max(0, x) | x > 0: 1, else 0 |
//! | leaky rectifier | x > 0: x, else s · x | x > 0: 1, else s |
//! | ELU | x > 0: x, else eˣ - 1 | x > 0: 1, else eˣ |
//! | GELU, the exact form | x · Φ(x) | Φ(x) + x · φ(x) |
//! | SiLU | x · σ(x) | σ(x) · (1 + x · (1 - σ(x))) |
//! | tanh | tanh x | 1 - tanh² x |
//! | sigmoid | σ(x) = 1 / (1 + e⁻ˣ) | σ(x) · (1 - σ(x)) |
//! | ReLU6 | min(max(0, x), 6) | 0 < x < 6: 1, else 0 |
//! | hard sigmoid | relu6(x + 3) / 6 | -3 < x < 3: 1/6, else 0 |
//! | hard swish | x · relu6(x + 3) / 6 | x ≤ -3: 0; x < 3: x/3 + 1/2; else 1 |

pub(crate) mod function;

use crate::elementwise::Flat;
use crate::elementwise::flat::{Part, Source, Step, parts};
use crate::simd::{Simd, Task, Vectors};
use crate::threads::Shared;
use function::Function;

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
    /// max(0, x).
    Relu,
    /// min(max(0, x), 6).
    Relu6,
    /// relu6(x + 3) / 6.
    Hardsigmoid,
    /// x · relu6(x + 3) / 6.
    Hardswish,
}

/// Calls `$work` with the type that computes `$activation` bound to `$function`.
macro_rules! with_function {
    ($activation:expr, |$function:ident| $work:expr) => {{
        use function as of;
        match $activation {
            Activation::LeakyRelu(slope) => {
                let $function = of::LeakyRelu(slope as f32);
                $work
            }
            Activation::Elu => {
                let $function = of::Elu;
                $work
            }
            Activation::Gelu => {
                let $function = of::Gelu;
                $work
            }
            Activation::Silu => {
                let $function = of::Silu;
                $work
            }
            Activation::Tanh => {
                let $function = of::Tanh;
                $work
            }
            Activation::Sigmoid => {
                let $function = of::Sigmoid;
                $work
            }
            Activation::Relu => {
                let $function = of::Relu;
                $work
            }
            Activation::Relu6 => {
                let $function = of::Relu6;
                $work
            }
            Activation::Hardsigmoid => {
                let $function = of::Hardsigmoid;
                $work
            }
            Activation::Hardswish => {
                let $function = of::Hardswish;
                $work
            }
        }
    }};
}

/// Vectors that a kernel has at hand, to be replaced by the function of their elements.
pub(crate) struct AtHand {
    pub(crate) activation: Activation,
    pub(crate) first: *mut f32,
    pub(crate) vectors: usize,
}

impl Task for AtHand {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        with_function!(self.activation, |function| {
            for vector in 0..self.vectors {
                // SAFETY: as of this function; whoever made the task has these vectors.
                unsafe {
                    let at = self.first.add(vector * S::LANES);
                    S::store(at, function.value::<S>(S::load(at)));
                }
            }
        });
    }
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
    in_place(Vectors::in_use(), activation, x);
}

/// [`forward_in_place`] as part of an operation.
pub(crate) fn in_place(vectors: Vectors, activation: Activation, x: &mut [f32]) {
    let (len, to) = (x.len(), Shared::new(x));
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
            let x = part.load::<S>(self.x.add(at));
            let dy = part.load::<S>(self.dy.add(at));
            part.store::<S>(self.to.add(at), self.function.pass::<S>(x, dy));
        }
    }
}
