//! The passes, for every instruction set that has the vectors.

use super::part::{CHANNELS, Part};
use super::pixels::{Avx2, Avx512, Pixels};
use super::weights::Weights;

/// # Safety
/// The processor has AVX2; the part lies in its image, and what counts in the part.
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn across_avx2(part: Part<'_>, weights: &Weights) -> Vec<u8> {
    // SAFETY: as of this function.
    unsafe { across::<Avx2>(part, weights) }
}

/// # Safety
/// The processor has AVX-512 F, BW, DQ and VL; otherwise as [`across_avx2`].
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
pub(super) unsafe fn across_avx512(part: Part<'_>, weights: &Weights) -> Vec<u8> {
    // SAFETY: as of this function.
    unsafe { across::<Avx512>(part, weights) }
}

/// # Safety
/// As [`across_avx2`].
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn down_avx2(part: Part<'_>, weights: &Weights) -> Vec<u8> {
    // SAFETY: as of this function.
    unsafe { down::<Avx2>(part, weights) }
}

/// # Safety
/// As [`across_avx512`].
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
pub(super) unsafe fn down_avx512(part: Part<'_>, weights: &Weights) -> Vec<u8> {
    // SAFETY: as of this function.
    unsafe { down::<Avx512>(part, weights) }
}

/// Two pixels, channel by channel, as numbers of 16 bits.
const PAIR: [i8; 16] = [0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1];
/// The next two pixels.
const NEXT_PAIR: [i8; 16] = [6, -1, 9, -1, 7, -1, 10, -1, 8, -1, 11, -1, -1, -1, -1, -1];
/// Four pixels without the byte behind each.
const CLOSED_UP: [i8; 16] = [0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1];
/// Bytes that are read at once, of which 12 are used.
const READ: usize = 16;
/// Pixels of the result that are written at once.
const GROUP: usize = 4;

#[inline(always)]
unsafe fn across<P: Pixels>(part: Part<'_>, weights: &Weights) -> Vec<u8> {
    let rows = part.size[1];
    let length = weights.len() * CHANNELS;
    let mut result = Vec::with_capacity(length * rows);
    if length == 0 || rows == 0 {
        return result;
    }
    let to: *mut u8 = result.as_mut_ptr();
    // How far beyond the beginning of a row is read at most.
    let last = weights
        .firsts
        .iter()
        .max()
        .map_or(0, |first| first * CHANNELS);
    let reads = last + weights.taps.div_ceil(4) * 12 - 12 + READ;
    // Where that is beyond the image, rows are read from a copy.
    let mut copies = Vec::new();
    for first in (0..rows).step_by(P::ROWS) {
        // Rows that are not there are those before once more.
        let row = |lane: usize| (first + lane).min(rows - 1);
        // SAFETY: the rows lie in the result, and so do those that are read, or they are copied.
        unsafe {
            let tos = std::array::from_fn(|lane| to.add(row(lane) * length));
            let beyond = part.row(row(P::ROWS - 1)) + reads > part.pixels.len();
            let froms: [*const u8; 4] = if beyond {
                let used = part.size[0] * CHANNELS;
                copies.resize(P::ROWS * reads.max(used), 0);
                let copied = copies.chunks_exact_mut(reads.max(used));
                for (lane, copy) in copied.enumerate() {
                    copy[..used].copy_from_slice(&part.pixels[part.row(row(lane))..][..used]);
                }
                let copies = copies.as_ptr();
                std::array::from_fn(|lane| copies.add(lane.min(P::ROWS - 1) * reads.max(used)))
            } else {
                let pixels = part.pixels.as_ptr();
                std::array::from_fn(|lane| pixels.add(part.row(row(lane.min(P::ROWS - 1)))))
            };
            if weights.taps == 2 {
                rows_across::<P, true>(&froms, &tos, weights);
            } else {
                rows_across::<P, false>(&froms, &tos, weights);
            }
        }
    }
    // SAFETY: every row has been written.
    unsafe { result.set_len(length * rows) };
    result
}

/// # Safety
/// The rows have what is read of them, and room for the result.
#[inline(always)]
unsafe fn rows_across<P: Pixels, const TWO: bool>(
    from: &[*const u8; 4],
    to: &[*mut u8; 4],
    weights: &Weights,
) {
    let count = weights.len();
    // SAFETY: as of this function.
    unsafe {
        let mut x = 0;
        // The 4 bytes behind a group are written, too, and then overwritten.
        while (x + GROUP) * CHANNELS + 4 <= count * CHANNELS {
            let group = group::<P, TWO>(from, weights, [x, x + 1, x + 2, x + 3]);
            P::store_rows(to, x * CHANNELS, group);
            x += GROUP;
        }
        while x < count {
            let near = [x, x + 1, x + 2, x + 3].map(|x| x.min(count - 1));
            let group = group::<P, TWO>(from, weights, near);
            let mut near = [[0_u8; 16]; 4];
            let [a, b, c, d] = &mut near;
            let lanes = [a, b, c, d].map(|lane| lane.as_mut_ptr());
            P::store_rows(&lanes, 0, group);
            let bytes = GROUP.min(count - x) * CHANNELS;
            for (near, to) in near.iter().zip(to).take(P::ROWS) {
                let to = to.add(x * CHANNELS);
                to.copy_from_nonoverlapping(near.as_ptr(), bytes);
            }
            x += GROUP;
        }
    }
}

