//! Parts of a data set: a seeded validation split, and fewer images of every class.

use std::sync::{Arc, OnceLock};

use firebrick_types::ConfigError;
use firebrick_types::data::{DataError, Dataset, Sample};
use firebrick_types::error::check;
use firebrick_types::image::Size;
use firebrick_types::random::{HostRng, rng};
use rand::seq::SliceRandom;
use sha2::{Digest, Sha256};

/// Some images of another data set, by index.
pub struct Subset {
    dataset: Arc<dyn Dataset>,
    indices: Vec<usize>,
    /// Computed when it is first asked for, which for a folder reads every file.
    fingerprint: OnceLock<String>,
}

impl Subset {
    /// The images `indices` of `dataset`, in that order.
    ///
    /// # Errors
    /// [`ConfigError::OutOfRange`] for an index that the data set does not have.
    pub fn new(dataset: Arc<dyn Dataset>, indices: Vec<usize>) -> Result<Self, ConfigError> {
        for index in &indices {
            check("subset", "index", *index, 0..dataset.len())?;
        }
        Ok(Self {
            dataset,
            indices,
            fingerprint: OnceLock::new(),
        })
    }

    /// The index of each image in the whole data set.
    #[must_use]
    pub fn indices(&self) -> &[usize] {
        &self.indices
    }
}

/// An index beyond the end panics, as it does for a slice.
impl Dataset for Subset {
    fn len(&self) -> usize {
        self.indices.len()
    }

    fn get(&self, index: usize) -> Result<Sample, DataError> {
        self.dataset.get(self.indices[index])
    }

    fn label(&self, index: usize) -> usize {
        self.dataset.label(self.indices[index])
    }

    fn classes(&self) -> &[String] {
        self.dataset.classes()
    }

    fn describe(&self, index: usize) -> String {
        self.dataset.describe(self.indices[index])
    }

    fn checksum(&self, index: usize) -> Option<[u8; 32]> {
        self.dataset.checksum(self.indices[index])
    }

    fn image_size(&self) -> Option<Size> {
        self.dataset.image_size()
    }

    fn fingerprint(&self) -> String {
        let take = || {
            let mut hash = Sha256::new();
            hash.update(self.dataset.fingerprint());
            for index in &self.indices {
                hash.update((*index as u64).to_le_bytes());
            }
            let digest: String = hash.finalize()[..16]
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect();
            format!("subset-{}-{digest}", self.indices.len())
        };
        self.fingerprint.get_or_init(take).clone()
    }
}

/// What is left for training, and what is kept aside for validation.
pub type Parts = (Arc<dyn Dataset>, Option<Arc<dyn Dataset>>);

/// Keeps a part of `dataset` aside for validation: `round(valid_fraction · len)` images, but at
/// least one and not all.
///
/// `stratified` gives every class its proportional share, and takes the last image of a class only
/// when all others are used up. Both parts keep the order of the data set. The fraction 0, or a
/// data set with fewer than two images, gives no validation part and the data set unchanged.
///
/// # Errors
/// [`ConfigError::OutOfRange`] when the fraction is not in [0, 1).
pub fn split(
    dataset: Arc<dyn Dataset>,
    valid_fraction: f64,
    seed: u64,
    stratified: bool,
) -> Result<Parts, ConfigError> {
    check("split", "valid_fraction", valid_fraction, 0.0..1.0)?;
    let len = dataset.len();
    if valid_fraction == 0.0 || len < 2 {
        return Ok((dataset, None));
    }
    let count = ((len as f64 * valid_fraction).round() as usize).clamp(1, len - 1);
    let mut kept_aside = vec![false; len];
    if stratified {
        for index in by_class(&*dataset, count, seed, "split", 1) {
            kept_aside[index] = true;
        }
    } else {
        let mut order: Vec<usize> = (0..len).collect();
        order.shuffle(&mut rng(seed, "split", 0, 0));
        for index in &order[..count] {
            kept_aside[*index] = true;
        }
    }
    let (valid, train) = (0..len).partition(|index| kept_aside[*index]);
    let train = Subset::new(dataset.clone(), train)?;
    let valid = Subset::new(dataset, valid)?;
    Ok((Arc::new(train), Some(Arc::new(valid))))
}

