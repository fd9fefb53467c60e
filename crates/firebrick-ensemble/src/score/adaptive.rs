//! The calibration error over bins of equal mass.

use firebrick_types::metrics::BINS;

use super::checked::check;
use super::surest::surest_first;
use crate::error::EnsembleError;
use crate::log_probabilities::LogProbabilities;

/// The adaptive calibration error of the predicted class (Nguyen and O'Connor 2015; Nixon et al. 2019): as the expected
/// calibration error, but each of the 15 bins has as many images as the others, or one more. The bins of the least
/// confidence have the one more.
///
/// # Errors
/// [`EnsembleError::NoImages`]; labels that do not go with the images.
pub fn ece_adaptive(predicted: &LogProbabilities, labels: &[usize]) -> Result<f64, EnsembleError> {
    check(predicted, labels)?;
    let mut images = surest_first(predicted, labels);
    images.reverse();
    let count = images.len();
    let mut from = 0;
    let mut gaps = 0.0;
    for bin in 0..BINS {
        let to = from + count / BINS + usize::from(bin < count % BINS);
        let gap: f64 = images[from..to]
            .iter()
            .map(|(confidence, right)| right - confidence)
            .sum();
        gaps += gap.abs();
        from = to;
    }
    Ok(gaps / count as f64)
}
