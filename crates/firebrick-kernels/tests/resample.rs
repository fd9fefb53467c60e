//! Both passes of a resize against their formula, on every instruction set: a test by itself, because it switches them for the whole
//! process.

use firebrick_kernels::resample::{self, Part, Weights, across};
use firebrick_kernels::simd::{Level, force};
use proptest::prelude::*;

const CHANNELS: usize = 3;

/// The formula, value by value; the axis is that of columns or rows.
fn plain(part: Part<'_>, weights: &[(usize, Vec<i16>)], precision: u32, down: bool) -> Vec<u8> {
    let ([left, top], [columns, rows]) = (part.first, part.size);
    let [width, height] = if down {
        [columns, weights.len()]
    } else {
        [weights.len(), rows]
    };
    let value = |x: usize, y: usize, channel: usize| {
        let (first, weights) = &weights[if down { y } else { x }];
        let sum: i32 = (*first..)
            .zip(weights)
            .map(|(at, weight)| {
                let [x, y] = if down { [x, at] } else { [at, y] };
                let pixel = (top + y) * part.width + left + x;
                i32::from(*weight) * i32::from(part.pixels[pixel * CHANNELS + channel])
            })
            .sum();
        ((sum + (1 << (precision - 1))) >> precision).clamp(0, 255) as u8
    };
    let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
    pixels
        .flat_map(|(x, y)| (0..CHANNELS).map(move |channel| value(x, y, channel)))
        .collect()
}

/// Weights that sum to about 1, some of them negative.
fn weights(length: usize, taps: usize, seed: usize) -> (Vec<(usize, Vec<i16>)>, usize) {
    let (mut all, count) = (Vec::new(), 1 + seed % 41);
    for at in 0..count {
        let taps = 1 + (taps - 1 + at * seed % 2).min(length - 1);
        let first = at * (length - taps) / count.max(2).saturating_sub(1);
        let share = 1 << 12;
        let mut weights: Vec<i16> = (0..taps)
            .map(|tap| (share / taps + tap * 37 % 91) as i16)
            .collect();
        weights[0] -= (seed % 4000) as i16;
        all.push((first.min(length - taps), weights));
    }
    (all, count)
}

proptest! {
    #[test]
    fn both_passes_are_the_formula_on_every_instruction_set(
        [width, height] in [1..40_usize, 1..40_usize], [left, top] in [0..3_usize, 0..3_usize],
        taps in 1..14_usize, seed in 0..10_000_usize, beyond in 0..3_usize,
    ) {
        let columns = left + width + beyond;
        let pixels: Vec<u8> = (0..columns * (top + height) * CHANNELS)
            .map(|at| (at * at * (seed + 3) / 7 % 256) as u8).collect();
        let part = Part { pixels: &pixels, width: columns, first: [left, top], size: [width, height] };
        for down in [false, true] {
            let (given, _) = weights(if down { height } else { width }, taps, seed);
            let expected = plain(part, &given, 12, down);
            let weights = Weights::new(given.iter().map(|(first, weights)| (*first, &weights[..])), 12);
            for level in Level::available() {
                force(level);
                let found = if down { resample::down(part, &weights) } else { across(part, &weights) };
                match found {
                    Some(found) => prop_assert_eq!(found, expected.clone(), "{:?}, down: {}", level, down),
                    None => prop_assert!(level < Level::Avx2),
                }
            }
        }
    }
}
