//! `temperature`: one number that divides all scores.

use firebrick_types::about::About;
use firebrick_types::metrics::softmax;
use serde::{Deserialize, Serialize};

use super::definition::{Calibrate, CalibrateConfig};
use crate::error::EnsembleError;
use crate::log_probabilities::LogProbabilities;
use crate::members::check_temperature;

/// Temperature scaling: softmax(ln p / T). Above 1 it makes predictions less sure, below 1 surer; which class is the most
/// probable stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Temperature {}

impl CalibrateConfig for Temperature {
    const ABOUT: About = About::new(
        "temperature",
        "divides all scores by the number of least validation NLL",
        &[],
    )
    .source("Guo et al. 2017");
}

impl Calibrate for Temperature {
    fn parameters(&self, _classes: usize) -> usize {
        1
    }

    fn fit(
        &self,
        predicted: &LogProbabilities,
        labels: &[usize],
    ) -> Result<Vec<f64>, EnsembleError> {
        best_temperature(predicted, labels).map(|temperature| vec![temperature])
    }

    fn check(&self, parameters: &[f64]) -> Result<(), EnsembleError> {
        parameters.iter().try_for_each(|t| check_temperature(*t))
    }

    fn image(&self, row: &mut [f64], parameters: &[f64]) {
        row.iter_mut().for_each(|value| *value /= parameters[0]);
    }
}

/// The temperatures that are looked at, as logarithms of 1 / T: from 1e6 down to 1e-6.
const RANGE: f64 = 13.815_510_557_964_274;

/// The temperature of least mean NLL.
///
/// The NLL is convex in 1 / T, so that its slope has one zero: Newton's method finds it in ln T to 1e-13, between two
/// temperatures with slopes of opposite signs.
fn best_temperature(predicted: &LogProbabilities, labels: &[usize]) -> Result<f64, EnsembleError> {
    let refused = |problem: String| Err(EnsembleError::fit("temperature", problem));
    let mut rows = predicted.rows().zip(labels);
    if let Some(image) = rows.position(|(row, label)| row[*label] == f64::NEG_INFINITY) {
        return refused(format!(
            "image {image} gives its own class the probability 0, so the NLL is infinite at every temperature"
        ));
    }
    let (mut low, mut high) = (-RANGE, RANGE);
    let mut at = 0.0;
    let (slope, _) = derivatives(predicted, labels, at);
    if slope == 0.0 {
        return Ok(1.0);
    }
    if derivatives(predicted, labels, low).0 >= 0.0 {
        return refused(
            "no temperature is better than predicting all classes alike: are labels and predictions in the same order?"
                .into(),
        );
    }
    if derivatives(predicted, labels, high).0 <= 0.0 {
        return refused(
            "the right class has the highest score in every image, so the best temperature is 0: use more validation images"
                .into(),
        );
    }
    for _ in 0..200 {
        let (slope, curvature) = derivatives(predicted, labels, at);
        if slope == 0.0 {
            break;
        }
        if slope > 0.0 {
            high = at;
        } else {
            low = at;
        }
        let newton = at - slope / curvature;
        let next = if low < newton && newton < high {
            newton
        } else {
            0.5 * (low + high)
        };
        let moved = (next - at).abs();
        at = next;
        if moved < 1e-13 {
            break;
        }
    }
    Ok((-at).exp())
}

/// The derivative of the mean NLL by β = 1 / T, at ln β, and the derivative of this by ln β.
fn derivatives(predicted: &LogProbabilities, labels: &[usize], at: f64) -> (f64, f64) {
    let beta = at.exp();
    let (mut slope, mut curvature) = (0.0, 0.0);
    for (row, label) in predicted.rows().zip(labels) {
        let scaled: Vec<f64> = row.iter().map(|value| beta * value).collect();
        // A class that cannot be counts nothing at any temperature.
        let terms = || {
            let all = softmax(&scaled).into_iter().zip(row);
            all.filter(|(p, _)| *p > 0.0)
        };
        // From the right class, so that a prediction that is right leaves no rounding of large numbers.
        let mean: f64 = terms().map(|(p, value)| p * (value - row[*label])).sum();
        let square: f64 = terms()
            .map(|(p, value)| p * (value - row[*label] - mean).powi(2))
            .sum();
        slope += mean;
        curvature += beta * square;
    }
    let images = labels.len() as f64;
    (slope / images, curvature / images)
}
