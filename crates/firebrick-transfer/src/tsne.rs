//! t-SNE: a map of features on which images that are near each other stay neighbours.
//!
//! Source: van der Maaten and Hinton, "Visualizing data using t-SNE", JMLR 2008, without approximation, with the start by principal
//! components (Kobak and Linderman 2021) and the rate of Belkina et al. 2019, as scikit-learn's `TSNE(method="exact", init="pca",
//! learning_rate="auto")`. Distances on the map between groups say little; who is near whom does.

use std::ops::Bound;

use firebrick_types::ConfigError;
use firebrick_types::error::check;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::error::TransferError;
use crate::features::Features;
use crate::pca::pca;

/// The most rows: the time grows with their square.
pub const MOST: usize = 5000;

/// How the map is drawn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tsne {
    /// About how many neighbours each image has, greater than 1 and less than the number of images.
    pub perplexity: f64,
    /// The number of steps, at least 1.
    pub iterations: usize,
}

impl Default for Tsne {
    fn default() -> Self {
        Self {
            perplexity: 30.0,
            iterations: 1000,
        }
    }
}

/// The map.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Map {
    /// Where each row lies.
    pub points: Vec<[f64; 2]>,
    /// The Kullback-Leibler divergence of the neighbourhoods on the map from those of the features.
    pub divergence: f64,
    /// That of the map by principal components, where it began.
    pub divergence_at_start: f64,
}

/// Steps in which neighbours attract each other more, so that groups form.
const EARLY: usize = 250;
/// By how much more.
const EXAGGERATION: f64 = 12.0;
/// The standard deviation of the map's first coordinate at the start.
const START: f64 = 1e-4;

impl Tsne {
    /// Draws the map. The same features give the same map.
    ///
    /// # Errors
    /// [`TransferError`] for settings out of range, fewer than 4 rows or more than 5000.
    pub fn fit(&self, features: &Features) -> Result<Map, TransferError> {
        let rows = features.rows();
        if !(4..=MOST).contains(&rows) {
            return Err(ConfigError::Conflict(format!(
                "t-SNE draws 4 to {MOST} images, and there are {rows}: give a part of them"
            ))
            .into());
        }
        let neighbours = (Bound::Excluded(1.0), Bound::Excluded(rows as f64));
        check("tsne", "perplexity", self.perplexity, neighbours)?;
        check("tsne", "iterations", self.iterations, 1..)?;
        let neighbourhoods = joint_probabilities(features, self.perplexity);
        let mut points = start(features)?;
        let divergence_at_start = at(&points, &neighbourhoods, 1.0).0;
        self.descend(&mut points, &neighbourhoods);
        Ok(Map {
            divergence: at(&points, &neighbourhoods, 1.0).0,
            divergence_at_start,
            points,
        })
    }

    /// Gradient descent with momentum and a gain for each coordinate (Jacobs 1988).
    fn descend(&self, points: &mut [[f64; 2]], neighbourhoods: &[f64]) {
        let rate = (points.len() as f64 / EXAGGERATION / 4.0).max(50.0);
        let mut velocity = vec![[0.0; 2]; points.len()];
        let mut gains = vec![[1.0; 2]; points.len()];
        for iteration in 0..self.iterations {
            let (exaggeration, momentum) = if iteration < EARLY {
                (EXAGGERATION, 0.5)
            } else {
                (1.0, 0.8)
            };
            let gradient = at(points, neighbourhoods, exaggeration).1;
            let all = points.iter_mut().zip(&mut velocity).zip(&mut gains);
            for (((point, velocity), gains), gradient) in all.zip(gradient) {
                for axis in 0..2 {
                    let against = velocity[axis] * gradient[axis] < 0.0;
                    let gain: f64 = gains[axis];
                    gains[axis] = if against { gain + 0.2 } else { gain * 0.8 }.max(0.01);
                    velocity[axis] =
                        momentum * velocity[axis] - rate * gains[axis] * gradient[axis];
                    point[axis] += velocity[axis];
                }
            }
        }
    }
}

/// The two principal components, very small.
fn start(features: &Features) -> Result<Vec<[f64; 2]>, TransferError> {
    let pca = pca(features, 2)?;
    let deviation = pca.variances[0].sqrt();
    let by = if deviation > 0.0 {
        START / deviation
    } else {
        0.0
    };
    let points = pca.project(features)?;
    Ok(points
        .iter()
        .map(|along| [0, 1].map(|axis| by * along.get(axis).copied().unwrap_or(0.0)))
        .collect())
}

