//! The record of a run, as data: the trainer writes it, the report draws it.

mod answers;
mod bytes;
mod observation;
mod picture;
mod setting;

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::checksum;
use crate::confusion::Confusion;
use crate::json_number;

pub use answers::Answers;
pub use observation::Observation;
pub use picture::{FirstBatch, Picture};
pub use setting::{RunData, Setting};

/// Scores of a model on a set of images. Accuracies are fractions.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// The training loss's value, label smoothing and class weights included.
    #[serde(with = "json_number")]
    pub loss: f64,
    /// Share of images whose highest score is the right class.
    #[serde(with = "json_number")]
    pub top1: f64,
    /// Share of images whose right class is among the five highest scores.
    #[serde(with = "json_number")]
    pub top5: f64,
    /// Mean negative log-likelihood of the right class, in nats.
    #[serde(with = "json_number")]
    pub nll: f64,
    /// Expected calibration error: 15 equal bins of confidence, weighted by count.
    #[serde(with = "json_number")]
    pub ece: f64,
    /// Mean squared distance between probabilities and the one-hot truth, summed over classes.
    #[serde(with = "json_number")]
    pub brier: f64,
    /// Images.
    pub count: usize,
}

/// One epoch of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EpochRow {
    /// The epoch, from 1.
    pub epoch: u64,
    /// Optimizer updates made so far.
    pub step: u64,
    /// The learning rate of the epoch's last update.
    #[serde(with = "json_number")]
    pub lr: f64,
    /// Mean training loss over the epoch, while the model changed.
    #[serde(with = "json_number")]
    pub train_loss: f64,
    /// Training accuracy over the epoch, while the model changed.
    #[serde(with = "json_number")]
    pub train_top1: f64,
    /// Scores on the validation split, where there is one.
    pub valid: Option<Scores>,
    /// Seconds spent in training steps, loading included.
    #[serde(with = "json_number")]
    pub seconds: f64,
    /// Training images for each of these seconds.
    #[serde(with = "json_number")]
    pub images_per_second: f64,
}

/// One image that the model got most wrong.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Mistake {
    /// Name of the image.
    pub name: String,
    /// The right class.
    pub truth: usize,
    /// The classes the model said instead, most probable first, with their probabilities.
    #[serde(with = "json_number")]
    pub said: Vec<(usize, f64)>,
    /// Probability given to the right class.
    #[serde(with = "json_number")]
    pub truth_probability: f64,
    /// A small copy: width, height, channels (1 or 3).
    pub size: [usize; 3],
    /// Its pixels, interleaved.
    #[serde(with = "bytes")]
    pub pixels: Vec<u8>,
}

/// The images whose stated confidence lies in one of a number of equal bins.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct ConfidenceBin {
    /// Images.
    pub count: usize,
    /// Their mean confidence: the probability of the class that was said. 0 without images.
    #[serde(with = "json_number")]
    pub confidence: f64,
    /// The share of them that was right. 0 without images.
    pub accuracy: f64,
}

/// Everything a report needs of one run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// Name of the run directory.
    pub name: String,
    /// The resolved recipe, TOML.
    pub recipe: String,
    /// The command that does the same again.
    pub reproduce: String,
    /// The device.
    pub device: String,
    /// The model's spec.
    pub model: String,
    /// Trainable values.
    pub parameters: usize,
    /// Class names.
    pub classes: Vec<String>,
    /// One row for each epoch.
    pub epochs: Vec<EpochRow>,
    /// `(update, learning rate, training loss)`, thinned to at most about 2000.
    #[serde(with = "json_number")]
    pub steps: Vec<(u64, f64, f64)>,
    /// The best epoch and its value of the monitored metric.
    #[serde(with = "json_number")]
    pub best: Option<(u64, f64)>,
    /// The monitored metric, such as `valid_top1`.
    pub monitor: String,
    /// Scores on the test split.
    pub test: Option<Scores>,
    /// The confusion matrix of the test split if there is one, else of validation.
    pub confusion: Confusion,
    /// The most wrong images of the same split.
    pub mistakes: Vec<Mistake>,
    /// What each layer put out at step 0.
    pub activations: Vec<Observation>,
    /// The run this one branched from, and where.
    pub lineage: Option<String>,
    /// When and where it took place. Empty in records of earlier versions, as are the fields below.
    #[serde(default)]
    pub setting: Setting,
    /// Its data.
    #[serde(default)]
    pub data: RunData,
    /// Which images were classified right, of the split of [`Self::confusion`].
    #[serde(default)]
    pub answers: Option<Answers>,
    /// Confidence against accuracy on that split: 15 equal bins from 0 to 1.
    #[serde(default)]
    pub calibration: Vec<ConfidenceBin>,
    /// The first training images.
    #[serde(default)]
    pub first_batch: Option<FirstBatch>,
    /// SHA-256 of other files of the run by name: `model.safetensors`.
    #[serde(default)]
    pub files: BTreeMap<String, String>,
    /// Warnings that were given during training.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// A `run.json` that cannot be read or used.
