//! `entropy`: entropy minimization, which rewards confident outputs (Grandvalet and Bengio 2004).

use firebrick_core::about::About;
use firebrick_core::penalty::Action;
use serde::{Deserialize, Serialize};

use super::definition::{LAMBDA, PenaltyConfig};
use super::output_entropy::OutputEntropy;

/// λ times the mean entropy of the predicted probabilities, in nats.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Entropy {
    /// The strength λ, finite and at least 0.
    pub lambda: f64,
}

impl Default for Entropy {
    fn default() -> Self {
        Self { lambda: 0.1 }
    }
}

impl PenaltyConfig for Entropy {
    const ABOUT: About = About::new(
        "entropy",
        "penalizes undecided predictions, by rewarding a low entropy of the probabilities",
        &[LAMBDA],
    )
    .source("Grandvalet and Bengio 2004");

    fn action(&self) -> Action {
        Action::OfOutputs(Box::new(OutputEntropy(self.lambda)))
    }
}
