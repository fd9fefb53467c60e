//! WiSE-FT: the weights between the linear-probed model and the fine-tuned one.
//!
//! Source: Wortsman et al., "Robust fine-tuning of zero-shot models", CVPR 2022. The interpolation itself is that of
//! `ensemble::soup::between`; this says at which places to look, and which one to take.

use serde::{Deserialize, Serialize};

/// The accuracy at a place between the two models.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct AlphaScore {
    /// 0: the linear-probed model; 1: the fine-tuned one.
    pub alpha: f64,
    /// The accuracy on validation images.
    pub top1: f64,
}

/// `count` places from 0 to 1, both included; at least these two.
#[must_use]
pub fn alphas(count: usize) -> Vec<f64> {
    let last = count.max(2) - 1;
    (0..=last).map(|at| at as f64 / last as f64).collect()
}

/// The place with the highest accuracy. Of equally good ones it is the one nearest to the middle, which the paper recommends
/// where nothing else is known.
#[must_use]
pub fn best(scores: &[AlphaScore]) -> Option<AlphaScore> {
    let middle = |score: &AlphaScore| (score.alpha - 0.5).abs();
    let better = |a: &&AlphaScore, b: &&AlphaScore| {
        let order = a.top1.total_cmp(&b.top1);
        order.then(middle(b).total_cmp(&middle(a)))
    };
    scores.iter().max_by(better).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_place_is_taken_and_the_middle_of_equal_ones() {
        assert_eq!(alphas(5), [0.0, 0.25, 0.5, 0.75, 1.0]);
        assert_eq!(alphas(0), [0.0, 1.0]);
        let scores = |list: [f64; 5]| {
            let pairs = alphas(5).into_iter().zip(list);
            let scores: Vec<_> = pairs
                .map(|(alpha, top1)| AlphaScore { alpha, top1 })
                .collect();
            best(&scores).unwrap().alpha
        };
        assert_eq!(scores([0.9, 0.8, 0.8, 0.8, 0.7]), 0.0);
        assert_eq!(scores([0.9, 0.95, 0.9, 0.9, 0.95]), 0.25);
        assert_eq!(scores([0.9, 0.9, 0.9, 0.9, 0.9]), 0.5);
        assert_eq!(best(&[]), None);
    }
}