#[derive(Debug, thiserror::Error)]
#[error("{}: {problem}", path.display())]
pub struct RecordError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub problem: String,
}

/// How the file begins; the digits of its checksum follow, then a quote and a comma.
const CHECKSUM: &[u8] = b"{\"checksum\":\"";

impl RunRecord {
    /// The bytes of `run.json`: a checksum over everything that follows it, then the record.
    ///
    /// # Errors
    /// What JSON cannot hold.
    pub fn to_json(&self) -> Result<Vec<u8>, serde_json::Error> {
        let record = serde_json::to_vec(self)?;
        let rest = &record[1..];
        Ok([CHECKSUM, checksum::of(rest).as_bytes(), b"\",", rest].concat())
    }

    /// Reads the bytes of `run.json`, also of earlier versions, which had no checksum.
    ///
    /// # Errors
    /// What is wrong with them: they are no record, or not the one that was written.
    pub fn from_json(bytes: &[u8]) -> Result<Self, String> {
        let checked = bytes
            .strip_prefix(CHECKSUM)
            .and_then(|after| after.split_at_checked(checksum::DIGITS))
            .and_then(|(sum, after)| Some((sum, after.strip_prefix(b"\",")?)));
        if let Some((sum, rest)) = checked
            && checksum::of(rest).as_bytes() != sum
        {
            return Err("it is damaged or was edited: its checksum does not match".into());
        }
        serde_json::from_slice(bytes).map_err(|error| format!("not a run record: {error}"))
    }

    /// Reads the `run.json` of a run directory.
    ///
    /// # Errors
    /// [`RecordError`] naming the file.
    pub fn read(run: &Path) -> Result<Self, RecordError> {
        let path = run.join("run.json");
        let read = std::fs::read(&path).map_err(|error| match error.kind() {
            ErrorKind::NotFound => {
                format!("{error}; a run has this file only after it has finished")
            }
            _ => error.to_string(),
        });
        read.and_then(|bytes| Self::from_json(&bytes))
            .map_err(|problem| RecordError { path, problem })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the first version wrote them.
    const EARLIER: &str = r#"{"name": "old", "recipe": "", "reproduce": "", "device": "flex", "model": "lenet5",
        "parameters": 7, "classes": ["a", "b"], "epochs": [], "steps": [[0, 0.1, 2.5]], "best": [1, 0.75],
        "monitor": "valid_top1", "test": null, "confusion": [[3, 1], [0, 4]], "mistakes": [{"name": "x.png",
        "truth": 0, "said": [[0, 0.5]], "truth_probability": 0.5, "size": [2, 1, 1], "pixels": [3, 250]}],
        "activations": [], "lineage": null}"#;

    fn record() -> RunRecord {
        RunRecord::from_json(EARLIER.as_bytes()).unwrap()
    }

    #[test]
    fn every_changed_byte_shows_or_does_not_matter() {
        let bytes = record().to_json().unwrap();
        assert_eq!(RunRecord::from_json(&bytes).unwrap(), record());
        for at in 0..bytes.len() {
            for flip in [0x01, 0x20, 0x80] {
                let mut damaged = bytes.clone();
                damaged[at] ^= flip;
                if let Ok(read) = RunRecord::from_json(&damaged) {
                    assert_eq!(read, record(), "byte {at} of {}", bytes.len());
                }
            }
            assert!(RunRecord::from_json(&bytes[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn records_of_earlier_versions_are_read() {
        let record = record();
        assert_eq!(record.mistakes[0].pixels, [3, 250]);
        assert_eq!((record.data.train, record.answers.is_none()), (0, true));
        assert_eq!(record.confusion, vec![vec![3, 1], vec![0, 4]].into());
        let again = RunRecord::from_json(&record.to_json().unwrap()).unwrap();
        assert_eq!(again, record);
    }
}
