//! The objective of the logistic regression, with its derivatives.

use std::borrow::Cow;

use firebrick_types::newton::{Objective, Point};

use crate::design::{Design, product};
use crate::eigen::Spectrum;
use crate::features::Features;

/// The weighted mean NLL and the penalty, of the parameters of all classes: for each its weights, then its intercept.
pub(crate) struct Softmax<'a> {
    design: &'a Design<'a>,
    labels: &'a [usize],
    classes: usize,
    l2: f64,
    spectrum: &'a Spectrum,
}

/// What the curvature needs of a point.
pub(crate) struct Probabilities {
    /// `[rows × classes]`.
    all: Vec<f64>,
    /// The mean of p (1 - p) of each class: about how much the NLL curves in its logits.
    spread: Vec<f64>,
}

impl<'a> Softmax<'a> {
    pub(super) fn new(
        design: &'a Design<'a>,
        features: &'a Features,
        l2: f64,
        spectrum: &'a Spectrum,
    ) -> Self {
        Self {
            design,
            labels: features.labels(),
            classes: features.classes().len(),
            l2,
            spectrum,
        }
    }

    /// No weights, and the intercepts that are best without: the logarithms of the shares of the classes.
    pub(super) fn start(&self) -> Vec<f64> {
        let mut shares = vec![0.0; self.classes];
        for (row, weight) in self.design.rows() {
            shares[self.labels[*row]] += weight;
        }
        let width = self.design.width();
        let mut start = vec![0.0; self.classes * (width + 1)];
        for (row, share) in start.chunks_exact_mut(width + 1).zip(shares) {
            // A class that has no row here; see `folds`.
            row[width] = f64::max(share, 1e-9).ln();
        }
        start
    }

    /// The largest part of the gradient.
    pub(super) fn steepest(&self, parameters: &[f64]) -> f64 {
        let gradient = self.at(parameters).gradient;
        gradient.iter().fold(0.0, |most, part| part.abs().max(most))
    }

    /// Adds the penalty's part to a product with the parameters, and gives its value.
    fn penalize(&self, parameters: &[f64], to: &mut [f64]) -> f64 {
        let width = self.design.width();
        let mut square = 0.0;
        let rows = parameters.chunks_exact(width + 1);
        for (parameters, to) in rows.zip(to.chunks_exact_mut(width + 1)) {
            let weights = &parameters[..width];
            square += product(weights, weights);
            for (to, weight) in to.iter_mut().zip(weights) {
                *to += self.l2 * weight;
            }
        }
        0.5 * self.l2 * square
    }
}

/// Makes probabilities of logits and gives the logarithm of the sum of their exponentials.
fn softmax(logits: &mut [f64]) -> f64 {
    let most = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut sum = 0.0;
    for logit in logits.iter_mut() {
        *logit = (*logit - most).exp();
        sum += *logit;
    }
    logits.iter_mut().for_each(|p| *p /= sum);
    most + sum.ln()
}

impl Objective for Softmax<'_> {
    type State = Probabilities;

    fn at(&self, parameters: &[f64]) -> Point<Probabilities> {
        let turned = self
            .design
            .there_and_back(parameters, |place, outputs, kept| {
                let (row, weight) = self.design.rows()[place];
                let label = self.labels[row];
                let logit = outputs[label];
                let nll = softmax(outputs) - logit;
                kept.extend(&*outputs);
                outputs[label] -= 1.0;
                outputs.iter_mut().for_each(|error| *error *= weight);
                weight * nll
            });
        let mut gradient = turned.sums;
        let value = turned.value + self.penalize(parameters, &mut gradient);
        let mut spread = vec![0.0; self.classes];
        let rows = turned.kept.chunks_exact(self.classes);
        for (row, (_, weight)) in rows.zip(self.design.rows()) {
            for (spread, p) in spread.iter_mut().zip(row) {
                *spread += weight * p * (1.0 - p);
            }
        }
        Point {
            value,
            gradient,
            state: Probabilities {
                all: turned.kept,
                spread,
            },
        }
    }

    fn curvature(&self, probabilities: &Probabilities, along: &[f64]) -> Vec<f64> {
        let turned = self.design.there_and_back(along, |place, outputs, _| {
            let weight = self.design.rows()[place].1;
            let p = &probabilities.all[place * self.classes..(place + 1) * self.classes];
            let mean: f64 = outputs.iter().zip(p).map(|(v, p)| v * p).sum();
            for (value, p) in outputs.iter_mut().zip(p) {
                *value = weight * p * (*value - mean);
            }
            0.0
        });
        let mut product = turned.sums;
        self.penalize(along, &mut product);
        product
    }

    /// As if the classes did not touch, and the probabilities did not depend on the features: for each class
    /// (spread · covariance + l2)⁻¹, with the covariance in its largest directions and a mean variance in all others.
    fn precondition<'a>(
        &self,
        probabilities: &Probabilities,
        residual: &'a [f64],
    ) -> Cow<'a, [f64]> {
        let width = self.design.width();
        let known = &self.spectrum.values;
        let left = (self.spectrum.total - known.iter().sum::<f64>()).max(0.0);
        let others = self
            .design
            .rows()
            .len()
            .min(width)
            .saturating_sub(known.len());
        let rest = left / others.max(1) as f64;
        let rest = rest.min(known.last().copied().unwrap_or(rest));
        let mut made = residual.to_vec();
        for (row, spread) in made.chunks_exact_mut(width + 1).zip(&probabilities.spread) {
            let spread = spread.max(1e-6);
            let (weights, intercept) = row.split_at_mut(width);
            // Nothing curves in directions that no image has: there is no residual either.
            let of = |variance: f64| 1.0 / (spread * variance + self.l2).max(1e-12);
            let outside = of(rest);
            let alongs: Vec<f64> = self
                .spectrum
                .vectors
                .iter()
                .map(|vector| product(weights, vector))
                .collect();
            weights.iter_mut().for_each(|weight| *weight *= outside);
            for ((vector, along), value) in self.spectrum.vectors.iter().zip(alongs).zip(known) {
                let by = (of(*value) - outside) * along;
                for (weight, vector) in weights.iter_mut().zip(vector) {
                    *weight += by * vector;
                }
            }
            intercept[0] /= spread;
        }
        Cow::Owned(made)
    }
}
