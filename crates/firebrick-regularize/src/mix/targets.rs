//! Soft targets of mixed images.

use firebrick_core::data::{Batch, Targets};

/// The image that image `at` of a batch is mixed with: the one before it, the last for the first.
pub(super) fn partner(at: usize, images: usize) -> usize {
    (at + images - 1) % images
}

/// The targets of a batch in which `share` of each image is its own and the rest its partner's. What a teacher says is
/// left out: it is asked about the images as they are mixed.
pub(super) fn mixed(batch: &Batch, share: f64) -> Targets {
    let classes = batch.classes;
    let mut values = vec![0.0; batch.len() * classes];
    for (at, row) in values.chunks_exact_mut(classes).enumerate() {
        for (of, part) in [(at, share), (partner(at, batch.len()), 1.0 - share)] {
            add(row, &batch.targets, of, part as f32);
        }
    }
    Targets::Soft { values, classes }
}

/// Adds a part of the target of one image.
fn add(row: &mut [f32], targets: &Targets, of: usize, part: f32) {
    match targets {
        Targets::Classes(labels) => row[labels[of]] += part,
        Targets::Soft { values, .. } => {
            let other = &values[of * row.len()..][..row.len()];
            for (sum, value) in row.iter_mut().zip(other) {
                *sum += part * value;
            }
        }
        Targets::Taught { labels, .. } => add(row, labels, of, part),
    }
}