/// At most `count` images of `dataset`, every class with its proportional share, in the order of
/// the data set. A data set that is not larger is returned unchanged.
///
/// # Errors
/// [`ConfigError::OutOfRange`] when `count` is 0.
pub fn limit(
    dataset: Arc<dyn Dataset>,
    count: usize,
    seed: u64,
) -> Result<Arc<dyn Dataset>, ConfigError> {
    check("data", "limit_train", count, 1..)?;
    if count >= dataset.len() {
        return Ok(dataset);
    }
    let mut indices = by_class(&*dataset, count, seed, "limit", 0);
    indices.sort_unstable();
    Ok(Arc::new(Subset::new(dataset, indices)?))
}

/// `count` random images, each class with its proportional share, `spare` images of each class
/// being taken only when nothing else is left.
fn by_class(
    dataset: &dyn Dataset,
    count: usize,
    seed: u64,
    purpose: &str,
    spare: usize,
) -> Vec<usize> {
    let classes = (0..dataset.len())
        .map(|index| dataset.label(index) + 1)
        .max()
        .unwrap_or(0);
    let mut images = vec![Vec::new(); classes];
    for index in 0..dataset.len() {
        images[dataset.label(index)].push(index);
    }
    let sizes: Vec<usize> = images.iter().map(Vec::len).collect();
    let shares = apportion(&sizes, count, spare, &mut rng(seed, purpose, 1, 0));
    images
        .iter_mut()
        .zip(shares)
        .enumerate()
        .flat_map(|(class, (images, share))| {
            images.shuffle(&mut rng(seed, purpose, 0, class as u64));
            images[..share].iter().copied()
        })
        .collect()
}