/// The probability of each pair to be neighbours, `[rows × rows]`; they sum to 1.
fn joint_probabilities(features: &Features, perplexity: f64) -> Vec<f64> {
    let rows = features.rows();
    let conditional: Vec<Vec<f64>> = (0..rows)
        .into_par_iter()
        .map(|row| {
            let own = features.row(row);
            let distance = |other: usize| {
                let pairs = own.iter().zip(features.row(other));
                pairs
                    .map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2))
                    .sum()
            };
            neighbours((0..rows).map(distance).collect(), row, perplexity)
        })
        .collect();
    let mut joint = vec![0.0; rows * rows];
    for (row, own) in conditional.iter().enumerate() {
        for (column, other) in conditional.iter().enumerate() {
            joint[row * rows + column] =
                ((own[column] + other[row]) / (2.0 * rows as f64)).max(f64::EPSILON);
        }
        joint[row * rows + row] = 0.0;
    }
    joint
}

/// Makes probabilities of squared distances: a normal distribution as wide as the perplexity asks for.
fn neighbours(mut distances: Vec<f64>, own: usize, perplexity: f64) -> Vec<f64> {
    let wanted = perplexity.ln();
    let others = |distances: &[f64]| {
        let all = distances.iter().copied().enumerate();
        let least = all.clone().filter(|(at, _)| *at != own).map(|(_, d)| d);
        least.fold(f64::INFINITY, f64::min)
    };
    // The nearest has a distance of 0: only differences count, and the largest weight is 1.
    let nearest = others(&distances);
    distances.iter_mut().for_each(|d| *d -= nearest);
    let (mut low, mut high, mut beta) = (0.0, f64::INFINITY, 1.0);
    let mut weights = vec![0.0; distances.len()];
    let mut sum = 1.0;
    for _ in 0..100 {
        sum = 0.0;
        let mut moment = 0.0;
        for (at, (weight, distance)) in weights.iter_mut().zip(&distances).enumerate() {
            *weight = if at == own {
                0.0
            } else {
                (-beta * distance).exp()
            };
            sum += *weight;
            moment += *weight * distance;
        }
        let entropy = sum.ln() + beta * moment / sum;
        let difference: f64 = entropy - wanted;
        if difference.abs() <= 1e-10 {
            break;
        }
        if difference > 0.0 {
            low = beta;
        } else {
            high = beta;
        }
        beta = if high.is_finite() {
            0.5 * (low + high)
        } else {
            2.0 * beta
        };
    }
    weights.iter_mut().for_each(|weight| *weight /= sum);
    weights
}

/// The divergence at some points, and its gradient with neighbours that attract each other so many times as much.
fn at(points: &[[f64; 2]], neighbourhoods: &[f64], exaggeration: f64) -> (f64, Vec<[f64; 2]>) {
    let near = |a: &[f64; 2], b: &[f64; 2]| {
        let (x, y) = (a[0] - b[0], a[1] - b[1]);
        1.0 / (1.0 + x * x + y * y)
    };
    let total: f64 = points
        .par_iter()
        .map(|point| points.iter().map(|other| near(point, other)).sum::<f64>() - 1.0)
        .collect::<Vec<f64>>()
        .iter()
        .sum();
    let rows: Vec<(f64, [f64; 2])> = points
        .par_iter()
        .zip(neighbourhoods.par_chunks_exact(points.len()))
        .map(|(point, row)| {
            let (mut divergence, mut gradient) = (0.0, [0.0; 2]);
            for (other, p) in points.iter().zip(row) {
                let weight = near(point, other);
                let q = (weight / total).max(f64::EPSILON);
                if *p > 0.0 {
                    divergence += p * (p / q).ln();
                    let by = 4.0 * (exaggeration * p - q) * weight;
                    gradient[0] += by * (point[0] - other[0]);
                    gradient[1] += by * (point[1] - other[1]);
                }
            }
            (divergence, gradient)
        })
        .collect();
    (
        rows.iter().map(|(divergence, _)| divergence).sum(),
        rows.into_iter().map(|(_, gradient)| gradient).collect(),
    )
}

#[cfg(test)]
mod tests;
