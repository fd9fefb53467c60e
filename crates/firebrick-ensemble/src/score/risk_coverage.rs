//! The error among the surest images.

use super::checked::check;
use super::surest::surest_first;
use crate::error::EnsembleError;
use crate::log_probabilities::LogProbabilities;

/// How the error falls when the least sure images are left to someone else.
#[derive(Debug, Clone, PartialEq)]
pub struct RiskCoverage {
    /// The error rate among the surest 1, 2, … of all images.
    pub risks: Vec<f64>,
    /// The area under it.
    pub aurc: f64,
}

/// The risk-coverage curve (El-Yaniv and Wiener 2010; Geifman and El-Yaniv 2017), by the probability of the predicted
/// class, and the area under it: by the trapezoid rule from a coverage of one image to that of all, divided by this
/// width, as in TorchUncertainty. Of one image, the area is its error.
///
/// # Errors
/// [`EnsembleError::NoImages`]; labels that do not go with the images.
pub fn risk_coverage(
    predicted: &LogProbabilities,
    labels: &[usize],
) -> Result<RiskCoverage, EnsembleError> {
    check(predicted, labels)?;
    let mut wrong = 0.0;
    let images = surest_first(predicted, labels);
    let risk = |(at, (_, right)): (usize, &(f64, f64))| {
        wrong += 1.0 - right;
        wrong / (at + 1) as f64
    };
    let risks: Vec<f64> = images.iter().enumerate().map(risk).collect();
    let count = risks.len();
    let aurc = if count == 1 {
        risks[0]
    } else {
        let ends = 0.5 * (risks[0] + risks[count - 1]);
        (risks.iter().sum::<f64>() - ends) / (count - 1) as f64
    };
    Ok(RiskCoverage { risks, aurc })
}
