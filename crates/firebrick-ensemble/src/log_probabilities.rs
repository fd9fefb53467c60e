//! One prediction for each image.

use firebrick_types::metrics::{highest, log_sum_exp};

use crate::error::EnsembleError;

/// How far the probabilities of an image may be from a sum of 1.
const TOLERANCE: f64 = 1e-3;

/// One prediction for each image: the logarithm of the probability of each class, `[images × classes]`.
///
/// Each row is normalized. A class that cannot be has -∞.
#[derive(Debug, Clone, PartialEq)]
pub struct LogProbabilities {
    values: Vec<f64>,
    classes: usize,
}

impl LogProbabilities {
    /// No image yet.
    pub(crate) fn none(classes: usize) -> Self {
        Self {
            values: Vec::new(),
            classes,
        }
    }

    /// Adds an image, by scores that a softmax makes probabilities of.
    pub(crate) fn push(&mut self, row: &[f64]) {
        let norm = log_sum_exp(row);
        self.values.extend(row.iter().map(|value| value - norm));
    }

    /// From probabilities, row by row, each of which sums to 1 within 1e-3 and is divided by its sum.
    ///
    /// # Errors
    /// [`EnsembleError::Probabilities`] naming the first image that has none; [`EnsembleError::NoImages`].
    pub fn from_probabilities(values: &[f64], classes: usize) -> Result<Self, EnsembleError> {
        if values.is_empty() {
            return Err(EnsembleError::NoImages);
        }
        let mut all = Self::none(classes);
        for (image, row) in values.chunks(classes.max(1)).enumerate() {
            let wrong = |problem| EnsembleError::Probabilities { image, problem };
            if row.len() != classes {
                let problem = format!("{} probabilities for {classes} classes", row.len());
                return Err(wrong(problem));
            }
            for value in row {
                check_probability(*value).map_err(|problem| wrong(format!("{value} {problem}")))?;
            }
            check_sum(row).map_err(wrong)?;
            let row: Vec<f64> = row.iter().map(|value| value.ln()).collect();
            all.push(&row);
        }
        Ok(all)
    }

    /// The number of images.
    #[must_use]
    pub fn len(&self) -> usize {
        self.values.len() / self.classes
    }

    /// Whether there is no image.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The number of classes.
    #[must_use]
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// The log-probabilities of each image in turn.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[f64]> {
        self.values.chunks_exact(self.classes)
    }

    /// The log-probabilities of one image.
    ///
    /// # Panics
    /// When there is no such image.
    #[must_use]
    pub fn row(&self, image: usize) -> &[f64] {
        &self.values[image * self.classes..][..self.classes]
    }

    /// The most probable class of each image, the first of equals.
    #[must_use]
    pub fn predicted(&self) -> Vec<usize> {
        self.rows().map(highest).collect()
    }
}

/// Refuses a number that is no probability.
pub(crate) fn check_probability(value: f64) -> Result<(), &'static str> {
    if (0.0..=1.0 + TOLERANCE).contains(&value) {
        Ok(())
    } else {
        Err("is no probability: it must be in [0, 1]")
    }
}

/// Refuses probabilities that do not sum to 1.
pub(crate) fn check_sum(row: &[f64]) -> Result<(), String> {
    let sum: f64 = row.iter().sum();
    if (sum - 1.0).abs() <= TOLERANCE {
        return Ok(());
    }
    Err(format!(
        "the probabilities sum to {sum:.6}, not to 1: give probabilities, not logits, and one for each class"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_are_divided_by_their_sum() {
        let read = LogProbabilities::from_probabilities(&[0.5, 0.4995, 0.0, 1.0], 2).unwrap();
        assert!((read.row(0)[0].exp() - 0.5 / 0.9995).abs() < 1e-15);
        assert_eq!(read.row(1), [f64::NEG_INFINITY, 0.0]);
        assert_eq!((read.len(), read.predicted()), (2, vec![0, 1]));
    }

    #[test]
    fn what_is_no_distribution_is_named() {
        for (values, needle) in [
            (
                &[0.5, 0.5, 0.7, 0.2][..],
                "image 1: the probabilities sum to 0.9",
            ),
            (&[-0.1, 1.1], "image 0: -0.1 is no probability"),
            (&[f64::NAN, 1.0], "image 0: NaN is no probability"),
            (&[0.5, 0.5, 1.0], "image 1: 1 probabilities for 2 classes"),
            (&[], "no images"),
        ] {
            let error = LogProbabilities::from_probabilities(values, 2).unwrap_err();
            assert!(error.to_string().contains(needle), "{error}");
        }
    }
}
