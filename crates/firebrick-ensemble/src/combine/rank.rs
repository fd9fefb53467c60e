//! `rank`: the class of the best mean rank.

use firebrick_types::about::About;
use serde::{Deserialize, Serialize};

use super::definition::{Combine, CombineConfig};

/// Rank average: each member ranks the classes of an image, from 1 for the least probable to K for the most probable;
/// equals share the mean of their ranks. The prediction is proportional to the mean of the ranks.
///
/// It tells which class, not how sure: even where all members agree, the first of K classes has the probability
/// 2 / (K + 1). A temperature makes its probabilities usable.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rank {}

impl CombineConfig for Rank {
    const ABOUT: About = About::new(
        "rank",
        "predicts by the mean of the ranks that the members give the classes; fit a temperature to its probabilities",
        &[],
    );
}

impl Combine for Rank {
    fn image(&self, rows: &[&[f64]], _parameters: &[f64], out: &mut [f64]) {
        out.fill(0.0);
        let mut order: Vec<usize> = (0..out.len()).collect();
        for row in rows {
            order.sort_by(|a, b| row[*a].total_cmp(&row[*b]));
            let mut below = 0;
            for equals in order.chunk_by(|a, b| row[*a] == row[*b]) {
                let rank = below as f64 + (equals.len() + 1) as f64 / 2.0;
                equals.iter().for_each(|class| out[*class] += rank);
                below += equals.len();
            }
        }
        out.iter_mut().for_each(|ranks| *ranks = ranks.ln());
    }
}
