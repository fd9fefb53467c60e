//! `weighted`: the mean of the probabilities with weights that are fitted to validation data.

use firebrick_types::about::About;
use serde::{Deserialize, Serialize};

use super::definition::{Combine, CombineConfig};
use super::mean::weighted_mean;
use crate::error::EnsembleError;
use crate::members::Members;

/// The mean of the probabilities with the weights that have the least negative log-likelihood on validation images.
///
/// ```text
/// p = w₁ p₁ + … + w_M p_M,   w ≥ 0,   w₁ + … + w_M = 1
/// ```
///
/// The likelihood of such a mixture is convex in its weights, so the best ones do not depend on where the search begins.
/// Members that are equal have equal weights.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Weighted {}

impl CombineConfig for Weighted {
    const ABOUT: About = About::new(
        "weighted",
        "predicts the mean of the members' probabilities with the weights of least validation NLL",
        &[],
    );
}

impl Combine for Weighted {
    fn parameters(&self, members: usize, _classes: usize) -> usize {
        members
    }

    fn fit(&self, members: &Members<'_>, labels: &[usize]) -> Result<Vec<f64>, EnsembleError> {
        let mut likelihoods = Vec::with_capacity(members.images() * members.len());
        members.each_image(|image, rows| {
            let own = || rows.iter().map(|row| row[labels[image]]);
            // Whatever an image's likelihoods are multiplied by moves no weight.
            let max = own().fold(f64::NEG_INFINITY, f64::max);
            likelihoods.extend(own().map(|value| (value - max).exp()));
        });
        Ok(shared_weights(&likelihoods, members.len()))
    }

    fn image(&self, rows: &[&[f64]], parameters: &[f64], out: &mut [f64]) {
        weighted_mean(rows, |member| parameters[member], out);
    }
}

/// The best weights, of which members with equal likelihoods, whose weights count only together, have equal shares.
fn shared_weights(likelihoods: &[f64], members: usize) -> Vec<f64> {
    let equal = |a: usize, b: usize| {
        likelihoods
            .chunks_exact(members)
            .all(|row| row[a] == row[b])
    };
    // The members unlike all before them, and for each member the place of its like among them.
    let mut unlike: Vec<usize> = Vec::new();
    let mut place = Vec::with_capacity(members);
    for member in 0..members {
        let found = unlike.iter().position(|other| equal(*other, member));
        place.push(found.unwrap_or(unlike.len()));
        if found.is_none() {
            unlike.push(member);
        }
    }
    if unlike.len() == members {
        return best_weights(likelihoods, members);
    }
    let rows = likelihoods.chunks_exact(members);
    let kept: Vec<f64> = rows
        .flat_map(|row| unlike.iter().map(move |at| row[*at]))
        .collect();
    let weights = best_weights(&kept, unlike.len());
    let alike = |at: usize| place.iter().filter(|other| **other == at).count() as f64;
    place.iter().map(|at| weights[*at] / alike(*at)).collect()
}

/// How far from the least mean NLL the last weights may be.
const GAP: f64 = 1e-10;

/// The weights of the mixture with the greatest likelihood, by Newton's method with a logarithmic barrier (Boyd and
/// Vandenberghe 2004, section 11.3): it minimizes `t · NLL(w) - Σ ln w` for a growing `t`, after which the NLL is
/// within `members / t` of the least one.
fn best_weights(likelihoods: &[f64], members: usize) -> Vec<f64> {
    let mut weights = vec![1.0 / members as f64; members];
    let mut t = 1.0;
    while members as f64 / t > GAP {
        t *= 8.0;
        for _ in 0..30 {
            let before = value(likelihoods, &weights, t);
            let (gradient, hessian) = derivatives(likelihoods, &weights, t);
            let Some(step) = newton_step(hessian, &gradient) else {
                return weights;
            };
            let slope: f64 = step.iter().zip(&gradient).map(|(s, g)| s * g).sum();
            // Squared length of the step in the norm of the Hessian.
            if -slope < 1e-14 {
                break;
            }
            let mut length = 1.0;
            loop {
                let moved: Vec<f64> = weights
                    .iter()
                    .zip(&step)
                    .map(|(weight, step)| weight + length * step)
                    .collect();
                let inside = moved.iter().all(|weight| *weight > 0.0);
                // For a large `t`, rounding hides by how much it decreases.
                let least = before + 0.1 * length * slope + 1e-14 * before.abs();
                if inside && value(likelihoods, &moved, t) <= least {
                    weights = moved;
                    break;
                }
                length *= 0.5;
                if length < 1e-9 {
                    break;
                }
            }
        }
        // Rounding alone moves the sum.
        let sum: f64 = weights.iter().sum();
        weights.iter_mut().for_each(|weight| *weight /= sum);
    }
    weights
}

/// `t · NLL(w) - Σ ln w`.
fn value(likelihoods: &[f64], weights: &[f64], t: f64) -> f64 {
    let rows = likelihoods.chunks_exact(weights.len());
    let images = rows.len() as f64;
    let mixture = |row: &[f64]| row.iter().zip(weights).map(|(p, w)| p * w).sum::<f64>();
    let log_likelihood: f64 = rows.map(|row| mixture(row).ln()).sum();
    let barrier: f64 = weights.iter().map(|weight| weight.ln()).sum();
    -t / images * log_likelihood - barrier
}

