//! Principal components: the directions in which features vary most.

use serde::{Deserialize, Serialize};

use crate::design::Design;
use crate::eigen::largest_of_covariance;
use crate::error::TransferError;
use crate::features::Features;

/// The principal components of features.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pca {
    /// The mean of each feature.
    pub mean: Vec<f64>,
    /// The directions, one after the other, each of length 1 and with its largest part positive.
    pub components: Vec<Vec<f64>>,
    /// The variance along each of them, divided by rows - 1, the largest first.
    pub variances: Vec<f64>,
    /// The share of the whole variance that each of them has.
    pub shares: Vec<f64>,
}

/// The first components, at least one and at most as many as there are rows or features.
///
/// # Errors
/// [`TransferError::Fit`] for fewer than two rows, or no component.
pub fn pca(features: &Features, components: usize) -> Result<Pca, TransferError> {
    if features.rows() < 2 || components == 0 {
        return Err(TransferError::fit(
            "principal components",
            "give at least two images and one component",
        ));
    }
    let rows = (0..features.rows()).map(|row| (row, 1.0)).collect();
    let design = Design::new(features.values(), features.width(), rows, false);
    let found = largest_of_covariance(&design, components, 0, 1e-12, 200);
    let largest = |vector: &Vec<f64>| {
        let parts = vector.iter().copied();
        parts
            .max_by(|a, b| a.abs().total_cmp(&b.abs()))
            .unwrap_or(0.0)
    };
    let positive = |vector: Vec<f64>| {
        let sign = if largest(&vector) < 0.0 { -1.0 } else { 1.0 };
        vector.into_iter().map(|part| sign * part).collect()
    };
    let count = features.rows() as f64;
    let total = found.total.max(f64::MIN_POSITIVE);
    Ok(Pca {
        components: found.vectors.into_iter().map(positive).collect(),
        variances: found
            .values
            .iter()
            .map(|value| value.max(0.0) * count / (count - 1.0))
            .collect(),
        shares: found
            .values
            .iter()
            .map(|value| value.max(0.0) / total)
            .collect(),
        mean: design.mean,
    })
}

impl Pca {
    /// Where rows lie along the components, one list for each row.
    ///
    /// # Errors
    /// [`TransferError::Features`] for features of another width.
    pub fn project(&self, features: &Features) -> Result<Vec<Vec<f64>>, TransferError> {
        features.check_like(self.mean.len(), features.classes().len())?;
        let rows = features.values().chunks_exact(features.width());
        Ok(rows
            .map(|row| {
                let along = |component: &Vec<f64>| {
                    let parts = row.iter().zip(&self.mean).zip(component);
                    parts.map(|((x, m), c)| (f64::from(*x) - m) * c).sum()
                };
                self.components.iter().map(along).collect()
            })
            .collect())
    }
}
