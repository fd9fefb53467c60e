//! Moves channels of channels-last images: side by side, a part of them, dealt out in turn.

use crate::elementwise::flat::{First, Part as _, Whole, parts};
use crate::output::written;
use crate::simd::{Simd, Task, Vectors};
use crate::threads::Shared;

/// Channels of each pixel, which may be a part of those that lie there.
#[derive(Debug, Clone, Copy)]
pub struct Channels<'a> {
    /// From the first channel of the first pixel on.
    pub values: &'a [f32],
    /// How many of each pixel.
    pub count: usize,
    /// Elements from one pixel to the next; 0 for the same channels at every pixel.
    pub stride: usize,
}

impl<'a> Channels<'a> {
    /// All channels of pixels that have so many.
    #[must_use]
    pub fn all(values: &'a [f32], count: usize) -> Self {
        Self {
            values,
            count,
            stride: count,
        }
    }

    /// # Panics
    /// When there are not so many pixels.
    fn check(&self, pixels: usize) {
        let needed = pixels.checked_sub(1).map_or(0, |last| {
            last.saturating_mul(self.stride).saturating_add(self.count)
        });
        assert!(
            self.values.len() >= needed,
            "channels: {} values are not {} channels of {pixels} pixels, {} apart",
            self.values.len(),
            self.count,
            self.stride
        );
    }
}

/// The channels of all of them, one after another at each pixel.
///
/// # Shapes
/// Each `[pixels, count]`, to `[pixels, Σ count]`.
///
/// # Panics
/// When one has fewer pixels.
#[must_use]
pub fn concat(sources: &[Channels<'_>], pixels: usize) -> Vec<f32> {
    sources.iter().for_each(|source| source.check(pixels));
    let width: usize = sources.iter().map(|source| source.count).sum();
    let vectors = Vectors::in_use();
    // SAFETY: the parts cover all pixels, the sources all channels.
    unsafe {
        written(pixels * width, |to: *mut f32| {
            let to = Shared::at(to);
            parts(pixels, width, |part| {
                let mut first = 0;
                for source in sources {
                    vectors.dispatch(Copy {
                        // SAFETY: the source has the channels of these pixels, and the result room for them.
                        from: source.values.as_ptr().add(part.start * source.stride),
                        to: to.pointer().add(part.start * width + first),
                        count: source.count,
                        strides: [source.stride, width],
                        pixels: part.len(),
                    });
                    first += source.count;
                }
            });
        })
    }
}

/// Channels `first..first + count` of pixels that have `channels`: the gradient of a part of [`concat()`].
///
/// # Panics
/// When there are no such channels, or the pixels are not whole.
#[must_use]
pub fn part(x: &[f32], channels: usize, first: usize, count: usize) -> Vec<f32> {
    assert!(
        channels > 0
            && x.len().is_multiple_of(channels)
            && first <= channels
            && count <= channels - first,
        "channels: {count} from {first} on, of {channels}"
    );
    let source = Channels {
        values: x.get(first..).unwrap_or_default(),
        count,
        stride: channels,
    };
    concat(&[source], x.len() / channels)
}

/// Copies `count` elements of each pixel; they exist on both sides.
struct Copy {
    from: *const f32,
    to: *mut f32,
    count: usize,
    /// Of source and result.
    strides: [usize; 2],
    pixels: usize,
}

impl Task for Copy {
    type Output = ();
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        for pixel in 0..self.pixels {
            // SAFETY: the elements exist on both sides.
            unsafe {
                let from = self.from.add(pixel * self.strides[0]);
                let to = self.to.add(pixel * self.strides[1]);
                let mut at = 0;
                while at + S::LANES <= self.count {
                    S::store(to.add(at), S::load(from.add(at)));
                    at += S::LANES;
                }
                if at < self.count {
                    let rest = First(self.count - at);
                    rest.store::<S>(to.add(at), rest.load::<S>(from.add(at)));
                }
            }
        }
    }
}