/// How many of `count` each class gets: by largest remainders, ties in random order, so that a
/// count smaller than the number of classes does not always fall to the first ones.
fn apportion(sizes: &[usize], count: usize, spare: usize, rng: &mut HostRng) -> Vec<usize> {
    let total: usize = sizes.iter().sum::<usize>().max(1);
    // Products of image counts: 128 bits are always enough.
    let exact = |size: usize| size as u128 * count as u128;
    let mut shares: Vec<usize> = sizes
        .iter()
        .map(|size| ((exact(*size) / total as u128) as usize).min(size.saturating_sub(spare)))
        .collect();
    let mut order: Vec<usize> = (0..sizes.len()).collect();
    order.shuffle(rng);
    // Furthest below its exact share first.
    order.sort_by_key(|class| {
        let given = shares[*class] as u128 * total as u128;
        std::cmp::Reverse(exact(sizes[*class]) - given)
    });
    let mut missing = count.min(total) - shares.iter().sum::<usize>();
    for spare in [spare, 0] {
        let mut gave = true;
        while missing > 0 && gave {
            gave = false;
            for class in &order {
                if missing > 0 && shares[*class] + spare < sizes[*class] {
                    shares[*class] += 1;
                    missing -= 1;
                    gave = true;
                }
            }
        }
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;
    use firebrick_types::data::Image;
    use proptest::prelude::*;

    struct Labels(Vec<usize>, Vec<String>);

    impl Dataset for Labels {
        fn len(&self) -> usize {
            self.0.len()
        }
        fn get(&self, index: usize) -> Result<Sample, DataError> {
            let mut image = Image::black(1, 1, 1);
            image.pixels[0] = index as u8;
            Ok(Sample {
                image,
                label: self.0[index],
            })
        }
        fn label(&self, index: usize) -> usize {
            self.0[index]
        }
        fn classes(&self) -> &[String] {
            &self.1
        }
        fn describe(&self, index: usize) -> String {
            format!("labels[{index}]")
        }
        fn fingerprint(&self) -> String {
            format!("labels-{}", self.0.len())
        }
    }

    /// `sizes[c]` images of class c, interleaved.
    fn images(sizes: &[usize]) -> Arc<dyn Dataset> {
        let longest = sizes.iter().copied().max().unwrap_or(0);
        let labels = (0..longest)
            .flat_map(|round| (0..sizes.len()).filter(move |class| round < sizes[*class]))
            .collect();
        Arc::new(Labels(
            labels,
            sizes.iter().map(|_| "class".into()).collect(),
        ))
    }

    fn counts(dataset: &dyn Dataset, classes: usize) -> Vec<usize> {
        let mut counts = vec![0; classes];
        for index in 0..dataset.len() {
            counts[dataset.label(index)] += 1;
        }
        counts
    }

    fn names(dataset: &dyn Dataset) -> Vec<String> {
        (0..dataset.len())
            .map(|index| dataset.describe(index))
            .collect()
    }

    #[test]
    fn every_class_gives_its_share_and_no_image_is_lost() {
        let whole = images(&[50, 30, 20, 10]);
        let (train, valid) = split(whole.clone(), 0.2, 3, true).unwrap();
        let valid = valid.unwrap();
        assert_eq!(counts(&*valid, 4), [10, 6, 4, 2]);
        assert_eq!(counts(&*train, 4), [40, 24, 16, 8]);
        let mut all = [names(&*train), names(&*valid)].concat();
        let mut expected = names(&*whole);
        all.sort();
        expected.sort();
        assert_eq!(all, expected);
        // The image behind an index is the one that its label and name speak of.
        let sample = valid.get(3).unwrap();
        assert_eq!(sample.label, valid.label(3));
        assert_eq!(
            valid.describe(3),
            format!("labels[{}]", sample.image.pixels[0])
        );
    }

    #[test]
    fn the_seed_decides_and_the_fingerprint_shows_it() {
        for stratified in [true, false] {
            let valid = |seed| {
                split(images(&[40, 40]), 0.25, seed, stratified)
                    .unwrap()
                    .1
                    .unwrap()
            };
            assert_eq!(valid(1).len(), 20);
            assert_eq!(names(&*valid(1)), names(&*valid(1)));
            assert_ne!(names(&*valid(1)), names(&*valid(2)));
            assert_eq!(valid(1).fingerprint(), valid(1).fingerprint());
            assert_ne!(valid(1).fingerprint(), valid(2).fingerprint());
        }
        // The same indices of another set are another part.
        let part = |size| {
            Subset::new(images(&[size]), vec![0, 1])
                .unwrap()
                .fingerprint()
        };
        assert_ne!(part(9), part(90));
    }

    #[test]
    fn small_sets_are_split_sensibly() {
        let parts = |sizes: &[usize], fraction| {
            let (train, valid) = split(images(sizes), fraction, 0, true).unwrap();
            (train.len(), valid.map(|valid| valid.len()))
        };
        assert_eq!(parts(&[40], 0.0), (40, None));
        assert_eq!(parts(&[1], 0.5), (1, None));
        assert_eq!(parts(&[0], 0.5), (0, None));
        assert_eq!(parts(&[2], 0.01), (1, Some(1)));
        assert_eq!(parts(&[2], 0.99), (1, Some(1)));
        assert_eq!(
            parts(&[1, 1, 1, 1], 0.1),
            (3, Some(1)),
            "one image in each class"
        );
        // The single image of class 1 stays in training.
        let (train, valid) = split(images(&[3, 1]), 0.5, 0, true).unwrap();
        assert_eq!(counts(&*train, 2), [1, 1]);
        assert_eq!(counts(&*valid.unwrap(), 2), [2, 0]);
        for fraction in [-0.1, 1.0, f64::NAN] {
            assert!(
                split(images(&[4]), fraction, 0, true).is_err(),
                "{fraction}"
            );
        }
    }

    #[test]
    fn a_limit_keeps_the_proportions() {
        let limited = |count| limit(images(&[60, 30, 10]), count, 5).unwrap();
        assert_eq!(counts(&*limited(10), 3), [6, 3, 1]);
        assert_eq!(counts(&*limited(100), 3), [60, 30, 10]);
        assert_eq!(limited(1000).fingerprint(), "labels-100", "unchanged");
        assert_eq!(limited(1).len(), 1);
        assert!(limit(images(&[4]), 0, 0).is_err());
        // Fewer images than classes: no class is asked twice, and the seed decides which.
        let few = |seed| counts(&*limit(images(&[5; 10]), 3, seed).unwrap(), 10);
        assert_eq!(few(0).iter().max(), Some(&1));
        assert_ne!(few(0), few(1));
        assert!(Subset::new(images(&[4]), vec![0, 4]).is_err());
    }

    proptest! {
        #[test]
        fn shares_add_up_and_never_exceed_a_class(
            sizes in prop::collection::vec(0_usize..50, 1..8),
            count in 0_usize..200,
            spare in 0_usize..2,
        ) {
            let shares = apportion(&sizes, count, spare, &mut rng(0, "test", 0, 0));
            let total: usize = sizes.iter().sum();
            prop_assert_eq!(shares.iter().sum::<usize>(), count.min(total));
            let classes = sizes.iter().filter(|size| **size > 0).count();
            for (share, size) in shares.iter().zip(&sizes) {
                prop_assert!(share <= size);
                // As long as there is enough without them, nobody gives the last one.
                if *size > 0 && count + classes * spare <= total {
                    prop_assert!(share + spare <= *size, "{:?} {:?}", shares, sizes);
                }
            }
        }
    }
}
