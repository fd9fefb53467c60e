//! Winograd's minimal filtering for 3×3 kernels with stride 1: F(4×4, 3×3), 36 products where the
//! plain sum takes 144.
//!
//! Source: Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks" (2015), with the
//! interpolation points 0, ±1/√2, ±√2, ∞ in place of theirs, 0, ±1, ±2, ∞: the constants stay
//! small and the rounding error with them. For points ±a, ±b with a² = 1/2 and b² = 2
//!
//! ```text
//! Y = Aᵀ [ (G g Gᵀ) ⊙ (Bᵀ d B) ] A       d: 6×6 pixels, g: 3×3 weights, Y: 4×4 pixels
//! ```
//!
//! where rows of Bᵀ hold the coefficients of Π (x - q) over the other points q, rows of G the
//! powers of a point over its product of differences, and columns of A the powers of a point.
//! The weight gradient is F(3×3, 4×4) on the same points: the gradient's 4×4 tile is the filter.
//!
//! The root-mean-square error against exact sums, of random images and weights, is about twice that
//! of the plain sum (9e-7 of the result's size against 4e-7 at 64 channels, 1.5e-6 against 9e-7 at
//! 256), that of the weight gradient two to four times. A NaN or an infinity spoils the whole of each
//! tile that reads it, not only the pixels whose window holds it.

use crate::simd::Simd;

pub(super) mod gather;
pub(super) mod weight_grad;

/// Pixels of a tile's side: of the result, and of the source with its neighbours.
const SIDE: usize = 4;
const REACH: usize = 6;
/// Products of a tile.
const POINTS: usize = REACH * REACH;

/// Elements from one point to the next where a block keeps `len` for each: a cache line more, so that
/// the points of a tile do not all fall into the same set of the cache.
fn pitch(len: usize) -> usize {
    len + 16
}

const A: f32 = std::f32::consts::FRAC_1_SQRT_2;
const B: f32 = std::f32::consts::SQRT_2;

/// Bᵀ d for one line of pixels.
#[inline(always)]
unsafe fn line_of_source<S: Simd>(d: [S::V; 6]) -> [S::V; 6] {
    // SAFETY: arithmetic on the instruction set of the caller.
    unsafe {
        let (even_a, odd_a) = (
            S::fma(d[2], S::splat(-2.0), d[4]),
            S::mul(S::fma(d[1], S::splat(-2.0), d[3]), S::splat(A)),
        );
        let (even_b, odd_b) = (
            S::fma(d[2], S::splat(-0.5), d[4]),
            S::mul(S::fma(d[1], S::splat(-0.5), d[3]), S::splat(B)),
        );
        [
            S::fma(d[2], S::splat(-2.5), S::add(d[0], d[4])),
            S::add(even_a, odd_a),
            S::sub(even_a, odd_a),
            S::add(even_b, odd_b),
            S::sub(even_b, odd_b),
            S::fma(d[3], S::splat(-2.5), S::add(d[1], d[5])),
        ]
    }
}

/// G g for three weights.
#[inline(always)]
unsafe fn line_of_kernel<S: Simd>(g: [S::V; 3]) -> [S::V; 6] {
    // SAFETY: as above.
    unsafe {
        let even_a = S::mul(S::fma(g[2], S::splat(0.5), g[0]), S::splat(-1.0 / 1.5));
        let odd_a = S::mul(g[1], S::splat(-A / 1.5));
        let even_b = S::mul(S::fma(g[2], S::splat(2.0), g[0]), S::splat(1.0 / 6.0));
        let odd_b = S::mul(g[1], S::splat(B / 6.0));
        [
            g[0],
            S::add(even_a, odd_a),
            S::sub(even_a, odd_a),
            S::add(even_b, odd_b),
            S::sub(even_b, odd_b),
            g[2],
        ]
    }
}

