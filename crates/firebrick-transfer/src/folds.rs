//! Folds of a cross-validation, with about the same share of each class in every one.

use std::collections::BTreeMap;

use firebrick_types::ConfigError;
use firebrick_types::error::check;
use firebrick_types::random::rng;
use rand::seq::SliceRandom;

use crate::error::TransferError;
use crate::features::Features;

/// The fold in which each row is held out; none for an image that is alone in its class: it is always trained on.
///
/// Images are dealt to the folds class by class, in a random order; all views of an image are in one fold.
///
/// # Errors
/// [`ConfigError::OutOfRange`] for fewer than two folds, and [`ConfigError::Conflict`] where no class has two images.
pub fn stratified(
    features: &Features,
    folds: usize,
    seed: u64,
) -> Result<Vec<Option<usize>>, TransferError> {
    check("cross-validation", "folds", folds, 2..)?;
    let mut classes: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    let mut rows: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (row, (image, label)) in features.images().iter().zip(features.labels()).enumerate() {
        let views = rows.entry(*image).or_default();
        if views.is_empty() {
            classes.entry(*label).or_default().push(*image);
        }
        views.push(row);
    }
    let mut fold_of = vec![None; features.rows()];
    // Where the next class begins: folds stay equally large.
    let mut next = 0;
    for (class, mut images) in classes {
        if images.len() < 2 {
            continue;
        }
        images.sort_unstable();
        images.shuffle(&mut rng(seed, "folds", class as u64, 0));
        for image in images {
            for row in &rows[&image] {
                fold_of[*row] = Some(next % folds);
            }
            next += 1;
        }
    }
    if next == 0 {
        return Err(ConfigError::Conflict(
            "no class has two images, so none can be held out: add images".into(),
        )
        .into());
    }
    Ok(fold_of)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn features(labels: &[usize]) -> Features {
        let classes = (0..4).map(|class| class.to_string()).collect();
        Features::new(vec![0.0; labels.len()], 1, labels.to_vec(), classes).unwrap()
    }

    #[test]
    fn each_fold_has_its_share_of_each_class() {
        let labels: Vec<usize> = (0..103).map(|row| usize::from(row % 5 == 0)).collect();
        let folds = stratified(&features(&labels), 5, 3).unwrap();
        for class in 0..2 {
            let total = labels.iter().filter(|label| **label == class).count();
            for fold in 0..5 {
                let here = (0..103)
                    .filter(|row| labels[*row] == class && folds[*row] == Some(fold))
                    .count();
                assert!(
                    here == total / 5 || here == total / 5 + 1,
                    "{here} of {total}"
                );
            }
        }
        let sizes = |fold| folds.iter().filter(|f| **f == Some(fold)).count();
        assert!((0..5).all(|fold| sizes(fold) == 20 || sizes(fold) == 21));
        assert_ne!(folds, stratified(&features(&labels), 5, 4).unwrap());
    }

    #[test]
    fn folds_are_pinned() {
        let folds = stratified(&features(&[0, 0, 1, 1, 0, 1]), 2, 7).unwrap();
        let folds: Vec<usize> = folds.into_iter().flatten().collect();
        assert_eq!(folds, [0, 0, 1, 0, 1, 1]);
    }

    #[test]
    fn views_of_an_image_stay_together_and_single_images_are_trained_on() {
        let labels = [0, 0, 0, 0, 1, 1, 1, 1, 2, 2];
        let images = [0, 0, 1, 1, 2, 2, 3, 3, 4, 4];
        let features = features(&labels).with_images(images.to_vec()).unwrap();
        let folds = stratified(&features, 2, 0).unwrap();
        for pair in folds.chunks(2) {
            assert_eq!(pair[0], pair[1]);
        }
        assert_eq!(folds[8], None);
        assert_ne!(folds[0], folds[2]);
    }

    #[test]
    fn without_two_images_of_a_class_nothing_is_held_out() {
        assert!(stratified(&features(&[0, 1, 2]), 3, 0).is_err());
        assert!(stratified(&features(&[0, 0]), 1, 0).is_err());
    }
}
