//! What this machine can do at most, for measurements to be compared with.

use rayon::prelude::*;

use crate::simd::{Simd, Task, Vectors};

/// Accumulators of one thread: enough to hide the latency of a multiply-add.
const CHAINS: usize = 12;

/// Multiply-adds in registers on every thread, `iterations` in each of some independent chains; the
/// floating-point operations of all threads together.
#[must_use = "the operations done"]
pub fn fma(iterations: usize) -> f64 {
    let vectors = Vectors::in_use();
    let of_each = rayon::broadcast(|_| vectors.dispatch(Fma { iterations }));
    of_each.iter().sum()
}

struct Fma {
    iterations: usize,
}

impl Task for Fma {
    type Output = f64;

    #[inline(always)]
    unsafe fn run<S: Simd>(self) -> f64 {
        // SAFETY: no memory is touched.
        let sum = unsafe {
            let (factor, term) = (S::splat(1.0 - 1e-6), S::splat(1e-6));
            let mut chains: [S::V; CHAINS] = std::array::from_fn(|chain| S::splat(chain as f32));
            for _ in 0..self.iterations {
                for chain in &mut chains {
                    *chain = S::fma(*chain, factor, term);
                }
            }
            chains.into_iter().map(|chain| S::sum(chain)).sum::<f32>()
        };
        std::hint::black_box(sum);
        (2 * CHAINS * S::LANES * self.iterations) as f64
    }
}

/// The arrays of [`Self::run`].
#[derive(Debug)]
pub struct Triad {
    /// a, b, c, each a little longer than the part in use.
    arrays: [Vec<f32>; 3],
    count: usize,
}

impl Triad {
    /// Bytes of a cache line, which the parts in use begin with: vectors that straddle two lines
    /// cost a good part of the bandwidth.
    const LINE: usize = 64;

    /// Three arrays of `count` elements. Larger than the caches, they show the memory's speed.
    #[must_use]
    pub fn new(count: usize) -> Self {
        let array = |value| vec![value; count + Self::LINE / size_of::<f32>()];
        Self {
            arrays: [array(0.0), array(1.0), array(2.0)],
            count,
        }
    }

    /// a = b + 3 c, each thread in its own part; the bytes read and written, 12 for each element.
    #[must_use = "the bytes moved"]
    pub fn run(&mut self) -> f64 {
        let (count, threads) = (self.count, rayon::current_num_threads());
        let [a, b, c] = &mut self.arrays;
        let start = |array: &[f32]| {
            array
                .as_ptr()
                .align_offset(Self::LINE)
                .min(array.len() - count)
        };
        let (at, b) = (start(a), &b[start(b)..][..count]);
        let (a, c) = (&mut a[at..][..count], &c[start(c)..][..count]);
        let part = count.div_ceil(threads).next_multiple_of(Self::LINE).max(1);
        let parts = a
            .par_chunks_mut(part)
            .zip(b.par_chunks(part).zip(c.par_chunks(part)));
        let vectors = Vectors::in_use();
        parts.for_each(|(a, (b, c))| vectors.dispatch(Part { a, b, c }));
        12.0 * count as f64
    }
}

struct Part<'a> {
    a: &'a mut [f32],
    b: &'a [f32],
    c: &'a [f32],
}

impl Task for Part<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Self { a, b, c } = self;
        let vectors = a
            .chunks_mut(S::LANES)
            .zip(b.chunks(S::LANES).zip(c.chunks(S::LANES)));
        for (a, (b, c)) in vectors {
            // SAFETY: the three chunks have one length, of at most `LANES`.
            unsafe {
                let three = S::splat(3.0);
                if a.len() == S::LANES {
                    let sum = S::fma(S::load(c.as_ptr()), three, S::load(b.as_ptr()));
                    S::store(a.as_mut_ptr(), sum);
                } else {
                    let c = S::load_first(c.as_ptr(), a.len());
                    let sum = S::fma(c, three, S::load_first(b.as_ptr(), a.len()));
                    S::store_first(a.as_mut_ptr(), sum, a.len());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn triad_reaches_every_element() {
        let mut triad = super::Triad::new(1003);
        assert_eq!(triad.run(), 12.0 * 1003.0);
        let [a, ..] = &triad.arrays;
        assert_eq!(a.iter().filter(|a| **a == 7.0).count(), 1003);
        assert_eq!(a.iter().filter(|a| **a == 0.0).count(), a.len() - 1003);
    }

    #[test]
    fn fma_counts_what_all_threads_do() {
        let each = super::fma(100) / rayon::current_num_threads() as f64;
        assert_eq!(each % f64::from(2 * 12 * 100), 0.0);
        assert!(each >= f64::from(2 * 12 * 100 * 4));
    }
}
