//! Local response normalization across the channels of channels-last images.
//!
//! Source: Krizhevsky, Sutskever and Hinton, "ImageNet Classification with Deep Convolutional Neural Networks", NIPS 2012,
//! section 3.3, in PyTorch's form. With W(c) the channels from c - size/2 to c + (size - 1)/2 that there are:
//!
//! ```text
//! d[c]  = k + alpha / size · Σ x[j]² over j in W(c)
//! y[c]  = x[c] · d[c]^-beta
//! dx[j] = dy[j] · d[j]^-beta - 2 · alpha · beta / size · x[j] · Σ dy[c] · x[c] · d[c]^(-beta - 1) over c with j in W(c)
//! ```

use crate::elementwise::flat::{First, Part, Whole, parts};
use crate::output::written;
use crate::scratch;
use crate::simd::{Simd, Task, Vectors};
use crate::threads::Shared;

/// The constants of the normalization.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Response {
    /// Channels of a neighbourhood, at least 1.
    pub size: usize,
    /// Factor of the mean of squares.
    pub alpha: f64,
    /// Exponent of the divisor.
    pub beta: f64,
    /// Added to the mean of squares.
    pub k: f64,
}

/// The normalized images.
///
/// # Shapes
/// `[pixels, channels]` to the same.
///
/// # Panics
/// When the pixels are not whole, or `size` is 0.
#[must_use]
pub fn forward(x: &[f32], channels: usize, response: Response) -> Vec<f32> {
    run::<false>(x, &[], channels, response)
}

/// The gradient of [`forward`].
///
/// # Shapes
/// Two of `[pixels, channels]`, to the same.
///
/// # Panics
/// When the pixels are not whole, `dy` differs from `x` in length, or `size` is 0.
#[must_use]
pub fn backward(x: &[f32], channels: usize, response: Response, dy: &[f32]) -> Vec<f32> {
    assert_eq!(dy.len(), x.len(), "local response norm: dy like x");
    run::<true>(x, dy, channels, response)
}

fn run<const GRADIENT: bool>(
    x: &[f32],
    dy: &[f32],
    channels: usize,
    response: Response,
) -> Vec<f32> {
    assert!(channels > 0, "local response norm: at least one channel");
    assert!(
        response.size > 0,
        "local response norm: a size of at least 1"
    );
    assert_eq!(x.len() % channels, 0, "local response norm: whole pixels");
    let vectors = Vectors::in_use();
    // A larger neighbourhood has no more channels than there are on either side.
    let [before, after] = [response.size / 2, (response.size - 1) / 2];
    let [before, after] = [before, after].map(|side| side.min(channels));
    let room = before + channels + after + vectors.lanes();
    // SAFETY: the parts cover all pixels.
    unsafe {
        written(x.len(), |to: *mut f32| {
            let to = Shared::at(to);
            parts(x.len() / channels, channels * 8, |part| {
                let range = part.start * channels..part.end * channels;
                scratch::with(3 * room, |buffer| {
                    buffer.fill(0.0);
                    let (squares, rest) = buffer.split_at_mut(room);
                    let (products, powers) = rest.split_at_mut(room);
                    vectors.dispatch(Pixels::<GRADIENT> {
                        x: &x[range.clone()],
                        dy: if GRADIENT { &dy[range.clone()] } else { &[] },
                        channels,
                        sides: [before, after],
                        response,
                        power: Power::of(response.beta),
                        squares,
                        products,
                        powers,
                        // SAFETY: the parts are disjoint and lie in the result.
                        to: to.pointer().add(range.start),
                    });
                });
            });
        })
    }
}

/// How d^-beta is computed.
#[derive(Clone, Copy)]
enum Power {
    Half,
    ThreeQuarters,
    One,
    Any(f32),
}

impl Power {
    fn of(beta: f64) -> Self {
        match beta {
            0.5 => Self::Half,
            0.75 => Self::ThreeQuarters,
            1.0 => Self::One,
            beta => Self::Any(-beta as f32),
        }
    }

    /// d^-beta.
    ///
    /// # Safety
    /// The processor has `S`.
    #[inline(always)]
    unsafe fn inverse<S: Simd>(self, d: S::V) -> S::V {
        // SAFETY: as of this function.
        unsafe {
            let one = S::splat(1.0);
            match self {
                Self::Half => S::div(one, S::sqrt(d)),
                Self::ThreeQuarters => {
                    let root = S::sqrt(d);
                    S::div(one, S::mul(root, S::sqrt(root)))
                }
                Self::One => S::div(one, d),
                Self::Any(exponent) => {
                    let mut lanes = [0.0_f32; 16];
                    S::store(lanes.as_mut_ptr(), d);
                    for lane in &mut lanes[..S::LANES] {
                        *lane = lane.powf(exponent);
                    }
                    S::load(lanes.as_ptr())
                }
            }
        }
    }
}

