//! `lac`: the classes with a probability above a limit.

use firebrick_types::about::About;
use serde::{Deserialize, Serialize};

use super::definition::{Conform, ConformalConfig};

/// Least ambiguous set-valued classifier: the score of a class is 1 - p. Among all sets of a coverage, these are the
/// smallest on average, if the probabilities are right; hard images may be covered less than easy ones.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Lac {}

impl ConformalConfig for Lac {
    const ABOUT: About = About::new(
        "lac",
        "takes the classes whose probability is above a limit: the smallest sets on average",
        &[],
    )
    .source("Sadinle et al. 2019");
}

impl Conform for Lac {
    fn scores(&self, probabilities: &[f64], _ranked: &[usize], _draw: f64, out: &mut [f64]) {
        for (out, probability) in out.iter_mut().zip(probabilities) {
            *out = 1.0 - probability;
        }
    }
}
