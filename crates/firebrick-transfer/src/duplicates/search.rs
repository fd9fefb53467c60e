//! Pairs of hashes that differ in few bits.
//!
//! A hash is cut into one piece more than bits may differ: two hashes that are near have at least one piece in common (Norouzi et
//! al., "Fast search in Hamming space with multi-index hashing", CVPR 2012). So only hashes with a common piece are compared.

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::BuildHasherDefault;

use super::hash::Fingerprint;

/// A hasher without a random start: the order of pairs does not matter, but nothing here is to differ from run to run.
type Fixed = BuildHasherDefault<DefaultHasher>;

/// Calls `found` once for each pair whose hashes both differ in at most so many bits.
pub(super) fn near_pairs(
    first: &[Fingerprint],
    second: &[Fingerprint],
    near: u32,
    mut found: impl FnMut(usize, usize),
) {
    let pieces = near.min(15) + 1;
    // From where on, and how many bits.
    let piece = |at: u32| {
        let (start, end) = (64 * at / pieces, 64 * (at + 1) / pieces);
        let mask = if end - start == 64 {
            u64::MAX
        } else {
            (1 << (end - start)) - 1
        };
        move |hash: u64| hash >> start & mask
    };
    let is_near = |a: u64, b: u64| (a ^ b).count_ones() <= near;
    if near > 15 {
        // Pieces would be too short to tell hashes apart.
        for (a, one) in first.iter().enumerate() {
            for (b, other) in second.iter().enumerate() {
                if is_near(one.phash, other.phash) && is_near(one.dhash, other.dhash) {
                    found(a, b);
                }
            }
        }
        return;
    }
    for at in 0..pieces {
        let of = piece(at);
        let mut index: HashMap<u64, Vec<usize>, Fixed> = HashMap::default();
        for (b, other) in second.iter().enumerate() {
            index.entry(of(other.phash)).or_default().push(b);
        }
        for (a, one) in first.iter().enumerate() {
            let Some(candidates) = index.get(&of(one.phash)) else {
                continue;
            };
            for b in candidates {
                let other = &second[*b];
                // A pair with several pieces in common was found at the first of them.
                let earlier = || (0..at).any(|at| piece(at)(one.phash ^ other.phash) == 0);
                if is_near(one.phash, other.phash) && is_near(one.dhash, other.dhash) && !earlier()
                {
                    found(a, *b);
                }
            }
        }
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
                    exact: String::new(),
                    dhash: flip(base),
                    phash: flip(base),
                }
            })
            .collect()
    }

    #[test]
    fn the_pairs_are_those_of_comparing_all() {
        let (first, second) = (hashes(60, 1), hashes(50, 2));
        for near in [0, 1, 4, 6, 15, 16, 64] {
            let mut found = Vec::new();
            near_pairs(&first, &second, near, |a, b| found.push((a, b)));
            found.sort_unstable();
            let mut all = Vec::new();
            for (a, one) in first.iter().enumerate() {
                for (b, other) in second.iter().enumerate() {
                    let bits = |a: u64, b: u64| (a ^ b).count_ones();
                    if bits(one.phash, other.phash) <= near && bits(one.dhash, other.dhash) <= near
                    {
                        all.push((a, b));
                    }
                }
            }
            assert_eq!(found, all, "{near}");
            assert!(near < 4 || !all.is_empty());
        }
    }
}
