//! The weights of a resize along one axis, in 16-bit fixed point: those of `fast_image_resize`, to the bit.

use firebrick_kernels::resample::Weights;
use firebrick_resize::Filter;

/// A filter at a distance from its middle.
fn filter(filter: Filter, at: f64) -> f64 {
    let x = at.abs();
    match filter {
        Filter::Bilinear if x < 1.0 => 1.0 - x,
        // Keys 1981, a = -1/2.
        Filter::Bicubic if x < 1.0 => (1.5 * x - 2.5) * x * x + 1.0,
        Filter::Bicubic if x < 2.0 => (((x - 5.0) * x + 8.0) * x - 4.0) * -0.5,
        Filter::Lanczos if (-3.0..3.0).contains(&at) => sinc(at) * sinc(at / 3.0),
        Filter::Box if at > -0.5 && at <= 0.5 => 1.0,
        _ => 0.0,
    }
}

fn sinc(x: f64) -> f64 {
    if x == 0.0 {
        return 1.0;
    }
    let x = x * std::f64::consts::PI;
    x.sin() / x
}

/// Bits of a sum that are left for a level and two more.
const MOST_BITS: u32 = 32 - 8 - 2;

/// The weights of `length` pixels from `first` on, of an axis of `pixels`, for so many pixels of the result. `None` where there is
/// nothing to weigh.
pub(super) fn weights(
    kind: Filter,
    pixels: usize,
    [first, length]: [f64; 2],
    output: usize,
) -> Option<Weights> {
    let scale = ((first + length) - first) / output as f64;
    if pixels == 0 || scale.is_nan() || scale <= 0.0 {
        return None;
    }
    let wider = scale.max(1.0);
    let reach = kind.support() * wider;
    let narrower = 1.0 / wider;
    let mut shares: Vec<f64> = Vec::new();
    // Of each pixel of the result: the first pixel that counts, and where its weights end.
    let mut ends: Vec<(usize, usize)> = Vec::with_capacity(output);
    for at in 0..output {
        let middle = first + (at as f64 + 0.5) * scale;
        let from = (middle - reach).floor().max(0.0) as usize;
        let to = (middle + reach).ceil().min(pixels as f64) as usize;
        let begin = shares.len();
        shares.extend((from..to).map(|x| filter(kind, (x as f64 - (middle - 0.5)) * narrower)));
        let skipped = shares[begin..].iter().take_while(|share| **share == 0.0);
        let skipped = skipped.count();
        shares.drain(begin..begin + skipped);
        let total: f64 = shares[begin..].iter().sum();
        while shares.len() > begin && shares.last() == Some(&0.0) {
            shares.pop();
        }
        if shares.len() == begin || total == 0.0 {
            return None;
        }
        shares[begin..].iter_mut().for_each(|share| *share /= total);
        ends.push((from + skipped, shares.len()));
    }
    let largest = shares.iter().copied().fold(0.0, f64::max);
    // As many bits as the largest weight leaves.
    let too_large = |bits: &u32| (largest * f64::from(1 << (bits + 1))).round() as i32 >= 1 << 15;
    let precision = (0..MOST_BITS).find(too_large).unwrap_or(MOST_BITS - 1);
    if precision == 0 {
        return None;
    }
    let one = f64::from(1 << precision);
    let values: Vec<i16> = shares
        .iter()
        .map(|share| (share * one).round() as i16)
        .collect();
    let begins = std::iter::once(0).chain(ends.iter().map(|(_, end)| *end));
    let each = begins
        .zip(&ends)
        .map(|(begin, (from, end))| (*from, &values[begin..*end]));
    Some(Weights::new(each, precision))
}
