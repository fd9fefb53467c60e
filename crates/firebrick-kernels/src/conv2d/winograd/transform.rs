//! The transforms of a tile, line by line, and the tile's pixels.

use crate::simd::Simd;

/// Pixels of a tile's side: of the result, and of the source with its neighbours.
pub(super) const SIDE: usize = 4;
pub(super) const REACH: usize = 6;
/// Products of a tile.
pub(super) const POINTS: usize = REACH * REACH;

/// Elements from one point to the next where a block keeps `len` for each: a cache line more, so that
/// the points of a tile do not all fall into the same set of the cache.
pub(super) fn pitch(len: usize) -> usize {
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
pub(super) unsafe fn line_of_source<S: Simd>(d: [S::V; 6]) -> [S::V; 6] {
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
pub(super) unsafe fn line_of_kernel<S: Simd>(g: [S::V; 3]) -> [S::V; 6] {
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
pub(super) unsafe fn line_of_result<S: Simd>(m: [S::V; 6]) -> [S::V; 4] {
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
pub(super) unsafe fn line_of_gradient<S: Simd>(g: [S::V; 4]) -> [S::V; 6] {
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
pub(super) unsafe fn line_of_weight<S: Simd>(m: [S::V; 6]) -> [S::V; 3] {
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
pub(super) use both_ways;

/// The first row and column of a tile in an image, which may lie outside.
#[derive(Clone, Copy)]
pub(super) struct Window {
    pub(super) y: isize,
    pub(super) x: isize,
}

/// Loads a square of pixels, zeros outside of the image.
///
/// # Safety
/// `image` is the image's `h · w` pixels of `c` elements; `count` elements from `channel` on exist.
#[inline(always)]
pub(super) unsafe fn load_square<S: Simd, const N: usize>(
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
