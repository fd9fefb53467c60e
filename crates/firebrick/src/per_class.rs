//! How many images each class has.

use firebrick_core::data::Dataset;

/// Images of each class.
pub(crate) fn per_class(split: &dyn Dataset, classes: usize) -> Vec<usize> {
    let mut counts = vec![0; classes];
    for index in 0..split.len() {
        if let Some(count) = counts.get_mut(split.label(index)) {
            *count += 1;
        }
    }
    counts
}
