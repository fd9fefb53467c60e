//! `confidence`: the confidence penalty, which rewards outputs of high entropy (Pereyra et al. 2017).

use firebrick_core::about::About;
use firebrick_core::penalty::Action;
use serde::{Deserialize, Serialize};

use super::definition::{LAMBDA, PenaltyConfig};
use super::output_entropy::OutputEntropy;

/// -λ times the mean entropy of the predicted probabilities, in nats.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Confidence {
    /// The strength λ, finite and at least 0.
    pub lambda: f64,
}

impl Default for Confidence {
    fn default() -> Self {
        Self { lambda: 0.1 }
    }
}

impl PenaltyConfig for Confidence {
    const ABOUT: About = About::new(
        "confidence",
        "penalizes confident predictions, by rewarding a high entropy of the probabilities",
        &[LAMBDA],
    )
    .source("Pereyra et al. 2017");

    fn action(&self) -> Action {
        Action::OfOutputs(Box::new(OutputEntropy(-self.lambda)))
    }
}
