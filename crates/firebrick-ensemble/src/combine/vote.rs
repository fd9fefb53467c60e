//! `vote`: the class that most members predict.

use firebrick_types::about::About;
use firebrick_types::metrics::highest;
use serde::{Deserialize, Serialize};

use super::definition::{Combine, CombineConfig};
use super::mean::weighted_mean;

/// Majority vote: each of M members votes for its most probable class. One more vote is divided among the classes as the
/// mean of the probabilities is.
///
/// ```text
/// p = (votes + mean) / (M + 1)
/// ```
///
/// The divided vote decides between classes with equal numbers of votes, and never overrules a vote. With it, no class
/// that a member thinks possible has the probability 0, so the negative log-likelihood stays finite.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Vote {}

impl CombineConfig for Vote {
    const ABOUT: About = About::new(
        "vote",
        "predicts the class that most members predict, and between equals the one with the higher mean probability",
        &[],
    );
}

impl Combine for Vote {
    fn image(&self, rows: &[&[f64]], _parameters: &[f64], out: &mut [f64]) {
        weighted_mean(rows, |_| 1.0 / rows.len() as f64, out);
        let votes: Vec<usize> = rows.iter().map(|row| highest(row)).collect();
        for (class, out) in out.iter_mut().enumerate() {
            let votes = votes.iter().filter(|vote| **vote == class).count();
            if votes > 0 {
                *out = (votes as f64 + out.exp()).ln();
            }
        }
    }
}
