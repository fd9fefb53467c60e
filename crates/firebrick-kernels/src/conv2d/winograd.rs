//! Winograd's minimal filtering for 3×3 kernels with stride 1: F(4×4, 3×3), 36 products where the
//! plain sum takes 144.
//!
//! Source: Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks" (2015), with the
//! interpolation points 0, ±2/3, ±3/2, ∞ in place of theirs, 0, ±1, ±2, ∞. Ours amplify the rounding
//! of the products almost as little as the best points do (they lie within 0.3 % of those). For points
//! ±a, ±b
//!
//! ```text
//! Y = Aᵀ [ (G g Gᵀ) ⊙ (Bᵀ d B) ] A       d: 6×6 pixels, g: 3×3 weights, Y: 4×4 pixels
//! ```
//!
//! where rows of Bᵀ hold the coefficients of Π (x - q) over the other points q, rows of G the
//! powers of a point over its product of differences, and columns of A the powers of a point.
//! The weight gradient is F(3×3, 4×4) on the same points: the gradient's 4×4 tile is the filter.
//!
//! The transforms amplify the rounding of the products five times. Products are therefore summed in
//! parts: sixteen channels, then four such parts, then all. The table shows the root-mean-square error
//! relative to the size of the result, for normally distributed images (in brackets: rectified ones).
//! PyTorch 2.15 in f32 is the yardstick; its errors are those of `xtask/golden/conv2d_error.py`. The test
//! `convolutions_err_at_most_three_times_as_much_as_pytorchs` prints ours and holds them to three times
//! PyTorch's. The last column, one running sum in f32, was measured once, for comparison:
//!
//! | channels | PyTorch | this | ratio | one running sum |
//! |---|---|---|---|---|
//! | 16 | 2.1e-7 (1.5e-7) | 4.9e-7 (4.0e-7) | 2.3 (2.7) | 2.1e-7 (1.5e-7) |
//! | 32 | 2.1e-7 (1.5e-7) | 5.0e-7 (4.2e-7) | 2.4 (2.8) | 3.0e-7 (2.1e-7) |
//! | 64 | 2.1e-7 (1.6e-7) | 5.2e-7 (4.4e-7) | 2.4 (2.8) | 4.2e-7 (3.0e-7) |
//! | 128 | 2.2e-7 (1.6e-7) | 5.4e-7 (4.5e-7) | 2.5 (2.8) | 6.0e-7 (4.2e-7) |
//! | 256 | 2.2e-7 (1.7e-7) | 5.6e-7 (4.7e-7) | 2.5 (2.8) | 8.3e-7 (5.7e-7) |
//!
//! Errors of the input gradient are like those of the result; those of the weight gradient are 1.0 to
//! 1.6 times PyTorch's. Figures from when the parts were introduced: without them the ratio was 2.5 at
//! 16 channels and 6.9 at 256 (rectified: 2.9 and 7.6). They cost about 12 % of the time of result and
//! input gradient at 64 and 128 channels, 5 to 10 % at 256 and nothing at 16; 5 to 8 % of a whole layer
//! with its weight gradient. Parts of 32 channels cost half of that, at ratios of 2.9 (3.2).
//!
//! A NaN or an infinity spoils every tile that reads it, not only the pixels whose window holds it.

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

/// The points a and b, and their squares.
const A: f32 = 2.0 / 3.0;
const B: f32 = 1.5;
const A2: f32 = 4.0 / 9.0;
const B2: f32 = 2.25;
/// -(a² + b²).
const MIDDLE: f32 = -97.0 / 36.0;
/// 1 / (2a² (a² - b²)) and 1 / (2b² (b² - a²)): the inverse of the product of a point's differences to
/// the other points.
const GA: f32 = -81.0 / 130.0;
const GB: f32 = 8.0 / 65.0;

/// The values at the points a, -a, b, -b of a function of the point, from its even part and its odd
/// part; the odd part is multiplied by the factor here.
///
/// # Safety
/// The processor has `S`.
#[inline(always)]
unsafe fn at_points<S: Simd>(
    [even_a, even_b]: [S::V; 2],
    [odd_a, odd_b]: [S::V; 2],
    [factor_a, factor_b]: [f32; 2],
) -> [S::V; 4] {
    // SAFETY: as of this function.
    unsafe {
        [
            S::fma(odd_a, S::splat(factor_a), even_a),
            S::fma(odd_a, S::splat(-factor_a), even_a),
            S::fma(odd_b, S::splat(factor_b), even_b),
            S::fma(odd_b, S::splat(-factor_b), even_b),
        ]
    }
}

/// Bᵀ d for one line of pixels.
#[inline(always)]
unsafe fn line_of_source<S: Simd>(d: [S::V; 6]) -> [S::V; 6] {
    // SAFETY: arithmetic on the instruction set of the caller.
    unsafe {
        let without_b = |from: usize| S::fma(d[from], S::splat(-B2), d[from + 2]);
        let without_a = |from: usize| S::fma(d[from], S::splat(-A2), d[from + 2]);
        let [a, minus_a, b, minus_b] = at_points::<S>(
            [without_b(2), without_a(2)],
            [without_b(1), without_a(1)],
            [A, B],
        );
        [
            S::fma(d[2], S::splat(MIDDLE), S::add(d[0], d[4])),
            a,
            minus_a,
            b,
            minus_b,
            S::fma(d[3], S::splat(MIDDLE), S::add(d[1], d[5])),
        ]
    }
}

/// G g for three weights.
#[inline(always)]
unsafe fn line_of_kernel<S: Simd>(g: [S::V; 3]) -> [S::V; 6] {
    // SAFETY: as above.
    unsafe {
        let even =
            |square: f32, scale: f32| S::mul(S::fma(g[2], S::splat(square), g[0]), S::splat(scale));
        let [a, minus_a, b, minus_b] =
            at_points::<S>([even(A2, GA), even(B2, GB)], [g[1], g[1]], [A * GA, B * GB]);
        [g[0], a, minus_a, b, minus_b, g[2]]
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
            S::fma(even_b, S::splat(B2), S::mul(even_a, S::splat(A2))),
            S::fma(
                odd_b,
                S::splat(B * B2),
                S::fma(odd_a, S::splat(A * A2), m[5]),
            ),
        ]
    }
}

/// G g for the four pixels of a gradient, as a filter.
#[inline(always)]
unsafe fn line_of_gradient<S: Simd>(g: [S::V; 4]) -> [S::V; 6] {
    // SAFETY: as above.
    unsafe {
        let even =
            |square: f32, scale: f32| S::mul(S::fma(g[2], S::splat(square), g[0]), S::splat(scale));
        let odd = |square: f32| S::fma(g[3], S::splat(square), g[1]);
        let [a, minus_a, b, minus_b] = at_points::<S>(
            [even(A2, GA), even(B2, GB)],
            [odd(A2), odd(B2)],
            [A * GA, B * GB],
        );
        [g[0], a, minus_a, b, minus_b, g[3]]
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
            S::fma(even_b, S::splat(B2), S::fma(even_a, S::splat(A2), m[5])),
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
