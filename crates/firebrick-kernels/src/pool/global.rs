//! The average over whole images.

use crate::Image;
use crate::elementwise::flat::{First, Part, Whole, parts};
use crate::simd::{Simd, Task, Vectors};
use crate::threads::Shared;

/// The mean over all pixels of each image.
///
/// # Shapes
/// `x` as `image`, to `[n, c]`.
///
/// # Panics
/// When `x` does not have that shape.
#[must_use]
pub fn global_avg(x: &[f32], image: Image) -> Vec<f32> {
    assert_eq!(x.len(), image.len(), "pooling: x of {image:?}");
    let (c, size) = (image.c, image.h * image.w * image.c);
    let vectors = Vectors::in_use();
    let mut y = Vec::with_capacity(image.n * c);
    let to = Shared::new(y.spare_capacity_mut());
    // The channels of few images are divided among the threads.
    let bands = if image.n < 4 { 4 } else { 1 };
    let band = c.div_ceil(bands).next_multiple_of(16).clamp(1, c.max(1));
    let bands = c.div_ceil(band);
    parts(image.n * bands, size / bands.max(1), |units| {
        for unit in units {
            let (index, first) = (unit / bands, unit % bands * band);
            vectors.dispatch(Mean {
                x: &x[index * size..(index + 1) * size],
                channels: first..c.min(first + band),
                c,
                // SAFETY: every image has its own row of the result.
                to: unsafe { to.pointer().cast::<f32>().add(index * c) },
            });
        }
    });
    // SAFETY: the images cover all of it.
    unsafe { y.set_len(image.n * c) };
    y
}

/// The means of some channels of an image; `to` has room for all of them.
struct Mean<'a> {
    x: &'a [f32],
    channels: std::ops::Range<usize>,
    c: usize,
    to: *mut f32,
}

impl Task for Mean<'_> {
    type Output = ();
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let (mut channel, end) = (self.channels.start, self.channels.end);
        // SAFETY: the channels lie in every pixel and in the result.
        unsafe {
            while S::REGISTERS >= 32 && channel + 4 * S::LANES <= end {
                self.channels::<S, _, 4>(channel, Whole);
                channel += 4 * S::LANES;
            }
            while channel + 2 * S::LANES <= end {
                self.channels::<S, _, 2>(channel, Whole);
                channel += 2 * S::LANES;
            }
            while channel + S::LANES <= end {
                self.channels::<S, _, 1>(channel, Whole);
                channel += S::LANES;
            }
            if channel < end {
                self.channels::<S, _, 1>(channel, First(end - channel));
            }
        }
    }
}

impl Mean<'_> {
    /// `V` vectors of channels.
    ///
    /// # Safety
    /// The lanes that `part` means exist from `channel` on, and the processor has `S`.
    #[inline(always)]
    unsafe fn channels<S: Simd, P: Part, const V: usize>(&self, channel: usize, part: P) {
        /// Pixels that are summed before they are added to the others.
        const RUN: usize = 64;
        let (pixels, c) = (self.x.len() / self.c, self.c);
        // SAFETY: as of this function.
        unsafe {
            let mut total = [S::splat(0.0); V];
            let mut start = 0;
            while start < pixels {
                let end = pixels.min(start + RUN);
                let mut sums = [[S::splat(0.0); V]; 4];
                while start + 4 <= end {
                    for (index, sums) in sums.iter_mut().enumerate() {
                        let from = self.x.as_ptr().add((start + index) * c + channel);
                        for (v, sum) in sums.iter_mut().enumerate() {
                            *sum = S::add(*sum, part.load::<S>(from.add(v * S::LANES)));
                        }
                    }
                    start += 4;
                }
                while start < end {
                    let from = self.x.as_ptr().add(start * c + channel);
                    for (v, sum) in sums[0].iter_mut().enumerate() {
                        *sum = S::add(*sum, part.load::<S>(from.add(v * S::LANES)));
                    }
                    start += 1;
                }
                for v in 0..V {
                    let sum = S::add(
                        S::add(sums[0][v], sums[1][v]),
                        S::add(sums[2][v], sums[3][v]),
                    );
                    total[v] = S::add(total[v], sum);
                }
            }
            for (v, total) in total.into_iter().enumerate() {
                let mean = S::div(total, S::splat(pixels as f32));
                part.store::<S>(self.to.add(channel + v * S::LANES), mean);
            }
        }
    }
}

/// The gradient of [`global_avg`].
///
/// # Shapes
/// `dy` `[n, c]`, to `image`.
///
/// # Panics
/// When `dy` does not have that shape.
#[must_use]
pub fn global_avg_grad(dy: &[f32], image: Image) -> Vec<f32> {
    let (c, len) = (image.c, image.len());
    assert_eq!(dy.len(), image.n * c, "pooling: dy of {} x {c}", image.n);
    let pixels = image.h * image.w;
    let mut row = vec![0.0; dy.len()];
    row.iter_mut()
        .zip(dy)
        .for_each(|(to, dy)| *to = dy / pixels as f32);
    let mut dx = Vec::with_capacity(len);
    let to = Shared::new(dx.spare_capacity_mut());
    parts(image.n, pixels * c, |images| {
        for index in images {
            let row = &row[index * c..(index + 1) * c];
            // SAFETY: every image has its own part of the result.
            let to = unsafe { to.part(index * pixels * c, pixels * c) };
            // The first pixel, and then what is there as often as it fits.
            let mut have = 0;
            while have < to.len() {
                let count = if have == 0 {
                    c
                } else {
                    have.min(to.len() - have)
                };
                let (done, rest) = to.split_at_mut(have);
                if have == 0 {
                    for (to, value) in rest.iter_mut().zip(row) {
                        to.write(*value);
                    }
                } else {
                    rest[..count].copy_from_slice(&done[..count]);
                }
                have += count;
            }
        }
    });
    // SAFETY: the images cover all of it.
    unsafe { dx.set_len(len) };
    dx
}
