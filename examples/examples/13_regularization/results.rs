//! What the runs reached.

use std::path::Path;

use anyhow::Context;
use firebrick::core::run::{RunRecord, Scores};
use firebrick_examples::{End, Spread};
use serde::{Deserialize, Serialize};

/// The file of all outcomes. With it and the recipe, an experiment goes on without the directories of its runs.
pub const FILE: &str = "runs.json";

/// What is measured of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// The error on training images as they are.
    Train,
    /// The error on the test images.
    Test,
    /// The error on the test images less that on training images.
    Gap,
}

/// An epoch of a run. Errors are in percent.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Epoch {
    /// The epoch, from 1.
    pub epoch: u64,
    /// The mean training loss, with dropout, augmentation and mixing.
    pub train_loss: f64,
    /// The error on the validation images.
    pub valid_error: Option<f64>,
}

/// What a run reached. Errors are in percent.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Outcome {
    /// The arm, or the network of the grid.
    pub key: String,
    /// The seed.
    pub seed: u64,
    /// The error on training images, without augmentation and dropout.
    pub train_error: Option<f64>,
    /// The error on the test images.
    pub test_error: Option<f64>,
    /// How many training and test images were scored.
    pub images: [usize; 2],
    /// Classes.
    pub classes: usize,
    /// Seconds of training.
    pub seconds: f64,
    /// Why it has no end.
    pub diverged: Option<String>,
    /// Its epochs.
    pub epochs: Vec<Epoch>,
}

/// The share of wrong answers, in percent.
fn error(scores: &Scores) -> f64 {
    100.0 * (1.0 - scores.top1)
}

impl Outcome {
    /// That of a run.
    pub fn new(key: String, seed: u64, end: End) -> Self {
        let (record, diverged) = match end {
            End::Finished(record) => (*record, None),
            End::Diverged(why) => (RunRecord::default(), Some(why)),
        };
        let count = |scores: Option<Scores>| scores.map_or(0, |scores| scores.count);
        let epochs = record.epochs.iter().map(|row| Epoch {
            epoch: row.epoch,
            train_loss: row.train_loss,
            valid_error: row.valid.as_ref().map(error),
        });
        Self {
            key,
            seed,
            train_error: record.train_sample.as_ref().map(error),
            test_error: record.test.as_ref().map(error),
            images: [count(record.train_sample), count(record.test)],
            classes: record.classes.len(),
            // A sum of nothing would be -0.
            seconds: record.epochs.iter().fold(0.0, |sum, row| sum + row.seconds),
            diverged,
            epochs: epochs.collect(),
        }
    }

    /// A measure of it in percent; `None` where it diverged.
    pub fn measure(&self, measure: Measure) -> Option<f64> {
        let (train, test) = (self.train_error?, self.test_error?);
        Some(match measure {
            Measure::Train => train,
            Measure::Test => test,
            Measure::Gap => test - train,
        })
    }

    /// The standard error of a measure that comes from the number of images alone, in percent.
    fn of_images(&self, measure: Measure) -> f64 {
        let [train, test] = self.images;
        let variance = |error: Option<f64>, images: usize| {
            let error = error.unwrap_or(0.0);
            error * (100.0 - error) / images.max(1) as f64
        };
        let (train, test) = (
            variance(self.train_error, train),
            variance(self.test_error, test),
        );
        let variance = match measure {
            Measure::Train => train,
            Measure::Test => test,
            Measure::Gap => train + test,
        };
        variance.sqrt()
    }
}

/// A mean over seeds, and its standard error.
#[derive(Debug, Clone, Copy)]
pub struct Estimate {
    /// Over the seeds.
    pub spread: Spread,
    /// The standard error of the mean over seeds, and at least that of so many images.
    pub error: f64,
}

/// All outcomes so far.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Results {
    /// In the order in which they train.
    pub outcomes: Vec<Outcome>,
}

impl Results {
    /// Those that were written into a directory; none where it holds none.
    pub fn read(directory: &Path) -> anyhow::Result<Self> {
        let file = directory.join(FILE);
        if !file.is_file() {
            return Ok(Self::default());
        }
        let read = || Ok::<_, anyhow::Error>(serde_json::from_slice(&std::fs::read(&file)?)?);
        read().with_context(|| format!("{} cannot be read; remove it", file.display()))
    }

    /// Whether a run is among them.
    pub fn know(&self, key: &str, seed: u64) -> bool {
        self.of(key).iter().any(|one| one.seed == seed)
    }

    /// Those of an arm or a network of the grid, by seed.
    pub fn of(&self, key: &str) -> Vec<&Outcome> {
        let outcomes = self.outcomes.iter();
        outcomes.filter(|outcome| outcome.key == key).collect()
    }

    /// A measure over the seeds whose run did not diverge; `None` where there is none.
    pub fn estimate(&self, key: &str, measure: Measure) -> Option<Estimate> {
        let outcomes = self.of(key);
        let values: Vec<f64> = outcomes
            .iter()
            .filter_map(|one| one.measure(measure))
            .collect();
        let spread = Spread::of(&values)?;
        let finished = outcomes.iter().filter(|one| one.diverged.is_none());
        let of_images = finished
            .map(|one| one.of_images(measure))
            .fold(0.0, f64::max);
        Some(Estimate {
            spread,
            error: spread.error().max(of_images),
        })
    }

    /// How many runs of an arm or a network of the grid diverged.
    pub fn diverged(&self, key: &str) -> usize {
        let outcomes = self.of(key);
        outcomes.iter().filter(|one| one.diverged.is_some()).count()
    }

    /// One line for each run.
    pub fn csv(&self) -> String {
        let mut text = "run,seed,epochs,train_error,test_error,gap,seconds,diverged\n".to_string();
        let shown = |value: Option<f64>| value.map_or(String::new(), |value| format!("{value:.3}"));
        for one in &self.outcomes {
            let fields = [
                one.key.clone(),
                one.seed.to_string(),
                one.epochs.len().to_string(),
                shown(one.train_error),
                shown(one.test_error),
                shown(one.measure(Measure::Gap)),
                format!("{:.1}", one.seconds),
                one.diverged.is_some().to_string(),
            ];
            text += &(fields.join(",") + "\n");
        }
        text
    }
}
