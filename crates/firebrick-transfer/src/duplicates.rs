//! Images that are the same, or nearly: a photo that is in the training and in the validation images makes the accuracy look
//! better than it is.
//!
//! Equal pixels are found by their SHA-256. Nearly equal images, such as another compression or size of one photo, are found by
//! two 64-bit hashes, both of which must be near: the signs of differences between neighbours (dHash) and of low frequencies
//! (pHash; Zauner 2010), as the package `imagehash` computes them.

mod hash;
mod search;

pub use hash::{Fingerprint, fingerprint};

use serde::{Deserialize, Serialize};

/// How many of the 64 bits of each hash may differ.
///
/// Two images that have nothing to do with each other differ in 32 bits on average, and in at most 6 of a hash's with a probability of
/// 5·10⁻¹²; photos recompressed at quality 50 or halved in size differ in 0 to 4.
pub const NEAR: u32 = 6;

/// Two images that are the same, or nearly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pair {
    /// The image in the first set.
    pub first: usize,
    /// The image in the second set.
    pub second: usize,
    /// Whether the pixels are equal.
    pub exact: bool,
    /// How many bits differ in the hash of frequencies.
    pub distance: u32,
}

/// The pairs of equal or near images between two sets, of which at most `near` bits of each hash differ, in order.
#[must_use]
pub fn between(first: &[Fingerprint], second: &[Fingerprint], near: u32) -> Vec<Pair> {
    let mut pairs = Vec::new();
    search::near_pairs(first, second, near, |a, b| {
        pairs.push(pair(first, second, a, b));
    });
    pairs.sort_unstable_by_key(|pair| (pair.first, pair.second));
    pairs
}

/// The pairs of equal or near images within a set; the first of a pair comes before the second.
#[must_use]
pub fn within(set: &[Fingerprint], near: u32) -> Vec<Pair> {
    let mut pairs = Vec::new();
    search::near_pairs(set, set, near, |a, b| {
        if a < b {
            pairs.push(pair(set, set, a, b));
        }
    });
    pairs.sort_unstable_by_key(|pair| (pair.first, pair.second));
    pairs
}

fn pair(first: &[Fingerprint], second: &[Fingerprint], a: usize, b: usize) -> Pair {
    let (one, other) = (&first[a], &second[b]);
    Pair {
        first: a,
        second: b,
        exact: one.exact == other.exact,
        distance: (one.phash ^ other.phash).count_ones(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use firebrick_types::image::{Filter, Image, Size, resize};

    /// A made-up photo: smooth waves that depend on a number.
    fn photo(number: u32, width: usize, height: usize) -> Image {
        let n = f64::from(number);
        let mut image = Image::black(width, height, 3);
        for (at, pixel) in image.pixels.chunks_exact_mut(3).enumerate() {
            let x = (at % width) as f64 / width as f64;
            let y = (at / width) as f64 / height as f64;
            let wave = |a: f64, b: f64| ((a * x + b * y + n * n * 0.37) * 6.0).sin();
            for (channel, value) in pixel.iter_mut().enumerate() {
                let c = channel as f64;
                let sum = wave(1.0 + n % 3.0, c * 0.2 + n % 5.0) + wave(n % 7.0, 2.0 + n % 2.0);
                *value = (127.0 + 60.0 * sum) as u8;
            }
        }
        image
    }

    #[test]
    fn a_smaller_copy_and_a_lighter_one_are_near_and_others_are_not() {
        let all: Vec<Image> = (0..12).map(|number| photo(number, 96, 80)).collect();
        let train: Vec<Fingerprint> = all.iter().map(fingerprint).collect();
        assert_eq!(within(&train, NEAR), []);
        let half = resize(all[3].clone(), Size::new(48, 40), Filter::Bilinear);
        let mut lighter = all[7].clone();
        for value in &mut lighter.pixels {
            *value = value.saturating_add(6);
        }
        let valid = [half, all[5].clone(), lighter, photo(20, 96, 80)];
        let valid: Vec<Fingerprint> = valid.iter().map(fingerprint).collect();
        let found = between(&valid, &train, NEAR);
        let places: Vec<_> = found.iter().map(|p| (p.first, p.second, p.exact)).collect();
        assert_eq!(places, [(0, 3, false), (1, 5, true), (2, 7, false)]);
        assert_eq!(found[1].distance, 0);
    }

    #[test]
    fn equal_images_are_found_even_if_they_are_flat() {
        let flat = |value| Image {
            pixels: vec![value; 64],
            ..Image::black(8, 8, 1)
        };
        let set = [flat(0), flat(9), flat(0)].map(|image| fingerprint(&image));
        let pairs = within(&set, 0);
        assert!(pairs.contains(&Pair {
            first: 0,
            second: 2,
            exact: true,
            distance: 0
        }));
    }
}
