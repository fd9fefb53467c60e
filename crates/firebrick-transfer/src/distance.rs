//! How far features of new images are from those that the model was trained on.
//!
//! The distance is Fréchet's, between normal distributions (Dowson and Landau 1982; of features: Heusel et al. 2017):
//!
//! ```text
//! d² = ‖m₁ - m₂‖² + tr(C₁ + C₂ - 2 (C₁ C₂)^½)
//! ```
//!
//! [`diagonal`] needs means and variances alone. Of the training images these are in the weights: the running statistics of the
//! batch norms. [`frechet`] needs features of both.

use crate::design::Design;
use crate::eigen::{symmetric, units};
use crate::error::TransferError;
use crate::features::Features;

/// The mean and the variance of each feature.
#[derive(Debug, Clone, PartialEq)]
pub struct Statistics {
    /// The means.
    pub mean: Vec<f64>,
    /// The variances.
    pub variance: Vec<f64>,
}

impl Statistics {
    /// Of all rows.
    #[must_use]
    pub fn of(features: &Features) -> Self {
        let design = design(features);
        Self {
            mean: design.mean,
            variance: design.variance,
        }
    }
}

fn design(features: &Features) -> Design<'_> {
    let rows = (0..features.rows()).map(|row| (row, 1.0)).collect();
    Design::new(features.values(), features.width(), rows, false)
}

/// The squared Fréchet distance of two distributions whose features do not correlate, divided by the sum of the variances of
/// the source: 0 for equal ones, and 1 where they are as far apart as the source's own images are from their mean.
///
/// # Errors
/// [`TransferError::Features`] where the numbers of features differ, a variance is negative, or the source has none.
pub fn diagonal(source: &Statistics, target: &Statistics) -> Result<f64, TransferError> {
    let width = source.mean.len();
    let same = [
        source.variance.len(),
        target.mean.len(),
        target.variance.len(),
    ];
    if same.iter().any(|other| *other != width) {
        return Err(TransferError::Features(
            "the statistics are of different numbers of features: take those of the same layer"
                .into(),
        ));
    }
    let variances = source.variance.iter().chain(&target.variance);
    if !variances.clone().all(|variance| *variance >= 0.0) {
        return Err(TransferError::Features(
            "a variance is negative or no number: the statistics are damaged".into(),
        ));
    }
    let total: f64 = source.variance.iter().sum();
    if total <= 0.0 {
        return Err(TransferError::Features(
            "the features of the source do not vary: there is nothing to compare with".into(),
        ));
    }
    let means = source.mean.iter().zip(&target.mean);
    let means: f64 = means.map(|(a, b)| (a - b) * (a - b)).sum();
    let variances = source.variance.iter().zip(&target.variance);
    let spreads: f64 = variances.map(|(a, b)| (a.sqrt() - b.sqrt()).powi(2)).sum();
    Ok((means + spreads) / total)
}

/// The squared Fréchet distance of two sets of features, with their covariances (of the whole population: divided by the number of rows).
///
/// # Errors
/// [`TransferError::Features`] where the numbers of features differ, or there are more than 2048.
pub fn frechet(a: &Features, b: &Features) -> Result<f64, TransferError> {
    const MOST: usize = 2048;
    let width = a.width();
    if b.width() != width || width > MOST {
        return Err(TransferError::Features(format!(
            "features of {width} and {} columns cannot be compared: give the same number, at most {MOST}",
            b.width()
        )));
    }
    let (first, second) = (design(a), design(b));
    let means = first.mean.iter().zip(&second.mean);
    let means: f64 = means.map(|(a, b)| (a - b) * (a - b)).sum();
    let (c1, c2) = (covariance(&first), covariance(&second));
    // With C₁ = V S Vᵀ, the eigenvalues of C₁ C₂ are those of S^½ Vᵀ C₂ V S^½.
    let eigen = symmetric(c1.concat(), width, units(width));
    let roots: Vec<f64> = eigen.values.iter().map(|s| s.max(0.0).sqrt()).collect();
    // Rows: the eigenvectors, each times its root.
    let scaled: Vec<Vec<f64>> = (0..width)
        .map(|at| {
            let of = |row: &Vec<f64>| row[at] * roots[at];
            eigen.products.iter().map(of).collect()
        })
        .collect();
    let half: Vec<Vec<f64>> = scaled.iter().map(|row| times(&c2, row)).collect();
    let middle = scaled
        .iter()
        .flat_map(|row| half.iter().map(move |other| dot(row, other)))
        .collect();
    let both = symmetric(middle, width, Vec::new());
    let root: f64 = both.values.iter().map(|s| s.max(0.0).sqrt()).sum();
    let trace = |design: &Design<'_>| design.variance.iter().sum::<f64>();
    Ok((means + trace(&first) + trace(&second) - 2.0 * root).max(0.0))
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    crate::design::product(a, b)
}

fn times(matrix: &[Vec<f64>], vector: &[f64]) -> Vec<f64> {
    matrix.iter().map(|row| dot(row, vector)).collect()
}

/// The covariance, row by row.
fn covariance(design: &Design<'_>) -> Vec<Vec<f64>> {
    crate::eigen::covariance_times(design, &units(design.width()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shift_and_a_scale_by_hand() {
        let statistics = |mean: [f64; 2], variance: [f64; 2]| Statistics {
            mean: mean.into(),
            variance: variance.into(),
        };
        let source = statistics([0.0, 1.0], [1.0, 4.0]);
        assert_eq!(diagonal(&source, &source).unwrap(), 0.0);
        // (3² + 0 + 0 + (3 - 2)²) / 5.
        let target = statistics([3.0, 1.0], [1.0, 9.0]);
        assert!((diagonal(&source, &target).unwrap() - 2.0).abs() < 1e-12);
        assert!(diagonal(&statistics([0.0; 2], [0.0; 2]), &target).is_err());
        assert!(diagonal(&source, &statistics([0.0; 2], [-1.0, 0.0])).is_err());
        let short = Statistics {
            mean: vec![0.0],
            variance: vec![1.0],
        };
        assert!(diagonal(&source, &short).is_err());
    }

    #[test]
    fn uncorrelated_features_have_the_diagonal_distance() {
        let make = |by: f32, add: f32| {
            let corners = [[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]];
            let values = corners.iter().flatten().map(|x| by * x + add).collect();
            let classes = vec!["a".into()];
            Features::new(values, 2, vec![0; 4], classes).unwrap()
        };
        let (a, b) = (make(1.0, 0.0), make(3.0, 0.5));
        let whole = frechet(&a, &b).unwrap();
        assert!((whole - (2.0 * 0.25 + 2.0 * 4.0)).abs() < 1e-6, "{whole}");
        let part = diagonal(&Statistics::of(&a), &Statistics::of(&b)).unwrap();
        assert!((part - whole / 2.0).abs() < 1e-6);
        assert!(frechet(&a, &a).unwrap() < 1e-12);
    }
}
