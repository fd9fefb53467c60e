//! The rectifier and sums, over slices of any shape.
//!
//! A rectifier remembers one bit for each element instead of its input: bit `i % 32` of word
//! `i / 32` says that the gradient passes element `i`, which is where the input is above zero or
//! NaN, as in PyTorch's `threshold_backward`.

pub(crate) mod flat;

use std::ops::Range;

use crate::simd::{Simd, Task, Vectors};
use crate::threads::Shared;
use flat::{First, Part, Source, Step, Whole, parts, walk};

/// Elements for which there is one word of bits.
const WORD: usize = u32::BITS as usize;

/// max(0, x), and the bits. NaN stays NaN.
///
/// # Shapes
/// `[len]` to `[len]` and `[len / 32]`, rounded up.
#[must_use]
pub fn relu(x: &[f32]) -> (Vec<f32>, Vec<u32>) {
    rectified(x, None)
}

/// max(0, a + b), and the bits.
///
/// # Shapes
/// Two of `[len]` to `[len]` and `[len / 32]`, rounded up.
///
/// # Panics
/// When the slices differ in length.
#[must_use]
pub fn add_relu(a: &[f32], b: &[f32]) -> (Vec<f32>, Vec<u32>) {
    assert_eq!(a.len(), b.len(), "add_relu: slices of the same length");
    rectified(a, Some(b))
}

/// max(0, x) in place.
pub fn relu_in_place(x: &mut [f32]) {
    let (len, to, vectors) = (x.len(), Shared::new(x), Vectors::in_use());
    parts(len, 1, |part| {
        // SAFETY: the parts are disjoint and lie in `x`.
        unsafe {
            let to = to.pointer().add(part.start);
            vectors.dispatch(Flat(Relu { to }, part.len()));
        }
    });
}

/// The rectifier's gradient: `dy` where the bit is set, zero elsewhere.
///
/// # Shapes
/// `[len]` and `[len / 32]`, rounded up, to `[len]`.
///
/// # Panics
/// When there is not one bit for each element.
#[must_use]
pub fn relu_grad(dy: &[f32], bits: &[u32]) -> Vec<f32> {
    gated(dy, bits, None)
}

/// a + b.
///
/// # Panics
/// When the slices differ in length.
#[must_use]
pub fn add(a: &[f32], b: &[f32]) -> Vec<f32> {
    assert_eq!(a.len(), b.len(), "add: slices of the same length");
    let mut out = Vec::with_capacity(a.len());
    let to = Shared::new(out.spare_capacity_mut());
    let (from_a, from_b, vectors) = (Source::new(a), Source::new(b), Vectors::in_use());
    parts(a.len(), 1, |part| {
        // SAFETY: the parts are disjoint and lie in all three.
        unsafe {
            let a = from_a.pointer().add(part.start);
            let b = from_b.pointer().add(part.start);
            let to = to.pointer().cast::<f32>().add(part.start);
            vectors.dispatch(Flat(Add { a, b, to }, part.len()));
        }
    });
    // SAFETY: the parts cover all of it.
    unsafe { out.set_len(a.len()) };
    out
}

/// a += b.
///
/// # Panics
/// When the slices differ in length.
pub fn add_into(a: &mut [f32], b: &[f32]) {
    assert_eq!(a.len(), b.len(), "add_into: slices of the same length");
    let (len, to, from) = (a.len(), Shared::new(a), Source::new(b));
    let vectors = Vectors::in_use();
    parts(len, 1, |part| {
        // SAFETY: the parts are disjoint and lie in both; `a` is borrowed mutably, so `b` is
        // elsewhere, and an element of `a` is read before it is written.
        unsafe {
            let to = to.pointer().add(part.start);
            let b = from.pointer().add(part.start);
            vectors.dispatch(Flat(Add { a: to, b, to }, part.len()));
        }
    });
}

/// A step over all of so many elements.
pub(crate) struct Flat<T>(pub(crate) T, pub(crate) usize);

impl<T: Step> Task for Flat<T> {
    type Output = ();
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        // SAFETY: whoever made this vouches for the elements.
        unsafe { walk::<S, T>(&self.0, 0, self.1) }
    }
}

struct Relu {
    to: *mut f32,
}

impl Step for Relu {
    #[inline(always)]
    unsafe fn step<S: Simd, P: Part>(&self, at: usize, _: usize, part: P) {
        // SAFETY: as of the trait.
        unsafe {
            let v = part.load::<S>(self.to.add(at));
            part.store::<S>(self.to.add(at), S::relu(v));
        }
    }
}

struct Add {
    a: *const f32,
    b: *const f32,
    to: *mut f32,
}

impl Step for Add {
    #[inline(always)]
    unsafe fn step<S: Simd, P: Part>(&self, at: usize, _: usize, part: P) {
        // SAFETY: as of the trait.
        unsafe {
            let sum = S::add(
                part.load::<S>(self.a.add(at)),
                part.load::<S>(self.b.add(at)),
            );
            part.store::<S>(self.to.add(at), sum);
        }
    }
}

