//! Medians and their intervals.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

/// Samples that the bootstrap draws.
const SAMPLES: usize = 4000;

/// The middle value; of an even number, the mean of both in the middle; NaN of none.
pub(super) fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        count if count % 2 == 1 => values[count / 2],
        count => (values[count / 2 - 1] + values[count / 2]) / 2.0,
    }
}

/// A median and the bootstrap's 90 % interval of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Estimate {
    pub(super) median: f64,
    pub(super) low: f64,
    pub(super) high: f64,
}

impl Estimate {
    /// Of one value for each round.
    pub(super) fn of(values: impl Iterator<Item = f64>) -> Self {
        let values: Vec<f64> = values.collect();
        let mut random = ChaCha8Rng::seed_from_u64(0);
        let mut medians: Vec<f64> = (0..SAMPLES)
            .map(|_| {
                let draw = |_| values[random.random_range(0..values.len())];
                median(&(0..values.len()).map(draw).collect::<Vec<_>>())
            })
            .collect();
        medians.sort_by(f64::total_cmp);
        Self {
            median: median(&values),
            low: medians[SAMPLES / 20],
            high: medians[SAMPLES - 1 - SAMPLES / 20],
        }
    }

    /// A single figure without an interval.
    pub(super) fn exact(value: f64) -> Self {
        Self {
            median: value,
            low: value,
            high: value,
        }
    }

    pub(super) fn to_json(self) -> Value {
        json!({ "median": self.median, "low": self.low, "high": self.high })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn the_interval_holds_the_median_and_leaves_out_one_outlier() {
        let values = (0..15).map(|round| {
            if round == 7 {
                100.0
            } else {
                1.0 + 0.01 * f64::from(round)
            }
        });
        let estimate = Estimate::of(values);
        assert!(estimate.low <= estimate.median && estimate.median <= estimate.high);
        assert!(estimate.low > 1.0 && estimate.high < 1.2, "{estimate:?}");
        assert!(estimate.high > estimate.low);
    }
}
