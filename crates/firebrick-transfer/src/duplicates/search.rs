//! Pairs of hashes that differ in few bits.
//!
//! A hash is cut into one piece more than bits may differ: two hashes that are near have at least one piece in common (Norouzi et
//! al., "Fast search in Hamming space with multi-index hashing", CVPR 2012). So only hashes with a common piece are compared.

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::BuildHasherDefault;

use serde::{Deserialize, Serialize};

use super::hash::Fingerprint;

/// Two images that are the same, or nearly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pair {
    /// An image.
    pub image: usize,
    /// The image that it is a copy of, or nearly.
    pub of: usize,
    /// Whether the pixels are equal.
    pub exact: bool,
    /// How many bits differ in the hash of frequencies.
    pub distance: u32,
}

/// A hasher without a random start: nothing here is to differ from run to run.
type Fixed = BuildHasherDefault<DefaultHasher>;

/// More pieces than this would be too short to tell hashes apart.
const PIECES: u32 = 16;

/// For each image the nearest of the others that `may` be compared with it, if both hashes differ in at most so many bits: an equal one, or
/// else the one whose hash of frequencies is nearest; of several, the first.
pub(super) fn nearest_of_each(
    images: &[Fingerprint],
    others: &[Fingerprint],
    near: u32,
    may: impl Fn(usize, usize) -> bool,
) -> Vec<Pair> {
    // One piece of no bits, which all have in common, where there would be too many.
    let pieces = if near < PIECES { near + 1 } else { 1 };
    let bits = if near < PIECES { 64 } else { 0 };
    let mut nearest: Vec<Option<Pair>> = vec![None; images.len()];
    for at in 0..pieces {
        let (start, end) = (bits * at / pieces, bits * (at + 1) / pieces);
        let mask: u64 = (start..end).map(|bit| 1_u64 << bit).sum();
        let piece = |hash: u64| hash & mask;
        let mut index: HashMap<u64, Vec<usize>, Fixed> = HashMap::default();
        for (of, other) in others.iter().enumerate() {
            index.entry(piece(other.phash)).or_default().push(of);
        }
        for (image, (own, nearest)) in images.iter().zip(&mut nearest).enumerate() {
            let candidates = index.get(&piece(own.phash)).into_iter().flatten();
            for of in candidates.copied().filter(|of| may(image, *of)) {
                // Equal images have all pieces in common: the first of them is found with the first piece.
                if nearest.is_some_and(|found| found.exact) {
                    break;
                }
                let pair = compare(own, &others[of], image, of);
                let further = (own.dhash ^ others[of].dhash)
                    .count_ones()
                    .max(pair.distance);
                let order = |pair: &Pair| (!pair.exact, pair.distance, pair.of);
                let nearer = nearest.is_none_or(|found| order(&pair) < order(&found));
                if further <= near && nearer {
                    *nearest = Some(pair);
                }
            }
        }
    }
    nearest.into_iter().flatten().collect()
}

fn compare(own: &Fingerprint, other: &Fingerprint, image: usize, of: usize) -> Pair {
    let distance = (own.phash ^ other.phash).count_ones();
    Pair {
        image,
        of,
        exact: distance == 0 && own.exact == other.exact,
        distance,
    }
}

#[cfg(test)]
mod tests {
    use firebrick_types::random::rng;
    use rand::RngExt;

    use super::*;

    fn hashes(count: usize, seed: u64) -> Vec<Fingerprint> {
        let mut random = rng(seed, "hashes", 0, 0);
        (0..count)
            .map(|at| {
                // Some near ones: few bits of few numbers change.
                let base = [3_u64, 0, u64::MAX, 0x0123_4567_89ab_cdef][at % 4];
                let mut flip = |hash: u64| {
                    (0..random.random_range(0..9))
                        .fold(hash, |hash, _| hash ^ 1_u64 << random.random_range(0..64))
                };
                Fingerprint {
                    // Some with equal hashes are equal, and some are not.
                    exact: (at % 3).to_string(),
                    dhash: flip(base),
                    phash: flip(base),
                }
            })
            .collect()
    }

    #[test]
    fn the_nearest_is_that_of_comparing_all() {
        let (images, others) = (hashes(60, 1), hashes(50, 2));
        for near in [0, 1, 4, 6, 15, 16, 64] {
            for before in [false, true] {
                let may = |image: usize, of: usize| !before || of < image;
                let found = nearest_of_each(&images, &others, near, may);
                let mut all = Vec::new();
                for (image, own) in images.iter().enumerate() {
                    let near_ones = others.iter().enumerate().filter(|(of, other)| {
                        let bits = |a: u64, b: u64| (a ^ b).count_ones();
                        may(image, *of)
                            && bits(own.phash, other.phash) <= near
                            && bits(own.dhash, other.dhash) <= near
                    });
                    let pairs = near_ones.map(|(of, other)| compare(own, other, image, of));
                    all.extend(pairs.min_by_key(|pair| (!pair.exact, pair.distance, pair.of)));
                }
                assert_eq!(found, all, "{near}");
                assert!(near < 4 || !all.is_empty());
            }
        }
    }
}
