//! Images that are the same, or nearly: a photo that is in the training and in the validation images makes the accuracy look
//! better than it is.
//!
//! Equal pixels are found by their SHA-256. Nearly equal images, such as another compression or size of one photo, are found by
//! two 64-bit hashes, both of which must be near: the signs of differences between neighbours (dHash) and of low frequencies
//! (pHash; Zauner 2010), as the package `imagehash` computes them.

mod hash;
mod search;

pub use hash::{Fingerprint, fingerprint};
pub use search::Pair;

/// How many of the 64 bits of each hash may differ.
///
/// Measured on the 397 photos of ants and bees: a copy saved with JPEG quality 50 or of half the size differs in at most 3 bits, and one that
/// is 15 % brighter in 6; of the 78606 pairs of different photos, the nearest differ in 9 bits of the one hash, and 14 of
/// the other.
pub const NEAR: u32 = 6;

/// For each image of a set that has an equal or near one in another set, the nearest of these: at most `near` bits of each
/// hash differ. Of several equally near ones it is the first.
#[must_use]
pub fn between(images: &[Fingerprint], others: &[Fingerprint], near: u32) -> Vec<Pair> {
    search::nearest_of_each(images, others, near, |_, _| true)
}

/// For each image of a set that has an equal or near one before it in the set, the nearest of these.
#[must_use]
pub fn within(set: &[Fingerprint], near: u32) -> Vec<Pair> {
    search::nearest_of_each(set, set, near, |image, other| other < image)
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
        let places: Vec<_> = found.iter().map(|p| (p.image, p.of, p.exact)).collect();
        assert_eq!(places, [(0, 3, false), (1, 5, true), (2, 7, false)]);
        assert_eq!(found[1].distance, 0);
    }

    #[test]
    fn equal_images_are_found_even_if_they_are_flat() {
        let flat = |value| Image {
            pixels: vec![value; 64],
            ..Image::black(8, 8, 1)
        };
        let set = [flat(0), flat(9), flat(0), flat(0)].map(|image| fingerprint(&image));
        let copy = |image| Pair {
            image,
            of: 0,
            exact: true,
            distance: 0,
        };
        assert_eq!(within(&set, 0), [copy(2), copy(3)]);
    }
}
