//! `distillation`: the loss on the labels, and the divergence from what a teacher predicts.
//!
//! ```text
//! loss = (1 - alpha) · hard + alpha · T² · mean over images of KL(teacher_T ‖ student_T)
//! student_T = softmax(logits / T),   teacher_T = softmax(ln p / T) with the teacher's probabilities p
//! ```
//!
//! Source: Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network", 2015, section 2. The factor T² keeps
//! the gradients of the second part of one size whatever the temperature is. `alpha` is that of DeiT (Touvron et al.
//! 2021). Reference: PyTorch's `kl_div(reduction="batchmean")`.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::cross_entropy::CrossEntropy;
use super::definition::{Loss, LossConfig, LossValue};
use crate::ConfigError;
use crate::about::{About, Field, Range};
use crate::data::Targets;
use crate::metrics::softmax;
use crate::spec::Spec;

/// The name in spec strings.
const NAME: &str = "distillation";

/// Knowledge distillation: `distillation(temperature=4, alpha=0.9)`.
///
/// | field | default | range | meaning |
/// |---|---|---|---|
/// | `temperature` | 4 | > 0 | what the logits of both sides are divided by |
/// | `alpha` | 0.9 | [0, 1] | share of the divergence; the loss on the labels has the rest |
/// | `loss` | `cross_entropy` | a loss | the loss on the labels |
///
/// It is a mean over images, whatever the loss on the labels weights them by. Targets without a teacher, such as those of
/// validation images, give the loss on the labels alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Distillation {
    /// What the logits of both sides are divided by.
    pub temperature: f64,
    /// Share of the divergence from the teacher.
    pub alpha: f64,
    /// The loss on the labels.
    pub loss: Spec,
}

impl Default for Distillation {
    fn default() -> Self {
        Self {
            temperature: 4.0,
            alpha: 0.9,
            loss: Spec::new("cross_entropy"),
        }
    }
}

impl LossConfig for Distillation {
    const ABOUT: About = About::new(
        NAME,
        "the loss on the labels and the divergence from what a teacher predicts at a temperature",
        &[
            Field::new("temperature", Range::Positive),
            Field::new("alpha", Range::Within(0.0, 1.0)),
            Field::new("loss", Range::Unit("loss")),
        ],
    )
    .source("Hinton et al. 2015");

    fn make(&self) -> Result<Box<dyn Loss>, ConfigError> {
        let hard = super::build(&self.loss)?;
        if hard.wants_teacher() {
            return Err(ConfigError::Conflict(format!(
                "{NAME}: loss = {} learns from the teacher too; give the loss on the labels alone, such as cross_entropy",
                self.loss.name
            )));
        }
        Ok(Box::new(Distilling {
            temperature: self.temperature,
            alpha: self.alpha,
            hard,
        }))
    }
}

/// The loss, built.
struct Distilling {
    temperature: f64,
    alpha: f64,
    hard: Box<dyn Loss>,
}

impl Loss for Distilling {
    fn loss(&self, logits: Tensor<2>, targets: &Targets) -> LossValue {
        let Targets::Taught { labels, teacher } = targets else {
            return self.hard.loss(logits, targets);
        };
        if self.alpha == 0.0 {
            return self.hard.loss(logits, labels);
        }
        let [images, classes] = logits.dims();
        let (values, entropy) = softened(teacher, classes, self.temperature);
        let soft = Targets::Soft { values, classes };
        let student = logits.clone() * (1.0 / self.temperature);
        // KL is cross-entropy less the teacher's own entropy.
        let sum = CrossEntropy::default().loss(student, &soft).sum - entropy;
        let mut sum = sum * (self.alpha * self.temperature * self.temperature);
        if self.alpha < 1.0 {
            let hard = self.hard.loss(logits, labels);
            // Where no image counts there, the teacher still says what it says.
            if hard.weight > 0.0 {
                sum = sum + hard.sum * ((1.0 - self.alpha) * images as f64 / hard.weight);
            }
        }
        LossValue {
            sum,
            weight: images as f64,
        }
    }

    fn check_classes(&self, classes: usize) -> Result<(), ConfigError> {
        self.hard.check_classes(classes)
    }

    fn wants_teacher(&self) -> bool {
        true
    }

    fn spec(&self) -> Spec {
        let config = Distillation {
            temperature: self.temperature,
            alpha: self.alpha,
            loss: self.hard.spec(),
        };
        Spec::canonical(NAME, &config)
    }
}

/// The teacher's probabilities at a temperature, and the sum of their entropies.
fn softened(teacher: &[f32], classes: usize, temperature: f64) -> (Vec<f32>, f64) {
    let mut values = Vec::with_capacity(teacher.len());
    let mut entropy = 0.0;
    for row in teacher.chunks_exact(classes.max(1)) {
        let scaled: Vec<f64> = row
            .iter()
            .map(|value| f64::from(*value) / temperature)
            .collect();
        for probability in softmax(&scaled) {
            // Of what the loss is given, so that equal predictions have no divergence.
            let probability = probability as f32;
            values.push(probability);
            if probability > 0.0 {
                let probability = f64::from(probability);
                entropy -= probability * probability.ln();
            }
        }
    }
    (values, entropy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loss_on_the_labels_may_not_learn_from_the_teacher_too() {
        let twice = "distillation(loss=distillation(temperature=2))";
        let error = super::super::build(&twice.parse().unwrap()).err().unwrap();
        assert!(error.to_string().contains("learns from the teacher too"));
        let inner = "distillation(loss=cross_entropy(label_smoothing=2))";
        let error = super::super::build(&inner.parse().unwrap()).err().unwrap();
        assert!(error.to_string().contains("label_smoothing = 2"), "{error}");
    }

    #[test]
    fn its_spec_builds_it_again() {
        let spec: Spec = "distillation(2, loss=cross_entropy(label_smoothing=0.1))"
            .parse()
            .unwrap();
        let built = super::super::build(&spec).unwrap();
        assert!(built.wants_teacher() && built.of_guess(&[3, 3]).is_none());
        let spec = built.spec();
        let text = spec.to_string();
        assert!(
            text.contains("temperature=2") && text.contains("alpha=0.9"),
            "{text}"
        );
        assert!(text.contains("label_smoothing=0.1"), "{text}");
        assert_eq!(super::super::build(&spec).unwrap().spec(), spec);
    }

    #[test]
    fn a_class_that_cannot_be_counts_nothing() {
        let (values, entropy) = softened(&[0.0, f32::NEG_INFINITY], 2, 4.0);
        assert_eq!((values, entropy), (vec![1.0, 0.0], 0.0));
    }
}
