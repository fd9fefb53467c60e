//! Look-up tables for point operations: what happens to a value depends on nothing but the value.

use firebrick_core::data::Image;

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
pub(super) fn replace(image: &mut Image, table: &Table) {
    for value in &mut image.pixels {
        *value = table[usize::from(*value)];
    }
}

/// How often each value occurs in each channel.
pub(super) fn histograms(image: &Image) -> [[u32; 256]; 3] {
    let mut counts = [[0_u32; 256]; 3];
    match image.channels {
        3 => {
            for pixel in image.pixels.chunks_exact(3) {
                for (counts, value) in counts.iter_mut().zip(pixel) {
                    counts[usize::from(*value)] += 1;
                }
            }
        }
        _ => {
            for value in &image.pixels {
                counts[0][usize::from(*value)] += 1;
            }
        }
    }
    counts
}
