//! `stacking`: a logistic regression on what the members predict.

use firebrick_types::about::{About, Field, Range};
use firebrick_types::metrics::softmax;
use firebrick_types::newton::{Goal, Objective, Point, minimize};
use serde::{Deserialize, Serialize};

use super::definition::{Combine, CombineConfig};
use crate::error::EnsembleError;
use crate::members::Members;

/// Multinomial logistic regression on the log-probabilities of all members and classes, fitted to validation images.
///
/// ```text
/// p = softmax(W x + b),   x = (ln p₁, …, ln p_M),   minimizing the mean NLL + l2/2 ‖W‖²
/// ```
///
/// Log-probabilities below ln 1e-12 count as that, so that no image weighs without bounds. It can learn which member
/// knows which class, and needs many validation images for it: it has M K² + K parameters for M members and K classes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Stacking {
    /// The strength of the penalty on the weights, finite and greater than 0; the intercepts b have none.
    pub l2: f64,
}

impl Default for Stacking {
    fn default() -> Self {
        Self { l2: 1e-3 }
    }
}

impl CombineConfig for Stacking {
    const ABOUT: About = About::new(
        "stacking",
        "predicts by a logistic regression on the members' log-probabilities, fitted to validation images",
        &[Field::new("l2", Range::Positive)],
    )
    .source("Wolpert 1992; Ting and Witten 1999");
}

/// The least log-probability that counts: ln 1e-12.
const FLOOR: f64 = -27.631_021_115_928_547;

/// More parameters than this are refused.
const MOST: usize = 2_000_000;

impl Combine for Stacking {
    fn parameters(&self, members: usize, classes: usize) -> usize {
        classes * (members * classes + 1)
    }

    fn fit(&self, members: &Members<'_>, labels: &[usize]) -> Result<Vec<f64>, EnsembleError> {
        let (count, classes) = (members.len(), members.classes());
        let parameters = self.parameters(count, classes);
        if parameters > MOST {
            return Err(EnsembleError::fit(
                "stacking",
                format!(
                    "{count} members of {classes} classes make {parameters} parameters, and the limit is {MOST}: use `weighted`, which has one for each member"
                ),
            ));
        }
        let mut inputs = Vec::with_capacity(members.images() * count * classes);
        members.each_image(|_, rows| inputs.extend(rows.iter().copied().flatten().map(floored)));
        let regression = Regression {
            inputs,
            labels,
            classes,
            width: count * classes,
            l2: self.l2,
        };
        minimize(&regression, vec![0.0; parameters], Goal::EXACT)
            .map_err(|problem| EnsembleError::no_minimum("stacking", problem))
    }

    fn image(&self, rows: &[&[f64]], parameters: &[f64], out: &mut [f64]) {
        let inputs: Vec<f64> = rows.iter().copied().flatten().map(floored).collect();
        outputs(&inputs, parameters, out);
    }
}

fn floored(value: &f64) -> f64 {
    value.max(FLOOR)
}

/// W x + b: for each class its weights, then its intercept.
fn outputs(inputs: &[f64], parameters: &[f64], out: &mut [f64]) {
    for (out, weights) in out
        .iter_mut()
        .zip(parameters.chunks_exact(inputs.len() + 1))
    {
        let products = inputs.iter().zip(weights).map(|(x, w)| x * w);
        *out = products.sum::<f64>() + weights[inputs.len()];
    }
}

/// What is minimized.
struct Regression<'a> {
    /// `[images × width]`.
    inputs: Vec<f64>,
    labels: &'a [usize],
    classes: usize,
    width: usize,
    l2: f64,
}

impl Regression<'_> {
    /// Adds a multiple of an image's inputs, and of 1, to the rows of all classes.
    fn add(&self, inputs: &[f64], by: &[f64], to: &mut [f64]) {
        for (row, by) in to.chunks_exact_mut(self.width + 1).zip(by) {
            for (to, input) in row.iter_mut().zip(inputs) {
                *to += by * input;
            }
            row[self.width] += by;
        }
    }

    /// The strength of the penalty on each parameter.
    fn penalties(&self) -> impl Iterator<Item = f64> {
        let width = self.width + 1;
        let parameters = 0..self.classes * width;
        parameters.map(move |at| {
            if at % width == width - 1 {
                0.0
            } else {
                self.l2
            }
        })
    }
}

impl Objective for Regression<'_> {
    /// The probabilities of all images.
    type State = Vec<f64>;

    fn at(&self, parameters: &[f64]) -> Point<Self::State> {
        let images = self.labels.len() as f64;
        let mut gradient = vec![0.0; parameters.len()];
        let mut value = 0.0;
        let mut state = Vec::with_capacity(self.labels.len() * self.classes);
        let mut row = vec![0.0; self.classes];
        for (inputs, label) in self.inputs.chunks_exact(self.width).zip(self.labels) {
            outputs(inputs, parameters, &mut row);
            value += (firebrick_types::metrics::log_sum_exp(&row) - row[*label]) / images;
            let probabilities = softmax(&row);
            let mut errors: Vec<f64> = probabilities.iter().map(|p| p / images).collect();
            errors[*label] -= 1.0 / images;
            self.add(inputs, &errors, &mut gradient);
            state.extend(probabilities);
        }
        for ((gradient, own), l2) in gradient.iter_mut().zip(parameters).zip(self.penalties()) {
            *gradient += l2 * own;
            value += 0.5 * l2 * own * own;
        }
        Point {
            value,
            gradient,
            state,
        }
    }

    fn curvature(&self, probabilities: &Self::State, along: &[f64]) -> Vec<f64> {
        let images = self.labels.len() as f64;
        let mut product = vec![0.0; along.len()];
        let mut row = vec![0.0; self.classes];
        let all = probabilities.chunks_exact(self.classes);
        for (inputs, probabilities) in self.inputs.chunks_exact(self.width).zip(all) {
            outputs(inputs, along, &mut row);
            let mean: f64 = row.iter().zip(probabilities).map(|(v, p)| v * p).sum();
            for (value, p) in row.iter_mut().zip(probabilities) {
                *value = p * (*value - mean) / images;
            }
            self.add(inputs, &row, &mut product);
        }
        for ((product, along), l2) in product.iter_mut().zip(along).zip(self.penalties()) {
            *product += l2 * along;
        }
        product
    }
}