/// Some pixels. The buffers have room for the channels, those on both sides and a vector, and are zero; `to` has room for
/// all of `x`, and `dy` is as long where there is a gradient.
struct Pixels<'a, const GRADIENT: bool> {
    x: &'a [f32],
    dy: &'a [f32],
    channels: usize,
    /// Channels of a neighbourhood before and after its own.
    sides: [usize; 2],
    response: Response,
    power: Power,
    /// x² from `sides[0]` on.
    squares: &'a mut [f32],
    /// dy · x · d^(-beta - 1) from `sides[1]` on: the neighbourhoods that a channel is in lie the other way round.
    products: &'a mut [f32],
    /// d^-beta.
    powers: &'a mut [f32],
    to: *mut f32,
}

impl<const GRADIENT: bool> Task for Pixels<'_, GRADIENT> {
    type Output = ();
    #[inline(always)]
    unsafe fn run<S: Simd>(mut self) {
        let c = self.channels;
        for pixel in (0..self.x.len()).step_by(c) {
            // SAFETY: the channels lie in the slices and the result, and with both sides and a vector in the buffers.
            unsafe {
                for at in (0..c).step_by(S::LANES) {
                    let part = First(S::LANES.min(c - at));
                    let x = part.load::<S>(self.x.as_ptr().add(pixel + at));
                    let to = self.squares.as_mut_ptr().add(self.sides[0] + at);
                    part.store::<S>(to, S::mul(x, x));
                }
                for at in (0..c).step_by(S::LANES) {
                    if at + S::LANES <= c {
                        self.normalize::<S, _>(pixel, at, Whole);
                    } else {
                        self.normalize::<S, _>(pixel, at, First(c - at));
                    }
                }
                if GRADIENT {
                    for at in (0..c).step_by(S::LANES) {
                        if at + S::LANES <= c {
                            self.gradient::<S, _>(pixel, at, Whole);
                        } else {
                            self.gradient::<S, _>(pixel, at, First(c - at));
                        }
                    }
                }
            }
        }
    }
}

impl<const GRADIENT: bool> Pixels<'_, GRADIENT> {
    /// The values, or what the gradient is made of.
    ///
    /// # Safety
    /// The lanes that `part` means exist there, and the processor has `S`.
    #[inline(always)]
    unsafe fn normalize<S: Simd, P: Part>(&mut self, pixel: usize, at: usize, part: P) {
        let Response { size, alpha, k, .. } = self.response;
        // SAFETY: as of this function; behind the channels, the buffers have room for a vector.
        unsafe {
            let sum = self.neighbours::<S>(self.squares.as_ptr().add(at));
            let factor = S::splat((alpha / size as f64) as f32);
            let d = S::fma(sum, factor, S::splat(k as f32));
            let power = self.power.inverse::<S>(d);
            let x = part.load::<S>(self.x.as_ptr().add(pixel + at));
            if GRADIENT {
                let dy = part.load::<S>(self.dy.as_ptr().add(pixel + at));
                S::store(self.powers.as_mut_ptr().add(at), power);
                let product = S::div(S::mul(S::mul(dy, x), power), d);
                let to = self.products.as_mut_ptr().add(self.sides[1] + at);
                part.store::<S>(to, product);
            } else {
                part.store::<S>(self.to.add(pixel + at), S::mul(x, power));
            }
        }
    }

    /// # Safety
    /// As of [`Self::normalize`].
    #[inline(always)]
    unsafe fn gradient<S: Simd, P: Part>(&self, pixel: usize, at: usize, part: P) {
        let Response {
            size, alpha, beta, ..
        } = self.response;
        // SAFETY: as of this function.
        unsafe {
            let sum = self.neighbours::<S>(self.products.as_ptr().add(at));
            let factor = S::splat((-2.0 * alpha * beta / size as f64) as f32);
            let x = part.load::<S>(self.x.as_ptr().add(pixel + at));
            let dy = part.load::<S>(self.dy.as_ptr().add(pixel + at));
            let power = S::load(self.powers.as_ptr().add(at));
            let others = S::mul(S::mul(x, factor), sum);
            part.store::<S>(self.to.add(pixel + at), S::fma(dy, power, others));
        }
    }

    /// The sum of the neighbourhood that begins here.
    ///
    /// # Safety
    /// The neighbourhood and a vector lie behind the pointer, and the processor has `S`.
    #[inline(always)]
    unsafe fn neighbours<S: Simd>(&self, from: *const f32) -> S::V {
        // SAFETY: as of this function.
        unsafe {
            let mut sum = S::load(from);
            for place in 1..=self.sides[0] + self.sides[1] {
                sum = S::add(sum, S::load(from.add(place)));
            }
            sum
        }
    }
}
