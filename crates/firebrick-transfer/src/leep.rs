//! LEEP: how well the classes that a model knows already tell the new ones apart.
//!
//! Source: Nguyen et al., "LEEP: a new measure to evaluate transferability of learned representations", ICML 2020; the values
//! are those of the reference implementation in thuml/LogME.
//!
//! ```text
//! P(y|z) = Σ_{i: yᵢ = y} θ(xᵢ)_z / Σᵢ θ(xᵢ)_z,   LEEP = mean ln Σ_z P(yᵢ|z) θ(xᵢ)_z
//! ```

use serde::{Deserialize, Serialize};

use crate::error::TransferError;

/// The score, and what it would be for a model that says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Leep {
    /// The mean logarithm of the probability of the right class; at most 0, and larger is better.
    pub leep: f64,
    /// The score of a model that puts out the same for every image: minus the entropy of the labels.
    pub floor: f64,
}

impl Leep {
    /// The share of the entropy of the labels that the model's own classes explain: 0 for none of it, 1 for all.
    #[must_use]
    pub fn explained(&self) -> f64 {
        if self.floor < 0.0 {
            1.0 - self.leep / self.floor
        } else {
            0.0
        }
    }
}

/// LEEP of the probabilities `[images × source classes]` that a model with its own head gives, and the labels of the images.
///
/// # Errors
/// [`TransferError::Features`] where the numbers do not go together, or a row is no distribution.
pub fn leep(
    probabilities: &[f32],
    source_classes: usize,
    labels: &[usize],
    classes: usize,
) -> Result<Leep, TransferError> {
    let refuse = |problem: String| Err(TransferError::Features(format!("LEEP: {problem}")));
    if labels.is_empty() || source_classes == 0 {
        return refuse("there are no images or no source classes".into());
    }
    if labels.len().checked_mul(source_classes) != Some(probabilities.len()) {
        return refuse(format!(
            "{} probabilities are not {} rows of {source_classes}",
            probabilities.len(),
            labels.len()
        ));
    }
    if let Some(label) = labels.iter().find(|label| **label >= classes) {
        return refuse(format!(
            "the label {label} is none of the {classes} classes, which count from 0"
        ));
    }
    let mut joint = vec![0.0; classes * source_classes];
    let mut total = vec![0.0; source_classes];
    let mut counts = vec![0.0; classes];
    for (image, (row, label)) in probabilities
        .chunks_exact(source_classes)
        .zip(labels)
        .enumerate()
    {
        let sum: f64 = row.iter().map(|p| f64::from(*p)).sum();
        if !row.iter().all(|p| *p >= 0.0) || (sum - 1.0).abs() > 1e-3 {
            return refuse(format!(
                "the probabilities of image {image} are negative or do not sum to 1: give the softmax of the logits"
            ));
        }
        counts[*label] += 1.0;
        let joint = &mut joint[label * source_classes..(label + 1) * source_classes];
        for ((joint, total), p) in joint.iter_mut().zip(&mut total).zip(row) {
            *joint += f64::from(*p);
            *total += f64::from(*p);
        }
    }
    let count = labels.len() as f64;
    let rows = probabilities.chunks_exact(source_classes).zip(labels);
    let logarithms = rows.map(|(row, label)| {
        let joint = &joint[label * source_classes..(label + 1) * source_classes];
        let right: f64 = joint
            .iter()
            .zip(&total)
            .zip(row)
            .filter(|((_, total), _)| **total > 0.0)
            .map(|((joint, total), p)| joint / total * f64::from(*p))
            .sum();
        right.ln()
    });
    let shares = counts.iter().filter(|n| **n > 0.0).map(|n| n / count);
    Ok(Leep {
        leep: logarithms.sum::<f64>() / count,
        floor: shares.map(|share| share * share.ln()).sum(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_that_says_nothing_has_the_floor() {
        let found = leep(&[0.25; 16], 4, &[0, 0, 1, 1], 2).unwrap();
        assert!((found.leep + 2.0_f64.ln()).abs() < 1e-12);
        assert!((found.floor + 2.0_f64.ln()).abs() < 1e-12);
        assert!(found.explained().abs() < 1e-12);
    }

    #[test]
    fn a_model_that_knows_all_has_0() {
        let rows = [1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0];
        let found = leep(&rows, 3, &[1, 1, 0], 2).unwrap();
        assert!(found.leep.abs() < 1e-12 && (found.explained() - 1.0).abs() < 1e-12);
    }

    #[test]
    fn what_is_no_distribution_is_refused() {
        for rows in [[0.5, 0.6, 1.0, 0.0], [1.5, -0.5, 1.0, 0.0], [f32::NAN; 4]] {
            assert!(leep(&rows, 2, &[0, 1], 2).is_err());
        }
        assert!(leep(&[1.0; 3], 2, &[0, 1], 2).is_err());
        assert!(leep(&[0.5; 4], 2, &[0, 2], 2).is_err());
        assert!(leep(&[], 2, &[], 2).is_err());
    }
}
