//! Images in the order of their confidence.

use firebrick_types::metrics::highest;

use crate::log_probabilities::LogProbabilities;

/// The confidence of each image and whether it is right, the surest first.
///
/// Where several images are equally sure, each is as right as they are on average, so that their order means nothing.
pub(super) fn surest_first(predicted: &LogProbabilities, labels: &[usize]) -> Vec<(f64, f64)> {
    let sure = |(row, label): (&[f64], &usize)| {
        let class = highest(row);
        (row[class].exp(), if class == *label { 1.0 } else { 0.0 })
    };
    let mut images: Vec<(f64, f64)> = predicted.rows().zip(labels).map(sure).collect();
    images.sort_by(|a, b| b.0.total_cmp(&a.0));
    for equals in images.chunk_by_mut(|a, b| a.0 == b.0) {
        let right: f64 = equals.iter().map(|(_, right)| right).sum();
        let mean = right / equals.len() as f64;
        equals.iter_mut().for_each(|(_, right)| *right = mean);
    }
    images
}
