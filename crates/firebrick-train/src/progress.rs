//! The progress of a run: everything that a resumed run needs besides tensors.

use serde::{Deserialize, Serialize};

use firebrick_core::json_number;
use firebrick_core::run::EpochRow;
use firebrick_core::run::Observation;

use crate::config::Monitor;

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
    /// The best value so far, if the checkpoint of its epoch is lost and `best` is a worse epoch: an
    /// epoch must beat this value to count as an improvement.
    #[serde(with = "json_number", default)]
    pub lost_best: Option<f64>,
    /// Epochs since the last improvement.
    pub stale_epochs: u64,
    /// Whether a hook ended the run.
    #[serde(default)]
    pub stopped: bool,
    /// Updates left out because they were not finite.
    pub skipped_updates: u64,
    /// Seconds spent training, over all sessions.
    #[serde(with = "json_number")]
    pub seconds: f64,
    /// What each layer put out at step 0.
    pub activations: Vec<Observation>,
}

/// Sums over one epoch of training.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct EpochSums {
    /// Sum of weighted losses, without penalties.
    #[serde(with = "json_number")]
    pub loss: f64,
    /// Sum of each weighted penalty; empty without penalties.
    #[serde(with = "json_number", default, skip_serializing_if = "Vec::is_empty")]
    pub penalties: Vec<f64>,
    /// Sum of weights.
    #[serde(with = "json_number")]
    pub weight: f64,
    /// Images classified right. An image whose target is a distribution counts by the share of the class that
    /// the model says.
    #[serde(with = "json_number")]
    pub correct: f64,
    /// Images seen.
    pub images: u64,
    /// Seconds.
    #[serde(with = "json_number")]
    pub seconds: f64,
}

impl Progress {
    /// Notes an epoch's value of the monitored metric. `best` becomes this epoch where it is better than
    /// the best so far; says whether it did.
    pub(crate) fn judge(&mut self, epoch: Best, monitor: Monitor) -> bool {
        let beats = |old: f64| {
            monitor.improves(epoch.value, old) || (old.is_nan() && !epoch.value.is_nan())
        };
        let is_best = self.best.is_none_or(|best| beats(best.value));
        if is_best {
            self.best = Some(epoch);
        }
        if self.lost_best.map_or(is_best, beats) {
            self.lost_best = None;
            self.stale_epochs = 0;
        } else {
            self.stale_epochs += 1;
        }
        is_best
    }
}

impl EpochSums {
    /// Adds everything but the seconds, which the loop counts itself.
    pub fn add(&mut self, other: &Self) {
        self.loss += other.loss;
        add_each(&mut self.penalties, &other.penalties);
        self.weight += other.weight;
        self.correct += other.correct;
        self.images += other.images;
    }

    /// Share of images classified right; 0 without images.
    #[must_use]
    pub fn top1(&self) -> f64 {
        self.correct / self.images.max(1) as f64
    }
}

/// Adds number by number; what is not there yet counts as 0.
pub(crate) fn add_each(to: &mut Vec<f64>, other: &[f64]) {
    to.resize(to.len().max(other.len()), 0.0);
    for (sum, value) in to.iter_mut().zip(other) {
        *sum += value;
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
    #[serde(with = "json_number")]
    pub value: f64,
}

/// `(update, learning rate, loss)` of every `stride`-th update, at most 2000 of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Curve {
    /// Distance between kept updates.
    pub stride: u64,
    /// The kept updates.
    #[serde(with = "json_number")]
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
        // A skipped update has no place on the curve.
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

    fn judged(progress: &mut Progress, values: &[f64]) -> Vec<(bool, u64)> {
        let from = progress.best.map_or(0, |best| best.epoch);
        (from + 1..)
            .zip(values)
            .map(|(epoch, value)| {
                let best = Best {
                    epoch,
                    step: 10 * epoch,
                    value: *value,
                };
                let is_best = progress.judge(best, Monitor::ValidTop1);
                (is_best, progress.stale_epochs)
            })
            .collect()
    }

    #[test]
    fn what_is_not_a_number_is_never_an_improvement() {
        let mut progress = Progress::default();
        let found = judged(
            &mut progress,
            &[f64::NAN, f64::NAN, 0.1, f64::NAN, 0.1, 0.2],
        );
        let expected = [
            (true, 0),
            (false, 1),
            (true, 0),
            (false, 1),
            (false, 2),
            (true, 0),
        ];
        assert_eq!(found, expected);
        assert_eq!(progress.best.unwrap().epoch, 6);
    }

    #[test]
    fn a_lost_best_is_still_to_be_beaten_for_patience() {
        let mut whole = Progress::default();
        judged(&mut whole, &[0.3, 0.8]);
        let mut lost = whole.clone();
        lost.lost_best = Some(0.8);
        lost.best = Some(Best {
            epoch: 1,
            step: 10,
            value: 0.3,
        });
        let rest = [0.5, 0.4, 0.9];
        let stale = |found: Vec<(bool, u64)>| found.into_iter().map(|(_, stale)| stale);
        let expected: Vec<u64> = stale(judged(&mut whole, &rest)).collect();
        assert_eq!(expected, [1, 2, 0]);
        let found = judged(&mut lost, &rest);
        assert_eq!(found, [(true, 1), (false, 2), (true, 0)]);
        assert_eq!((lost.best.unwrap().value, lost.lost_best), (0.9, None));
    }

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
