//! `raps`: as `aps`, with a penalty on long sets.

use firebrick_types::about::{About, Field, Range};
use serde::{Deserialize, Serialize};

use super::aps::{Aps, DRAWS};
use super::definition::{Conform, ConformalConfig};

/// Regularized adaptive prediction sets: to the score of `aps`, each class beyond the first `k_reg` adds `lambda`. It
/// keeps the many classes of next to no probability out of the sets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Raps {
    /// The penalty λ on each class more, finite and at least 0.
    pub lambda: f64,
    /// The number of classes without a penalty.
    pub k_reg: u64,
    /// Whether a number is drawn for each image.
    pub randomized: bool,
    /// The seed of these draws.
    pub seed: u64,
}

impl Default for Raps {
    fn default() -> Self {
        Self {
            lambda: 0.01,
            k_reg: 5,
            randomized: false,
            seed: 0,
        }
    }
}

impl ConformalConfig for Raps {
    const ABOUT: About = About::new(
        "raps",
        "takes the most probable classes up to a sum of probabilities, with a penalty on long sets",
        &[
            Field::new("lambda", Range::NotNegative),
            Field::new("k_reg", Range::Count(0)),
            DRAWS[0],
            DRAWS[1],
        ],
    )
    .source("Angelopoulos et al. 2021");
}

impl Conform for Raps {
    fn scores(&self, probabilities: &[f64], ranked: &[usize], draw: f64, out: &mut [f64]) {
        Aps::default().scores(probabilities, ranked, draw, out);
        let without = usize::try_from(self.k_reg).unwrap_or(usize::MAX);
        for (more, class) in ranked.iter().skip(without).enumerate() {
            out[*class] += self.lambda * (more + 1) as f64;
        }
    }

    fn seed(&self) -> Option<u64> {
        self.randomized.then_some(self.seed)
    }
}