/// Channels of two in turn: a₀ b₀ a₁ b₁ … at each pixel, which is [`concat()`] and [`shuffle`] with two groups in one pass.
///
/// # Shapes
/// Two of `[pixels, count]`, to `[pixels, 2 · count]`.
///
/// # Panics
/// When they differ in channels, or have fewer pixels.
#[must_use]
pub fn interleave([a, b]: [Channels<'_>; 2], pixels: usize) -> Vec<f32> {
    assert_eq!(a.count, b.count, "channels: as many of both");
    a.check(pixels);
    b.check(pixels);
    let (count, vectors) = (a.count, Vectors::in_use());
    // SAFETY: the parts cover all pixels.
    unsafe {
        written(pixels * 2 * count, |to: *mut f32| {
            let to = Shared::at(to);
            parts(pixels, 2 * count, |part| {
                // SAFETY: the sources have the channels of these pixels, and the result room for them.
                vectors.dispatch(Interleave {
                    a: a.values.as_ptr().add(part.start * a.stride),
                    b: b.values.as_ptr().add(part.start * b.stride),
                    strides: [a.stride, b.stride],
                    to: to.pointer().add(part.start * 2 * count),
                    count,
                    pixels: part.len(),
                });
            });
        })
    }
}

/// `count` elements of each pixel of two in turn; they exist on both sides.
struct Interleave {
    a: *const f32,
    b: *const f32,
    strides: [usize; 2],
    to: *mut f32,
    count: usize,
    pixels: usize,
}

impl Task for Interleave {
    type Output = ();
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        for pixel in 0..self.pixels {
            // SAFETY: the elements exist on both sides.
            unsafe {
                let a = self.a.add(pixel * self.strides[0]);
                let b = self.b.add(pixel * self.strides[1]);
                let to = self.to.add(pixel * 2 * self.count);
                let mut at = 0;
                while at + S::LANES <= self.count {
                    let [first, second] = S::interleave(S::load(a.add(at)), S::load(b.add(at)));
                    Whole.store::<S>(to.add(2 * at), first);
                    Whole.store::<S>(to.add(2 * at + S::LANES), second);
                    at += S::LANES;
                }
                let rest = self.count - at;
                if rest > 0 {
                    let part = First(rest);
                    let [first, second] =
                        S::interleave(part.load::<S>(a.add(at)), part.load::<S>(b.add(at)));
                    let there = (2 * rest).min(S::LANES);
                    S::store_some(to.add(2 * at), first, there);
                    if 2 * rest > S::LANES {
                        let behind = to.add(2 * at + S::LANES);
                        First(2 * rest - S::LANES).store::<S>(behind, second);
                    }
                }
            }
        }
    }
}

/// The channels with even numbers and those with odd ones: undoes [`interleave`], and is its gradient.
///
/// # Shapes
/// `[pixels, channels]` to two of `[pixels, channels / 2]`.
///
/// # Panics
/// When the number of channels is odd or 0, or the pixels are not whole.
#[must_use]
pub fn deinterleave(x: &[f32], channels: usize) -> [Vec<f32>; 2] {
    assert!(
        channels > 0 && channels.is_multiple_of(2) && x.len().is_multiple_of(channels),
        "channels: {channels} in pairs"
    );
    let (half, pixels) = (channels / 2, x.len() / channels);
    let mut odd = Vec::new();
    // SAFETY: both halves are written at once.
    let even = unsafe {
        written(pixels * half, |even: *mut f32| {
            odd = written(pixels * half, |odd: *mut f32| {
                deal(x, channels, [even, odd], half);
            });
        })
    };
    [even, odd]
}

