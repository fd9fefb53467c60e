//! Draws with replacement.

use firebrick_types::random::rng;
use rand::RngExt;

/// Draws a class by weight and then one of its images, once for each label.
pub(super) fn draw(labels: &[usize], weights: &[f64], seed: u64, epoch: u64) -> Vec<usize> {
    let mut images = vec![Vec::new(); weights.len()];
    for (index, label) in labels.iter().enumerate() {
        if let Some(class) = images.get_mut(*label) {
            class.push(index);
        }
    }
    // Only classes that can be drawn, each with the sum of the weights up to and including its own.
    // Relative to the largest weight, so that the sum is finite.
    let largest = weights.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
    let mut total = 0.0;
    let mut bins = Vec::new();
    for (class, weight) in images.iter().zip(weights) {
        if !class.is_empty() && *weight > 0.0 {
            total += weight / largest;
            bins.push((total, class));
        }
    }
    let Some(last) = bins.len().checked_sub(1) else {
        return Vec::new();
    };
    let mut rng = rng(seed, "draw", epoch, 0);
    labels
        .iter()
        .map(|_| {
            let point = rng.random::<f64>() * total;
            // Rounding can make the point equal to the total: then it is the last class.
            let bin = bins.partition_point(|(end, _)| *end <= point).min(last);
            let class = bins[bin].1;
            class[rng.random_range(0..class.len())]
        })
        .collect()
}
