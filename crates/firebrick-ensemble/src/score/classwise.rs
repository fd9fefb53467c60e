//! The calibration error of each class.

use firebrick_types::metrics::{BINS, bin_of};

use super::checked::check;
use crate::error::EnsembleError;
use crate::log_probabilities::LogProbabilities;

/// The classwise calibration error (Kull et al. 2019): for each class, the gap between its probability and how often it
/// is right, over 15 bins of equal width of this probability; the mean over all classes.
///
/// # Errors
/// [`EnsembleError::NoImages`]; labels that do not go with the images.
pub fn ece_classwise(predicted: &LogProbabilities, labels: &[usize]) -> Result<f64, EnsembleError> {
    check(predicted, labels)?;
    let classes = predicted.classes();
    // Right minus expected, for each class and bin.
    let mut gaps = vec![0.0; classes * BINS];
    for (row, label) in predicted.rows().zip(labels) {
        for (class, value) in row.iter().enumerate() {
            let probability = value.exp();
            let right = if class == *label { 1.0 } else { 0.0 };
            gaps[class * BINS + bin_of(probability)] += right - probability;
        }
    }
    let sum: f64 = gaps.iter().map(|gap| gap.abs()).sum();
    Ok(sum / (predicted.len() * classes) as f64)
}