/// Writes the channels with even numbers to one place and those with odd ones to another, with this distance from pixel to
/// pixel.
///
/// # Safety
/// Both have room for half of the channels of every pixel, and `channels` is even and not 0.
unsafe fn deal(x: &[f32], channels: usize, [even, odd]: [*mut f32; 2], stride: usize) {
    let vectors = Vectors::in_use();
    let (even, odd) = (Shared::at(even), Shared::at(odd));
    parts(x.len() / channels, channels, |part| {
        vectors.dispatch(Deinterleave {
            x: &x[part.start * channels..part.end * channels],
            channels,
            // SAFETY: the parts are disjoint and lie in the results.
            even: unsafe { even.pointer().add(part.start * stride) },
            // SAFETY: as above.
            odd: unsafe { odd.pointer().add(part.start * stride) },
            stride,
        });
    });
}

/// Both results have room for their half of each pixel of `x`.
struct Deinterleave<'a> {
    x: &'a [f32],
    channels: usize,
    even: *mut f32,
    odd: *mut f32,
    stride: usize,
}

impl Task for Deinterleave<'_> {
    type Output = ();
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let half = self.channels / 2;
        for (pixel, x) in self.x.chunks_exact(self.channels).enumerate() {
            // SAFETY: the pixel has so many channels, and the results have room for them.
            unsafe {
                let x = x.as_ptr();
                let (even, odd) = (
                    self.even.add(pixel * self.stride),
                    self.odd.add(pixel * self.stride),
                );
                let mut at = 0;
                while at + S::LANES <= half {
                    let second = S::load(x.add(2 * at + S::LANES));
                    let [own, other] = S::deinterleave(S::load(x.add(2 * at)), second);
                    Whole.store::<S>(even.add(at), own);
                    Whole.store::<S>(odd.add(at), other);
                    at += S::LANES;
                }
                let rest = half - at;
                if rest > 0 {
                    let there = (2 * rest).min(S::LANES);
                    let first = S::load_some(x.add(2 * at), there);
                    let second = if 2 * rest > S::LANES {
                        First(2 * rest - S::LANES).load::<S>(x.add(2 * at + S::LANES))
                    } else {
                        S::splat(0.0)
                    };
                    let [own, other] = S::deinterleave(first, second);
                    First(rest).store::<S>(even.add(at), own);
                    First(rest).store::<S>(odd.add(at), other);
                }
            }
        }
    }
}

/// Deals the channels of each group out in turn: of channels `0 1 2 3 4 5` in two groups it makes `0 3 1 4 2 5`. With as
/// many groups as a group has channels, it undoes that, and is its gradient.
///
/// # Shapes
/// `[pixels, channels]` to the same.
///
/// # Panics
/// When the groups do not divide the channels, or the pixels are not whole.
#[must_use]
pub fn shuffle(x: &[f32], channels: usize, groups: usize) -> Vec<f32> {
    assert!(
        channels > 0 && groups > 0 && channels.is_multiple_of(groups),
        "channels: {groups} equal groups of {channels}"
    );
    assert_eq!(x.len() % channels, 0, "channels: whole pixels");
    let (pixels, each) = (x.len() / channels, channels / groups);
    if pixels == 0 || groups == 1 || each == 1 {
        return x.to_vec();
    }
    if groups == 2 {
        let half = |first: usize| Channels {
            values: &x[first..],
            count: each,
            stride: channels,
        };
        return interleave([half(0), half(each)], pixels);
    }
    // SAFETY: every element of the result is written: the two halves, or all places of each pixel.
    unsafe {
        written(x.len(), |to: *mut f32| {
            if each == 2 {
                // SAFETY: the second half of each pixel lies behind its first one.
                return deal(x, channels, [to, to.add(groups)], channels);
            }
            let to = Shared::at(to);
            parts(pixels, channels, |part| {
                let range = part.start * channels..part.end * channels;
                // SAFETY: the parts are disjoint and lie in the result.
                let to = to.part(range.start, range.len());
                let to = to.chunks_exact_mut(channels);
                for (x, to) in x[range].chunks_exact(channels).zip(to) {
                    for (group, x) in x.chunks_exact(each).enumerate() {
                        for (place, value) in x.iter().enumerate() {
                            to[place * groups + group] = *value;
                        }
                    }
                }
            });
        })
    }
}
