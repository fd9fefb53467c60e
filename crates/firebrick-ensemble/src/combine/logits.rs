//! `logits`, or `geometric`: the mean of the logits, which is the geometric mean of the probabilities.

use firebrick_types::about::About;
use serde::{Deserialize, Serialize};

use super::definition::{Combine, CombineConfig};

/// The softmax of the mean of the members' logits.
///
/// ```text
/// p ∝ exp((z₁ + … + z_M) / M) = exp(z₁)^(1/M) · … · exp(z_M)^(1/M) ∝ p₁^(1/M) · … · p_M^(1/M)
/// ```
///
/// The last form is the normalized geometric mean of the probabilities, so the two names mean one rule. A member that
/// gives a class next to nothing can veto it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Logits {}

impl CombineConfig for Logits {
    const ABOUT: About = About {
        aliases: &["geometric"],
        ..About::new(
            "logits",
            "predicts the softmax of the mean logits, which is the geometric mean of the members' probabilities",
            &[],
        )
    };
}

impl Combine for Logits {
    fn image(&self, rows: &[&[f64]], _parameters: &[f64], out: &mut [f64]) {
        for (class, out) in out.iter_mut().enumerate() {
            let sum: f64 = rows.iter().map(|row| row[class]).sum();
            *out = sum / rows.len() as f64;
        }
    }
}
