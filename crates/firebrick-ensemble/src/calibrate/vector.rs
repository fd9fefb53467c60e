//! `vector`: a factor and a shift for each class.

use firebrick_types::about::About;
use firebrick_types::metrics::{log_sum_exp, softmax};
use firebrick_types::newton::{Goal, Objective, Point, minimize};
use serde::{Deserialize, Serialize};

use super::definition::{Calibrate, CalibrateConfig};
use crate::error::EnsembleError;
use crate::log_probabilities::LogProbabilities;

/// Vector scaling: softmax(w ∘ ln p + b), with a factor w and a shift b for each class.
///
/// It can change which class is the most probable. It has 2 K parameters for K classes, and needs validation images of
/// every class.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Vector {}

impl CalibrateConfig for Vector {
    const ABOUT: About = About::new(
        "vector",
        "multiplies and shifts the score of each class by the numbers of least validation NLL",
        &[],
    )
    .source("Guo et al. 2017");
}

/// The least log-probability that counts, which only an exact 0 is below: the smallest number's.
const FLOOR: f64 = -708.0;

impl Calibrate for Vector {
    fn parameters(&self, classes: usize) -> usize {
        2 * classes
    }

    fn fit(
        &self,
        predicted: &LogProbabilities,
        labels: &[usize],
    ) -> Result<Vec<f64>, EnsembleError> {
        let classes = predicted.classes();
        if let Some(class) = (0..classes).find(|class| !labels.contains(class)) {
            return Err(EnsembleError::fit(
                "vector",
                format!("class {class} has no validation image: use `temperature`, or more images"),
            ));
        }
        let scaling = Scaling { predicted, labels };
        let start = [vec![1.0; classes], vec![0.0; classes]].concat();
        minimize(&scaling, start, Goal::EXACT)
            .map_err(|problem| EnsembleError::no_minimum("vector", problem))
    }

    fn check(&self, parameters: &[f64]) -> Result<(), EnsembleError> {
        if parameters.iter().all(|value| value.is_finite()) {
            return Ok(());
        }
        let problem = "`vector` has a parameter that is not finite: fit it again";
        Err(EnsembleError::conflict(problem))
    }

    fn image(&self, row: &mut [f64], parameters: &[f64]) {
        let (factors, shifts) = parameters.split_at(row.len());
        for ((value, factor), shift) in row.iter_mut().zip(factors).zip(shifts) {
            *value = factor * value.max(FLOOR) + shift;
        }
    }
}

/// What is minimized.
struct Scaling<'a> {
    predicted: &'a LogProbabilities,
    labels: &'a [usize],
}

impl Scaling<'_> {
    /// Adds the gradient of an image from that of its scores.
    fn add(row: &[f64], by: &[f64], to: &mut [f64]) {
        let (factors, shifts) = to.split_at_mut(row.len());
        for (class, by) in by.iter().enumerate() {
            factors[class] += by * row[class].max(FLOOR);
            shifts[class] += by;
        }
    }
}

impl Objective for Scaling<'_> {
    /// The probabilities of all images.
    type State = Vec<f64>;

    fn at(&self, parameters: &[f64]) -> Point<Self::State> {
        let images = self.labels.len() as f64;
        let mut point = Point {
            value: 0.0,
            gradient: vec![0.0; parameters.len()],
            state: Vec::new(),
        };
        for (row, label) in self.predicted.rows().zip(self.labels) {
            let mut scores = row.to_vec();
            Vector {}.image(&mut scores, parameters);
            point.value += (log_sum_exp(&scores) - scores[*label]) / images;
            let probabilities = softmax(&scores);
            let mut errors: Vec<f64> = probabilities.iter().map(|p| p / images).collect();
            errors[*label] -= 1.0 / images;
            Self::add(row, &errors, &mut point.gradient);
            point.state.extend(probabilities);
        }
        point
    }

    fn curvature(&self, probabilities: &Self::State, along: &[f64]) -> Vec<f64> {
        let images = self.labels.len() as f64;
        let mut product = vec![0.0; along.len()];
        let all = probabilities.chunks_exact(self.predicted.classes());
        for (row, probabilities) in self.predicted.rows().zip(all) {
            let mut scores = row.to_vec();
            Vector {}.image(&mut scores, along);
            let mean: f64 = scores.iter().zip(probabilities).map(|(v, p)| v * p).sum();
            for (value, p) in scores.iter_mut().zip(probabilities) {
                *value = p * (*value - mean) / images;
            }
            Self::add(row, &scores, &mut product);
        }
        product
    }
}
