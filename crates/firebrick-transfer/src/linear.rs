//! A linear classifier on features.

use firebrick_types::metrics::{highest, log_sum_exp};
use serde::{Deserialize, Serialize};

use crate::error::TransferError;
use crate::features::Features;

/// `logits = weight · x + bias`, in the layout of PyTorch's `nn.Linear`: it replaces the last layer of a model as it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Linear {
    /// The number of features.
    pub width: usize,
    /// `[classes × width]`, row by row.
    pub weight: Vec<f64>,
    /// One for each class.
    pub bias: Vec<f64>,
}

/// How well a classifier does.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct HeadScore {
    /// The share of rows that are classified correctly.
    pub top1: f64,
    /// The mean negative log-likelihood of the right class; none for classifiers without probabilities.
    pub nll: Option<f64>,
}

impl Linear {
    /// The number of classes.
    #[must_use]
    pub fn classes(&self) -> usize {
        self.bias.len()
    }

    /// The logits of all rows, `[rows × classes]`.
    ///
    /// # Errors
    /// [`TransferError::Features`] for features of another width or other classes.
    pub fn logits(&self, features: &Features) -> Result<Vec<f64>, TransferError> {
        features.check_like(self.width, self.classes())?;
        let rows = features.values().chunks_exact(self.width);
        Ok(rows.flat_map(|row| self.of(row)).collect())
    }

    /// The logits of one row.
    pub(crate) fn of(&self, row: &[f32]) -> Vec<f64> {
        let weights = self.weight.chunks_exact(self.width).zip(&self.bias);
        let logit = |(weights, bias): (&[f64], &f64)| {
            let products = weights.iter().zip(row).map(|(w, x)| w * f64::from(*x));
            products.sum::<f64>() + bias
        };
        weights.map(logit).collect()
    }

    /// How well it classifies.
    ///
    /// # Errors
    /// As [`Self::logits`].
    pub fn score(&self, features: &Features) -> Result<HeadScore, TransferError> {
        let logits = self.logits(features)?;
        let rows = logits.chunks_exact(self.classes()).zip(features.labels());
        let (mut right, mut nll) = (0, 0.0);
        for (row, label) in rows {
            right += usize::from(highest(row) == *label);
            nll += log_sum_exp(row) - row[*label];
        }
        let count = features.rows() as f64;
        Ok(HeadScore {
            top1: right as f64 / count,
            nll: Some(nll / count),
        })
    }
}
