//! What a lecture on regularization says, in short, and whether the runs show it.

use super::results::Measure::{self, Gap, Test, Train};
use super::results::Results;

/// A sentence of the form: one arm has less of something than another.
pub struct Claim {
    /// The sentence.
    pub says: &'static str,
    /// What is compared.
    pub measure: Measure,
    /// The arm that has less.
    pub less: &'static str,
    /// The arm that has more.
    pub more: &'static str,
}

const fn claim(
    says: &'static str,
    measure: Measure,
    less: &'static str,
    more: &'static str,
) -> Claim {
    Claim {
        says,
        measure,
        less,
        more,
    }
}

/// The sentences about arms.
pub static CLAIMS: [Claim; 18] = [
    claim(
        "L2 closes the gap between training and test",
        Gap,
        "l2",
        "none",
    ),
    claim("L2 lowers the test error", Test, "l2", "none"),
    claim("dropout closes the gap", Gap, "dropout", "none"),
    claim("dropout lowers the test error", Test, "dropout", "none"),
    claim(
        "with dropout, the training images are learned more slowly",
        Train,
        "none",
        "dropout",
    ),
    claim(
        "with dropout, training for twice as long lowers the test error",
        Test,
        "dropout-twice",
        "dropout",
    ),
    claim(
        "batch norm makes a network easier to train",
        Train,
        "batch-norm",
        "none",
    ),
    claim(
        "batch norm lowers the test error",
        Test,
        "batch-norm",
        "none",
    ),
    claim(
        "batch norm regularizes: the gap is smaller",
        Gap,
        "batch-norm",
        "none",
    ),
    claim(
        "dropout before batch norm does harm",
        Test,
        "batch-norm",
        "batch-norm-dropout",
    ),
    claim(
        "augmentation (flip + crop) closes the gap",
        Gap,
        "flip-crop",
        "batch-norm",
    ),
    claim(
        "augmentation lowers the test error",
        Test,
        "flip-crop",
        "batch-norm",
    ),
    claim("cutout closes the gap further", Gap, "cutout", "flip-crop"),
    claim(
        "cutout lowers the test error further",
        Test,
        "cutout",
        "flip-crop",
    ),
    claim("mixup closes the gap further", Gap, "mixup", "flip-crop"),
    claim(
        "mixup lowers the test error further",
        Test,
        "mixup",
        "flip-crop",
    ),
    claim(
        "TrivialAugment closes the gap further",
        Gap,
        "trivial-augment",
        "flip-crop",
    ),
    claim(
        "TrivialAugment lowers the test error further",
        Test,
        "trivial-augment",
        "flip-crop",
    ),
];

/// Whether a sentence was seen, and the numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// Whether it was.
    pub seen: bool,
    /// In words.
    pub numbers: String,
}

impl Claim {
    /// Whether the runs show it: the difference has this sign and is more than the sum of both standard errors. `None`
    /// where runs are missing.
    pub fn verdict(&self, results: &Results) -> Option<Verdict> {
        let less = results.estimate(self.less, self.measure)?;
        let more = results.estimate(self.more, self.measure)?;
        let needed = less.error + more.error;
        let difference = more.spread.mean - less.spread.mean;
        let what = match self.measure {
            Measure::Train => "training error",
            Measure::Test => "test error",
            Measure::Gap => "gap",
        };
        let opposite = if difference < -needed {
            "; the opposite was seen"
        } else {
            ""
        };
        Some(Verdict {
            seen: difference > needed,
            numbers: format!(
                "{what} {:.1} against {:.1}, {needed:.1} needed{opposite}",
                less.spread.mean, more.spread.mean
            ),
        })
    }
}

/// The grid with batch norm or without: for each factor on the initial weights and each rate, the test error in percent; `None`
/// where a run diverged.
pub struct Grid {
    /// The rates, rising.
    pub rates: Vec<f64>,
    /// The factors.
    pub scales: Vec<f64>,
    /// By factor, then by rate.
    pub errors: Vec<Vec<Option<f64>>>,
}

impl Grid {
    /// The least error.
    fn best(&self) -> Option<f64> {
        let errors = self.errors.iter().flatten().flatten().copied();
        errors.min_by(f64::total_cmp)
    }

    /// The highest rate at which the network trains, with the factor nearest to 1.
    fn highest_rate(&self, trains: impl Fn(Option<f64>) -> bool) -> f64 {
        let distance = |scale: &f64| scale.ln().abs();
        let scales = self.scales.iter().enumerate();
        let Some((at, _)) = scales.min_by(|a, b| distance(a.1).total_cmp(&distance(b.1))) else {
            return 0.0;
        };
        let row = self.rates.iter().zip(&self.errors[at]);
        let rates = row.filter(|(_, error)| trains(**error));
        rates.map(|(rate, _)| *rate).fold(0.0, f64::max)
    }

    /// The factors with which the network trains at the rate of its least error.
    fn factors(&self, trains: impl Fn(Option<f64>) -> bool) -> usize {
        let best = |row: &Vec<Option<f64>>| row.iter().flatten().copied().fold(f64::MAX, f64::min);
        let rows = self.errors.iter();
        let Some(row) = rows.min_by(|a, b| best(a).total_cmp(&best(b))) else {
            return 0;
        };
        let Some(rate) = row.iter().position(|error| *error == Some(best(row))) else {
            return 0;
        };
        let rows = self.errors.iter();
        rows.filter(|row| trains(row[rate])).count()
    }
}

/// The sentences about rates and initial weights. A network trains if its error is nearer to the least error of both grids
/// than to that of guessing.
pub fn grid_verdicts(with: &Grid, without: &Grid, classes: usize) -> Vec<(&'static str, Verdict)> {
    let guess = 100.0 * (1.0 - 1.0 / classes.max(1) as f64);
    let bests = [with.best(), without.best()].into_iter().flatten();
    let best = bests.fold(guess, f64::min);
    let trains = |error: Option<f64>| error.is_some_and(|error| error < f64::midpoint(best, guess));
    let (high, low) = (with.highest_rate(trains), without.highest_rate(trains));
    let (many, few) = (with.factors(trains), without.factors(trains));
    vec![
        (
            "batch norm allows higher learning rates",
            Verdict {
                seen: high > low,
                numbers: format!("trains up to {high} with it, {low} without"),
            },
        ),
        (
            "with batch norm, the initial weights matter less",
            Verdict {
                seen: many > few,
                numbers: format!(
                    "of {} factors, it trains with {many} with it, {few} without, each at its best rate",
                    with.scales.len()
                ),
            },
        ),
    ]
}