/// Aᵀ m: four pixels.
#[inline(always)]
unsafe fn line_of_result<S: Simd>(m: [S::V; 6]) -> [S::V; 4] {
    // SAFETY: as above.
    unsafe {
        let (even_a, odd_a) = (S::add(m[1], m[2]), S::sub(m[1], m[2]));
        let (even_b, odd_b) = (S::add(m[3], m[4]), S::sub(m[3], m[4]));
        [
            S::add(m[0], S::add(even_a, even_b)),
            S::fma(odd_b, S::splat(B), S::mul(odd_a, S::splat(A))),
            S::fma(even_b, S::splat(2.0), S::mul(even_a, S::splat(0.5))),
            S::fma(
                odd_b,
                S::splat(2.0 * B),
                S::fma(odd_a, S::splat(0.5 * A), m[5]),
            ),
        ]
    }
}

/// G g for the four pixels of a gradient, as a filter.
#[inline(always)]
unsafe fn line_of_gradient<S: Simd>(g: [S::V; 4]) -> [S::V; 6] {
    // SAFETY: as above.
    unsafe {
        let even_a = S::mul(S::fma(g[2], S::splat(0.5), g[0]), S::splat(-1.0 / 1.5));
        let odd_a = S::mul(S::fma(g[3], S::splat(0.5), g[1]), S::splat(-A / 1.5));
        let even_b = S::mul(S::fma(g[2], S::splat(2.0), g[0]), S::splat(1.0 / 6.0));
        let odd_b = S::mul(S::fma(g[3], S::splat(2.0), g[1]), S::splat(B / 6.0));
        [
            g[0],
            S::add(even_a, odd_a),
            S::sub(even_a, odd_a),
            S::add(even_b, odd_b),
            S::sub(even_b, odd_b),
            g[3],
        ]
    }
}

/// Aᵀ m: three weights.
#[inline(always)]
unsafe fn line_of_weight<S: Simd>(m: [S::V; 6]) -> [S::V; 3] {
    // SAFETY: as above.
    unsafe {
        let (even_a, odd_a) = (S::add(m[1], m[2]), S::sub(m[1], m[2]));
        let (even_b, odd_b) = (S::add(m[3], m[4]), S::sub(m[3], m[4]));
        [
            S::add(m[0], S::add(even_a, even_b)),
            S::fma(odd_b, S::splat(B), S::mul(odd_a, S::splat(A))),
            S::fma(even_b, S::splat(2.0), S::fma(even_a, S::splat(0.5), m[5])),
        ]
    }
}

/// Transforms the columns, then the rows of a square.
macro_rules! both_ways {
    ($square:expr, $from:literal => $to:literal, $line:ident) => {{
        let square = $square;
        let zero = S::splat(0.0);
        let mut half = [[zero; $from]; $to];
        for column in 0..$from {
            let line = $line::<S>(std::array::from_fn(|row| square[row][column]));
            for row in 0..$to {
                half[row][column] = line[row];
            }
        }
        let mut whole = [[zero; $to]; $to];
        for row in 0..$to {
            whole[row] = $line::<S>(half[row]);
        }
        whole
    }};
}
use both_ways;

/// The first row and column of a tile in an image, which may lie outside.
#[derive(Clone, Copy)]
struct Window {
    y: isize,
    x: isize,
}

/// Loads a square of pixels, zeros outside of the image.
///
/// # Safety
/// `image` is the image's `h · w` pixels of `c` elements; `count` elements from `channel` on exist.
#[inline(always)]
unsafe fn load_square<S: Simd, const N: usize>(
    image: *const f32,
    [h, w, c]: [usize; 3],
    window: Window,
    channel: usize,
    count: usize,
) -> [[S::V; N]; N] {
    // SAFETY: as of this function.
    unsafe {
        let mut square = [[S::splat(0.0); N]; N];
        let inside = window.y >= 0
            && window.x >= 0
            && window.y + N as isize <= h as isize
            && window.x + N as isize <= w as isize
            && count == S::LANES;
        if inside {
            let first = image.add((window.y as usize * w + window.x as usize) * c + channel);
            for row in 0..N {
                for column in 0..N {
                    square[row][column] = S::load(first.add((row * w + column) * c));
                }
            }
        } else {
            for row in 0..N {
                let y = window.y + row as isize;
                if y < 0 || y >= h as isize {
                    continue;
                }
                for column in 0..N {
                    let x = window.x + column as isize;
                    if x >= 0 && x < w as isize {
                        let at = (y as usize * w + x as usize) * c + channel;
                        square[row][column] = S::load_first(image.add(at), count);
                    }
                }
            }
        }
        square
    }
}
