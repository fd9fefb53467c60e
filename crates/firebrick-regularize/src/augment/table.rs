//! Look-up tables for point operations: what happens to a value depends on nothing but the value.

use firebrick_core::data::Image;
use firebrick_core::kernels::wide;

/// What each of the 256 values becomes.
pub(super) type Table = [u8; 256];

/// The table of a function.
pub(super) fn table(of: impl Fn(u8) -> u8) -> Table {
    let mut table = [0; 256];
    for (value, entry) in (0..=255).zip(&mut table) {
        *entry = of(value);
    }
    table
}

/// Replaces every value by the entry of its channel's table. `of` makes the table of a channel.
pub(super) fn replace_each(image: &mut Image, of: impl Fn(usize) -> Table) {
    match image.channels {
        3 => {
            let [red, green, blue] = [of(0), of(1), of(2)];
            for pixel in image.pixels.chunks_exact_mut(3) {
                pixel[0] = red[usize::from(pixel[0])];
                pixel[1] = green[usize::from(pixel[1])];
                pixel[2] = blue[usize::from(pixel[2])];
            }
        }
        _ => replace(image, &of(0)),
    }
}

/// Replaces every value of every channel by its entry.
fn replace(image: &mut Image, table: &Table) {
    for value in &mut image.pixels {
        *value = table[usize::from(*value)];
    }
}

/// How often each value occurs in each channel.
pub(super) fn histograms(image: &Image) -> [[u32; 256]; 3] {
    // Neighbours are often alike: with two sets of counters, one need not wait for the other.
    let [mut counts, mut others] = [[[0_u32; 256]; 3]; 2];
    let count = |counts: &mut [u32; 256], value: u8| counts[usize::from(value)] += 1;
    if image.channels == 3 {
        let (pairs, rest) = image.pixels.as_chunks::<6>();
        let pixel = |counts: &mut [[u32; 256]; 3], pixel: &[u8]| {
            let values = counts.iter_mut().zip(pixel);
            values.for_each(|(counts, value)| count(counts, *value));
        };
        for pair in pairs {
            pixel(&mut counts, &pair[..3]);
            pixel(&mut others, &pair[3..]);
        }
        pixel(&mut counts, rest);
    } else {
        let (pairs, rest) = image.pixels.as_chunks::<2>();
        for [one, other] in pairs {
            count(&mut counts[0], *one);
            count(&mut others[0], *other);
        }
        for value in rest {
            count(&mut counts[0], *value);
        }
    }
    let sums = counts.as_flattened_mut().iter_mut();
    for (sum, other) in sums.zip(others.as_flattened()) {
        *sum += other;
    }
    counts
}

/// The least and the greatest value of each channel; in an image without pixels, the least is above the greatest.
pub(super) fn extremes(image: &Image) -> [(u8, u8); 3] {
    let (least, most) = extremes_of_lanes(&image.pixels);
    let mut extremes = [(u8::MAX, u8::MIN); 3];
    for (lane, (low, high)) in least.into_iter().zip(most).enumerate() {
        let (least, most) = &mut extremes[lane % image.channels];
        (*least, *most) = ((*least).min(low), (*most).max(high));
    }
    extremes
}

/// A multiple of 3 values, and of those of a vector.
const LANES: usize = 192;

wide! {
    /// The least and the greatest of every [`LANES`]th value.
    fn extremes_of_lanes(values: &[u8]) -> ([u8; LANES], [u8; LANES]) {
        let (mut least, mut most) = ([u8::MAX; LANES], [u8::MIN; LANES]);
        let (parts, rest) = values.as_chunks::<LANES>();
        for part in parts {
            least.iter_mut().zip(part).for_each(|(least, value)| *least = (*least).min(*value));
            most.iter_mut().zip(part).for_each(|(most, value)| *most = (*most).max(*value));
        }
        for ((least, most), value) in least.iter_mut().zip(&mut most).zip(rest) {
            (*least, *most) = ((*least).min(*value), (*most).max(*value));
        }
        (least, most)
    }
}

#[cfg(test)]
mod tests {
    use firebrick_core::testkit::photo;

    use super::*;

    #[test]
    fn histograms_and_extremes_are_those_of_each_value() {
        for (width, height, channels) in [(13, 11, 3), (29, 17, 1), (1, 1, 3), (41, 5, 3)] {
            let image = photo(width, height, channels);
            let (counts, ends) = (histograms(&image), extremes(&image));
            for channel in 0..channels {
                let values = || image.pixels[channel..].iter().step_by(channels);
                let count = |level: usize| {
                    values()
                        .filter(|value| usize::from(**value) == level)
                        .count()
                };
                assert!((0..256).all(|level| counts[channel][level] as usize == count(level)));
                let expected = values().min().zip(values().max()).unwrap();
                assert_eq!(ends[channel], (*expected.0, *expected.1));
            }
        }
    }
}