/// Gradient and Hessian of `t · NLL(w) - Σ ln w`.
fn derivatives(likelihoods: &[f64], weights: &[f64], t: f64) -> (Vec<f64>, Vec<f64>) {
    let members = weights.len();
    let (mut gradient, mut hessian) = (vec![0.0; members], vec![0.0; members * members]);
    let images = (likelihoods.len() / members) as f64;
    for row in likelihoods.chunks_exact(members) {
        let mixture: f64 = row.iter().zip(weights).map(|(p, w)| p * w).sum();
        for (a, own) in row.iter().enumerate() {
            gradient[a] -= t / images * own / mixture;
            for (b, other) in row[..=a].iter().enumerate() {
                hessian[a * members + b] += t / images * (own / mixture) * (other / mixture);
            }
        }
    }
    for (a, weight) in weights.iter().enumerate() {
        gradient[a] -= 1.0 / weight;
        hessian[a * members + a] += 1.0 / (weight * weight);
        for b in 0..a {
            hessian[b * members + a] = hessian[a * members + b];
        }
    }
    (gradient, hessian)
}

/// The step to the minimum of the quadratic, among those that leave the sum of the weights as it is.
fn newton_step(hessian: Vec<f64>, gradient: &[f64]) -> Option<Vec<f64>> {
    let members = gradient.len();
    let factor = cholesky(hessian, members)?;
    let along = solve(&factor, gradient);
    let ones = solve(&factor, &vec![1.0; members]);
    let shift = along.iter().sum::<f64>() / ones.iter().sum::<f64>();
    Some(
        along
            .iter()
            .zip(&ones)
            .map(|(a, one)| shift * one - a)
            .collect(),
    )
}

/// The lower triangle L with L Lᵀ the matrix; `None` where it is not positive definite.
fn cholesky(mut matrix: Vec<f64>, size: usize) -> Option<Vec<f64>> {
    for column in 0..size {
        for row in column..size {
            let products = (0..column).map(|k| matrix[row * size + k] * matrix[column * size + k]);
            let rest = matrix[row * size + column] - products.sum::<f64>();
            matrix[row * size + column] = if row > column {
                rest / matrix[column * size + column]
            } else if rest > 0.0 {
                rest.sqrt()
            } else {
                return None;
            };
        }
    }
    Some(matrix)
}

/// Solves L Lᵀ x = b.
fn solve(factor: &[f64], b: &[f64]) -> Vec<f64> {
    let size = b.len();
    let mut x = b.to_vec();
    for row in 0..size {
        let known: f64 = (0..row).map(|k| factor[row * size + k] * x[k]).sum();
        x[row] = (x[row] - known) / factor[row * size + row];
    }
    for row in (0..size).rev() {
        let known: f64 = (row + 1..size).map(|k| factor[k * size + row] * x[k]).sum();
        x[row] = (x[row] - known) / factor[row * size + row];
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_members_by_a_closed_form() {
        // Of 10 images, member 1 has the likelihood 0.8 for 7 and 0.2 for the others; member 2 0.4 and 0.6. The mean
        // log-likelihood 0.7 ln(0.4 + 0.4 w) + 0.3 ln(0.6 - 0.4 w) is greatest at 0.28 (0.6 - 0.4 w) = 0.12 (0.4 + 0.4 w).
        let likelihoods: Vec<f64> = (0..10)
            .flat_map(|image| if image < 7 { [0.8, 0.4] } else { [0.2, 0.6] })
            .collect();
        let weights = best_weights(&likelihoods, 2);
        assert!((weights[0] - 0.75).abs() < 1e-8, "{weights:?}");
    }

    #[test]
    fn a_useless_member_has_no_weight_and_equal_ones_the_same() {
        let likelihoods: Vec<f64> = (0..20)
            .flat_map(|image| [0.9, 0.1 + 0.001 * f64::from(image), 0.9])
            .collect();
        let weights = shared_weights(&likelihoods, 3);
        assert!(weights[1] < 1e-8 && weights[0] == weights[2], "{weights:?}");
        assert!((weights.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        assert_eq!(best_weights(&[0.3, 1e-300], 1), [1.0]);
    }

    #[test]
    fn no_weights_on_a_grid_are_better() {
        let row = |image: u32| {
            let angle = f64::from(image);
            [0, 1, 2].map(|member| 0.5 + 0.45 * (angle * (1.3 + 0.7 * f64::from(member))).sin())
        };
        let likelihoods: Vec<f64> = (0..60).flat_map(row).collect();
        let nll = |weights: &[f64]| -> f64 {
            let mixtures = likelihoods.chunks(3).map(|row| {
                let products = row.iter().zip(weights).map(|(p, w)| p * w);
                -products.sum::<f64>().ln()
            });
            mixtures.sum()
        };
        let best = nll(&best_weights(&likelihoods, 3));
        for a in 0..=40 {
            for b in 0..=40 - a {
                let weights = [f64::from(a), f64::from(b), f64::from(40 - a - b)].map(|w| w / 40.0);
                assert!(best <= nll(&weights) + 1e-8, "{weights:?}");
            }
        }
    }
}
