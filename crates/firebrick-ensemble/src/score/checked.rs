//! What every figure asks of its predictions and labels.

use crate::error::{EnsembleError, check_labels};
use crate::log_probabilities::LogProbabilities;

/// Refuses labels that do not go with the images, and no images.
pub(super) fn check(predicted: &LogProbabilities, labels: &[usize]) -> Result<(), EnsembleError> {
    if predicted.is_empty() {
        return Err(EnsembleError::NoImages);
    }
    check_labels(labels, predicted.len(), predicted.classes())
}
