//! `mean`: the mean of the probabilities.

use firebrick_types::about::About;
use serde::{Deserialize, Serialize};

use super::definition::{Combine, CombineConfig};

/// The mean of the members' probabilities: each member counts the same, and a sure one decides.
///
/// ```text
/// p = (p₁ + … + p_M) / M
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Mean {}

impl CombineConfig for Mean {
    const ABOUT: About = About::new(
        "mean",
        "predicts the mean of the members' probabilities",
        &[],
    )
    .source("Lakshminarayanan et al. 2017");
}

impl Combine for Mean {
    fn image(&self, rows: &[&[f64]], _parameters: &[f64], out: &mut [f64]) {
        weighted_mean(rows, |_| 1.0 / rows.len() as f64, out);
    }
}

/// The logarithm of the mean of probabilities with weights, from their logarithms, without underflow.
pub(super) fn weighted_mean(rows: &[&[f64]], weight: impl Fn(usize) -> f64, out: &mut [f64]) {
    for (class, out) in out.iter_mut().enumerate() {
        let counted = || {
            let rows = rows.iter().enumerate();
            let rows = rows.map(|(member, row)| (weight(member), row[class]));
            rows.filter(|(weight, _)| *weight > 0.0)
        };
        let max = counted().fold(f64::NEG_INFINITY, |max, (_, value)| max.max(value));
        let sum: f64 = counted()
            .map(|(weight, value)| weight * (value - max).exp())
            .sum();
        *out = max + sum.ln();
    }
}