/// Four pixels of the result in each row, close together.
///
/// # Safety
/// The rows have what is read of them, and the result has these pixels.
#[inline(always)]
unsafe fn group<P: Pixels, const TWO: bool>(
    from: &[*const u8; 4],
    weights: &Weights,
    [a, b, c, d]: [usize; 4],
) -> P::V {
    // SAFETY: as of this function.
    unsafe {
        let sums = [
            sum::<P, TWO>(from, weights, a),
            sum::<P, TWO>(from, weights, b),
            sum::<P, TWO>(from, weights, c),
            sum::<P, TWO>(from, weights, d),
        ];
        P::shuffle(P::bytes(sums, weights.precision), CLOSED_UP)
    }
}

/// The sum for a pixel of the result in each row.
///
/// # Safety
/// As of [`group`].
#[inline(always)]
unsafe fn sum<P: Pixels, const TWO: bool>(
    from: &[*const u8; 4],
    weights: &Weights,
    x: usize,
) -> P::V {
    let half = 1 << (weights.precision - 1);
    // SAFETY: each pixel of the result has a first pixel, and two weights or a multiple of 4.
    unsafe {
        let mut at = *weights.firsts.as_ptr().add(x) * CHANNELS;
        let pairs: *const i32 = weights.values.as_ptr().add(x * weights.taps).cast();
        let pixels = P::load_rows(from, at);
        let two = P::splat(pairs.read_unaligned());
        let mut sum = P::add_products(P::splat(half), P::shuffle(pixels, PAIR), two);
        if TWO {
            return sum;
        }
        let two = P::splat(pairs.add(1).read_unaligned());
        sum = P::add_products(sum, P::shuffle(pixels, NEXT_PAIR), two);
        for pair in (2..weights.taps / 2).step_by(2) {
            at += 12;
            let pixels = P::load_rows(from, at);
            let two = P::splat(pairs.add(pair).read_unaligned());
            sum = P::add_products(sum, P::shuffle(pixels, PAIR), two);
            let two = P::splat(pairs.add(pair + 1).read_unaligned());
            sum = P::add_products(sum, P::shuffle(pixels, NEXT_PAIR), two);
        }
        sum
    }
}

#[inline(always)]
unsafe fn down<P: Pixels>(part: Part<'_>, weights: &Weights) -> Vec<u8> {
    let length = part.size[0] * CHANNELS;
    let mut result = Vec::with_capacity(length * weights.len());
    if length == 0 || weights.is_empty() {
        return result;
    }
    let mut rows = Vec::with_capacity(weights.taps);
    for (first, values) in weights
        .firsts
        .iter()
        .zip(weights.values.chunks_exact(weights.taps))
    {
        let (pairs, _) = values.as_chunks::<2>();
        let used = pairs.iter().rposition(|pair| *pair != [0; 2]);
        let pairs = &pairs[..used.map_or(1, |last| last + 1)];
        // Rows beyond the last one have no weight: the last one stands in for them.
        rows.clear();
        rows.extend(
            (0..2 * pairs.len())
                .map(|tap| &part.pixels[part.row((first + tap).min(part.size[1] - 1))..]),
        );
        let to: *mut u8 = result.spare_capacity_mut().as_mut_ptr().cast();
        if length >= P::BYTES {
            let last = length - P::BYTES;
            // SAFETY: the vectors lie in each row and in the result.
            unsafe {
                for at in (0..last).step_by(P::BYTES) {
                    P::store(to.add(at), mixed::<P>(&rows, pairs, weights.precision, at));
                }
                // This one overlaps the one before.
                P::store(
                    to.add(last),
                    mixed::<P>(&rows, pairs, weights.precision, last),
                );
            }
        } else {
            for at in 0..length {
                let taps = rows.iter().zip(values);
                let products = taps.map(|(row, weight)| i32::from(*weight) * i32::from(row[at]));
                let half = 1 << (weights.precision - 1);
                let level = (half + products.sum::<i32>()) >> weights.precision;
                // SAFETY: the row has room for it.
                unsafe { to.add(at).write(level.clamp(0, 255) as u8) };
            }
        }
        // SAFETY: the row has been written, and there is room for as many as there are weights.
        unsafe { result.set_len(result.len() + length) };
    }
    result
}

/// Values of the result, from those of the rows that lie at the same place.
///
/// # Safety
/// There are two rows for each pair of weights, and they have a vector there.
#[inline(always)]
unsafe fn mixed<P: Pixels>(rows: &[&[u8]], pairs: &[[i16; 2]], precision: u32, at: usize) -> P::V {
    // SAFETY: as of this function.
    unsafe {
        let mut sums = [P::splat(1 << (precision - 1)); 4];
        let zero = P::splat(0);
        for (pair, [one, other]) in pairs.iter().enumerate() {
            let both = P::splat(i32::from(*one) & 0xFFFF | i32::from(*other) << 16);
            let upper = P::load(rows.get_unchecked(2 * pair).as_ptr().add(at));
            let lower = P::load(rows.get_unchecked(2 * pair + 1).as_ptr().add(at));
            let (low, high) = (P::low(upper, lower), P::high(upper, lower));
            sums[0] = P::add_products(sums[0], P::low(low, zero), both);
            sums[1] = P::add_products(sums[1], P::high(low, zero), both);
            sums[2] = P::add_products(sums[2], P::low(high, zero), both);
            sums[3] = P::add_products(sums[3], P::high(high, zero), both);
        }
        P::bytes(sums, precision)
    }
}
