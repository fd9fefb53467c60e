//! How far a run is: everything a resumed run must know besides tensors.

use serde::{Deserialize, Serialize};

use firebrick_core::probe::Observation;
use firebrick_core::run::EpochRow;

/// How far a run is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Optimizer updates made; the schedule's position.
    pub step: u64,
    /// The current epoch, from 0.
    pub epoch: u64,
    /// Micro-batches used in the current epoch; the sampler's position.
    pub batch: usize,
    /// Sums over the current epoch.
    pub sums: EpochSums,
    /// Finished epochs.
    pub rows: Vec<EpochRow>,
    /// The curve of single updates, thinned.
    pub curve: Curve,
    /// The best epoch.
    pub best: Option<Best>,
    /// Epochs since the best one.
    pub stale_epochs: u64,
    /// Updates left out because they were not finite.
    pub skipped_updates: u64,
    /// Seconds spent training, over all sessions.
    pub seconds: f64,
    /// What each layer put out at step 0.
    pub activations: Vec<Observation>,
}

/// Sums over one epoch of training.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct EpochSums {
    /// Sum of weighted losses.
    pub loss: f64,
    /// Sum of weights.
    pub weight: f64,
    /// Images classified right.
    pub correct: u64,
    /// Images seen.
    pub images: u64,
    /// Seconds.
    pub seconds: f64,
}

impl EpochSums {
    /// Adds everything but the seconds, which the loop counts itself.
    pub fn add(&mut self, other: &Self) {
        self.loss += other.loss;
        self.weight += other.weight;
        self.correct += other.correct;
        self.images += other.images;
    }

    /// Share of images classified right; 0 without images.
    #[must_use]
    pub fn top1(&self) -> f64 {
        self.correct as f64 / self.images.max(1) as f64
    }
}

/// The best epoch so far.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// The epoch, from 1.
    pub epoch: u64,
    /// Updates made by then: its checkpoint's name.
    pub step: u64,
    /// Its value of the monitored metric.
    pub value: f64,
}

/// `(update, learning rate, loss)` of every `stride`-th update, at most 2000 of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Curve {
    /// Distance between kept updates.
    pub stride: u64,
    /// The kept updates.
    pub points: Vec<(u64, f64, f64)>,
}

impl Default for Curve {
    fn default() -> Self {
        Self {
            stride: 1,
            points: Vec::new(),
        }
    }
}

impl Curve {
    const MOST: usize = 2000;

    /// Notes an update; thins by half when full.
    pub fn push(&mut self, step: u64, lr: f64, loss: f64) {
        // JSON has no NaN; a skipped update has no place on the curve either.
        if !step.is_multiple_of(self.stride) || !loss.is_finite() {
            return;
        }
        self.points.push((step, lr, loss));
        if self.points.len() > Self::MOST {
            self.stride *= 2;
            let stride = self.stride;
            self.points.retain(|(step, ..)| step.is_multiple_of(stride));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_curve_stays_short_and_even() {
        let mut curve = Curve::default();
        (0..100_000).for_each(|step| curve.push(step, 0.1, 1.0));
        assert!(curve.points.len() <= Curve::MOST && curve.points.len() > Curve::MOST / 2 - 1);
        assert!(
            curve
                .points
                .windows(2)
                .all(|pair| pair[1].0 - pair[0].0 == curve.stride)
        );
        curve.push(curve.stride * 99_999, 0.1, f64::NAN);
        assert!(curve.points.iter().all(|(.., loss)| loss.is_finite()));
    }
}
