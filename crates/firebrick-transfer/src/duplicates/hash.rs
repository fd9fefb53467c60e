//! What an image is recognized by.

use std::f64::consts::PI;

use firebrick_types::checksum::Checksum;
use firebrick_types::image::{Filter, Image, Size, resize};
use serde::{Deserialize, Serialize};

/// What an image is recognized by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    /// The SHA-256 of size, channels and pixels, in hexadecimal digits.
    pub exact: String,
    /// The signs of the differences between horizontal neighbours, in an image of 9×8 pixels.
    pub dhash: u64,
    /// Which of the 8×8 lowest frequencies of an image of 32×32 pixels are above their median.
    pub phash: u64,
}

/// What an image is recognized by; colours count only for equality.
#[must_use]
pub fn fingerprint(image: &Image) -> Fingerprint {
    let mut sum = Checksum::default();
    for number in [image.width, image.height, image.channels] {
        sum.add(&(number as u64).to_le_bytes());
    }
    sum.add(&image.pixels);
    let grey = image.clone().with_channels(1);
    Fingerprint {
        exact: sum.digits(),
        dhash: dhash(&resize(grey.clone(), Size::new(9, 8), Filter::Lanczos)),
        phash: phash(&resize(grey, Size::new(SIDE, SIDE), Filter::Lanczos)),
    }
}

/// The first bit is the highest.
fn bits(bits: impl Iterator<Item = bool>) -> u64 {
    bits.fold(0, |hash, bit| hash << 1 | u64::from(bit))
}

fn dhash(image: &Image) -> u64 {
    let rows = image.pixels.chunks_exact(9);
    bits(rows.flat_map(|row| row.windows(2).map(|pair| pair[1] > pair[0])))
}

/// The side of the image that frequencies are taken of.
const SIDE: usize = 32;

fn phash(image: &Image) -> u64 {
    // cos(π k (2 n + 1) / 64), for the eight lowest frequencies k.
    let waves: Vec<Vec<f64>> = (0..8)
        .map(|k| {
            let wave = |n: usize| (PI * (k * (2 * n + 1)) as f64 / (2 * SIDE) as f64).cos();
            (0..SIDE).map(wave).collect()
        })
        .collect();
    let across: Vec<Vec<f64>> = image
        .pixels
        .chunks_exact(SIDE)
        .map(|row| {
            let along = |wave: &Vec<f64>| {
                let pairs = row.iter().zip(wave);
                pairs.map(|(pixel, w)| f64::from(*pixel) * w).sum()
            };
            waves.iter().map(along).collect()
        })
        .collect();
    let mut low = Vec::with_capacity(64);
    for wave in &waves {
        for column in 0..8 {
            let pairs = across.iter().zip(wave);
            low.push(pairs.map(|(row, w)| row[column] * w).sum::<f64>());
        }
    }
    let mut sorted = low.clone();
    sorted.sort_by(f64::total_cmp);
    let median = 0.5 * (sorted[31] + sorted[32]);
    bits(low.into_iter().map(|value| value > median))
}