/// max(0, a + b?) and the bits.
fn rectified(a: &[f32], b: Option<&[f32]>) -> (Vec<f32>, Vec<u32>) {
    let (words, vectors) = (a.len().div_ceil(WORD), Vectors::in_use());
    let (mut out, mut bits) = (Vec::with_capacity(a.len()), Vec::with_capacity(words));
    let (to, to_bits) = (
        Shared::new(out.spare_capacity_mut()),
        Shared::new(bits.spare_capacity_mut()),
    );
    parts(words, WORD, |words| {
        let range = elements(&words, a.len());
        // SAFETY: the parts are disjoint and lie in the results.
        let (to, bits) = unsafe {
            (
                to.pointer().cast::<f32>().add(range.start),
                to_bits.pointer().cast::<u32>().add(words.start),
            )
        };
        let part = &a[range.clone()];
        match b {
            Some(b) => vectors.dispatch(Rectify::<true>(part, &b[range], to, bits)),
            None => vectors.dispatch(Rectify::<false>(part, &[], to, bits)),
        }
    });
    // SAFETY: the parts cover all of both.
    unsafe {
        out.set_len(a.len());
        bits.set_len(words);
    }
    (out, bits)
}

/// The elements of these words.
fn elements(words: &Range<usize>, len: usize) -> Range<usize> {
    words.start * WORD..len.min(words.end * WORD)
}

/// Writes max(0, a + b?) and the bits; both results have room for all of `a`.
struct Rectify<'a, const SUM: bool>(&'a [f32], &'a [f32], *mut f32, *mut u32);

impl<const SUM: bool> Rectify<'_, SUM> {
    /// # Safety
    /// The lanes exist at `at`, and the processor has `S`.
    #[inline(always)]
    unsafe fn vector<S: Simd, P: Part>(&self, at: usize, part: P) -> u32 {
        // SAFETY: as of this function.
        unsafe {
            let mut v = part.load::<S>(self.0.as_ptr().add(at));
            if SUM {
                v = S::add(v, part.load::<S>(self.1.as_ptr().add(at)));
            }
            part.store::<S>(self.2.add(at), S::relu(v));
            S::passes(v)
        }
    }
}

impl<const SUM: bool> Task for Rectify<'_, SUM> {
    type Output = ();
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let len = self.0.len();
        let mut at = 0;
        // SAFETY: every vector lies inside `a`, so inside `b` and the results.
        unsafe {
            while at + WORD <= len {
                let mut bits = 0;
                for lane in (0..WORD).step_by(S::LANES) {
                    bits |= self.vector::<S, _>(at + lane, Whole) << lane;
                }
                self.3.add(at / WORD).write(bits);
                at += WORD;
            }
            if at < len {
                let mut bits = 0;
                for lane in (0..len - at).step_by(S::LANES) {
                    let part = First(S::LANES.min(len - at - lane));
                    bits |= self.vector::<S, _>(at + lane, part) << lane;
                }
                self.3.add(at / WORD).write(bits);
            }
        }
    }
}

/// `dy` where the bit is set; or with a scale dy · (scale or 0), which keeps NaN.
pub(crate) fn gated(dy: &[f32], bits: &[u32], scale: Option<f32>) -> Vec<f32> {
    let words = dy.len().div_ceil(WORD);
    assert_eq!(bits.len(), words, "words with a bit for each element");
    let vectors = Vectors::in_use();
    let mut out = Vec::with_capacity(dy.len());
    let to = Shared::new(out.spare_capacity_mut());
    parts(words, WORD, |words| {
        let range = elements(&words, dy.len());
        // SAFETY: the parts are disjoint and lie in the result.
        let to = unsafe { to.pointer().cast::<f32>().add(range.start) };
        match scale {
            Some(scale) => vectors.dispatch(Gate::<true>(&dy[range], &bits[words], scale, to)),
            None => vectors.dispatch(Gate::<false>(&dy[range], &bits[words], 1.0, to)),
        }
    });
    // SAFETY: the parts cover all of it.
    unsafe { out.set_len(dy.len()) };
    out
}

/// Writes `dy` where the bit is set; the result has room for all of it.
struct Gate<'a, const SCALE: bool>(&'a [f32], &'a [u32], f32, *mut f32);

impl<const SCALE: bool> Gate<'_, SCALE> {
    /// # Safety
    /// The lanes exist at `at`, and the processor has `S`.
    #[inline(always)]
    unsafe fn vector<S: Simd, P: Part>(&self, at: usize, bits: u32, part: P) {
        // SAFETY: as of this function.
        unsafe {
            let v = part.load::<S>(self.0.as_ptr().add(at));
            let v = if SCALE {
                S::mul(v, S::keep(S::splat(self.2), bits))
            } else {
                S::keep(v, bits)
            };
            part.store::<S>(self.3.add(at), v);
        }
    }
}

impl<const SCALE: bool> Task for Gate<'_, SCALE> {
    type Output = ();
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let len = self.0.len();
        for (index, bits) in self.1.iter().enumerate() {
            let at = index * WORD;
            // SAFETY: every vector lies inside `dy`, so inside the result.
            unsafe {
                if at + WORD <= len {
                    for lane in (0..WORD).step_by(S::LANES) {
                        self.vector::<S, _>(at + lane, bits >> lane, Whole);
                    }
                } else {
                    for lane in (0..len - at).step_by(S::LANES) {
                        let part = First(S::LANES.min(len - at - lane));
                        self.vector::<S, _>(at + lane, bits >> lane, part);
                    }
                }
            }
        }
    }
}
