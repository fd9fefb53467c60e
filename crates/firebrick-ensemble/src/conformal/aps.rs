//! `aps`: the most probable classes, up to a sum of probabilities.

use firebrick_types::about::{About, Field, Range};
use serde::{Deserialize, Serialize};

use super::definition::{Conform, ConformalConfig};

/// Adaptive prediction sets: the score of a class is the sum of the probabilities of all classes that are at least as
/// probable, its own among them. Sets are larger for harder images.
///
/// With `randomized`, a share of its own probability, drawn for each image, is taken off again, as in the paper.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Aps {
    /// Whether a number is drawn for each image.
    pub randomized: bool,
    /// The seed of these draws.
    pub seed: u64,
}

/// Whether a number is drawn for each image, and from what.
pub(super) const DRAWS: [Field; 2] = [
    Field::new("randomized", Range::Flag),
    Field::new("seed", Range::Count(0)),
];

impl ConformalConfig for Aps {
    const ABOUT: About = About::new(
        "aps",
        "takes the most probable classes up to a sum of probabilities: larger sets for harder images",
        &DRAWS,
    )
    .source("Romano et al. 2020");
}

impl Conform for Aps {
    fn scores(&self, probabilities: &[f64], ranked: &[usize], draw: f64, out: &mut [f64]) {
        let mut sum = 0.0;
        for class in ranked {
            sum += probabilities[*class];
            out[*class] = sum - draw * probabilities[*class];
        }
    }

    fn seed(&self) -> Option<u64> {
        self.randomized.then_some(self.seed)
    }
}
