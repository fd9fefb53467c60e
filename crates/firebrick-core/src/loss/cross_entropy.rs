//! `cross_entropy`: softmax cross-entropy, with label smoothing, class weights and soft targets.

use burn::tensor::activation::log_softmax;
use burn::tensor::{Int, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use super::definition::{Loss, LossConfig, LossValue};
use crate::about::{About, Field, Range};
use crate::data::Targets;
use crate::spec::Spec;
use crate::{ConfigError, kernels};

/// Cross-entropy, as PyTorch's `CrossEntropyLoss` with `reduction="mean"`.
///
/// | field | default | range | meaning |
/// |---|---|---|---|
/// | `label_smoothing` | 0 | [0, 1] | mass moved from the target to all classes alike |
/// | `class_weights` | none | ≥ 0, one for each class | weight of each class |
///
/// With class indices and weights, the mean divides by the sum of the targets' weights; with soft
/// targets, by the number of images: both as in PyTorch. A batch whose images all have weight 0 has no
/// mean; in training it contributes nothing.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CrossEntropy {
    /// Mass moved from the target to all classes alike.
    pub label_smoothing: f64,
    /// Weight of each class.
    pub class_weights: Option<Vec<f64>>,
}

impl CrossEntropy {
    /// Checks the fields.
    ///
    /// # Errors
    /// [`ConfigError::OutOfRange`] naming the field.
    pub fn build(&self) -> Result<Self, ConfigError> {
        Self::ABOUT.check(self)?;
        let weights = self.class_weights.as_deref().unwrap_or_default();
        if !weights.is_empty() && weights.iter().all(|weight| *weight == 0.0) {
            return Err(ConfigError::out_of_range(
                "cross_entropy",
                "class_weights",
                "all 0",
                "greater than 0 for at least one class",
            ));
        }
        Ok(self.clone())
    }

    /// What the mean divides by.
    fn weight(&self, targets: &Targets) -> f64 {
        match (targets, &self.class_weights) {
            (Targets::Classes(labels), Some(weights)) => {
                labels.iter().map(|label| weights[*label]).sum()
            }
            (Targets::Classes(labels), None) => labels.len() as f64,
            (Targets::Soft { values, classes }, _) => (values.len() / classes) as f64,
            (Targets::Taught { labels, .. }, _) => self.weight(labels),
        }
    }

    /// What -log p of each class is multiplied by, for each image in turn.
    fn masses(&self, targets: &Targets, classes: usize) -> Vec<f32> {
        let mut masses = match targets {
            Targets::Classes(labels) => {
                let mut masses = vec![0.0; labels.len() * classes];
                for (row, label) in masses.chunks_exact_mut(classes).zip(labels) {
                    row[*label] = 1.0;
                }
                masses
            }
            Targets::Soft { values, .. } => values.clone(),
            Targets::Taught { labels, .. } => return self.masses(labels, classes),
        };
        let kept = 1.0 - self.label_smoothing;
        let spread = self.label_smoothing / classes as f64;
        for row in masses.chunks_exact_mut(classes) {
            for (class, mass) in row.iter_mut().enumerate() {
                let weight = self.class_weights.as_ref().map_or(1.0, |w| w[class]);
                *mass = ((f64::from(*mass) * kept + spread) * weight) as f32;
            }
        }
        masses
    }

    /// The sum, of burn's operations.
    fn composed(&self, logits: Tensor<2>, targets: &Targets) -> Tensor<1> {
        let (classes, device, dtype) = (logits.dims()[1], logits.device(), logits.dtype());
        let log_p = log_softmax(logits, 1);
        let weights = self.class_weights.as_ref().map(|weights| {
            let data = TensorData::new(weights.clone(), [1, classes]);
            Tensor::<2>::from_data(data, (&device, dtype))
        });
        // -Σ over classes of weight · log p: the part that label smoothing spreads.
        let log_p = match weights {
            Some(weights) => log_p * weights,
            None => log_p,
        };
        self.summed(log_p, targets)
    }

    /// The sum, of the log-probabilities by their weights.
    fn summed(&self, log_p: Tensor<2>, targets: &Targets) -> Tensor<1> {
        let ([count, classes], device, dtype) = (log_p.dims(), log_p.device(), log_p.dtype());
        let smoothing = self.label_smoothing;
        match targets {
            Targets::Classes(labels) => {
                let indices: Vec<i32> = labels.iter().map(|label| *label as i32).collect();
                let indices =
                    Tensor::<1, Int>::from_data(TensorData::new(indices, [count]), &device)
                        .reshape([count, 1]);
                let hard = log_p.clone().gather(1, indices).sum().neg();
                if smoothing > 0.0 {
                    hard * (1.0 - smoothing) + log_p.sum().neg() * (smoothing / classes as f64)
                } else {
                    hard
                }
            }
            Targets::Soft { values, .. } => {
                let soft = Tensor::<2>::from_data(
                    TensorData::new(values.clone(), [count, classes]),
                    (&device, dtype),
                );
                let soft = if smoothing > 0.0 {
                    soft * (1.0 - smoothing) + smoothing / classes as f64
                } else {
                    soft
                };
                (log_p * soft).sum().neg()
            }
            Targets::Taught { labels, .. } => self.summed(log_p, labels),
        }
    }
}

impl Loss for CrossEntropy {
    fn loss(&self, logits: Tensor<2>, targets: &Targets) -> LossValue {
        let sum = if kernels::take(&logits) {
            let masses = self.masses(targets, logits.dims()[1]);
            kernels::cross_entropy_sum(logits, masses)
        } else {
            self.composed(logits, targets)
        };
        LossValue {
            sum,
            weight: self.weight(targets),
        }
    }

    fn check_classes(&self, classes: usize) -> Result<(), ConfigError> {
        match self.class_weights.as_ref().map(Vec::len) {
            Some(given) if given != classes => Err(ConfigError::Conflict(format!(
                "cross_entropy: {given} class_weights are given, but there are {classes} classes: give one for each"
            ))),
            _ => Ok(()),
        }
    }

    fn of_guess(&self, images: &[u64]) -> Option<f64> {
        self.check_classes(images.len()).ok()?;
        let classes = images.len() as f64;
        let weight_of = |class: usize| self.class_weights.as_ref().map_or(1.0, |w| w[class]);
        // -log p is ln C for every class. Smoothing spreads its mass over the weights of all classes.
        let spread = (0..images.len()).map(weight_of).sum::<f64>() / classes;
        let (mut sum, mut weight) = (0.0, 0.0);
        for (class, count) in images.iter().enumerate() {
            let own = weight_of(class);
            let smoothing = self.label_smoothing;
            sum += *count as f64 * ((1.0 - smoothing) * own + smoothing * spread);
            weight += *count as f64 * own;
        }
        Some(classes.ln() * sum / weight).filter(|loss| loss.is_finite())
    }

    fn spec(&self) -> Spec {
        Spec::canonical("cross_entropy", self)
    }
}

impl LossConfig for CrossEntropy {
    const ABOUT: About = About::new(
        "cross_entropy",
        "softmax cross-entropy, with hard or soft targets",
        &[
            Field::new("label_smoothing", Range::Within(0.0, 1.0)),
            Field::new("class_weights", Range::Each(&Range::NotNegative)),
        ],
    )
    .source("PyTorch's CrossEntropyLoss");

    fn make(&self) -> Result<Box<dyn Loss>, ConfigError> {
        Ok(Box::new(self.build()?))
    }
}
