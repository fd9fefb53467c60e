//! The record of a run, as data: the trainer writes it, the report draws it.

mod answers;
mod bytes;
mod data_check;
pub mod ensemble;
mod insight;
mod observation;
mod picture;
mod setting;

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::checksum;
use crate::confusion::Confusion;
use crate::json_number;

pub use answers::Answers;
pub use data_check::{
    CheckedImage, Copies, CopiesOfSplit, DATA_CHECK, DataCheck, ImageCopy, Likeness, SplitCounts,
};
pub use insight::{
    EXPLAINED, Explained, ExplainedMistake, FEATURE_MAP, FILTERS, FeatureMap, Filters, NearestImage,
};
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
    /// Mean over the epoch of each penalty of the recipe that is added to the loss, in order; 0 for the
    /// others. The training loss is without them. Empty without penalties.
    #[serde(with = "json_number", default, skip_serializing_if = "Vec::is_empty")]
    pub penalties: Vec<f64>,
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
///
/// Only the name and the recipe must be there. What else an earlier version did not write is empty, what a
/// later version writes beside is passed over, and crates that know more of a run keep it in a section of
/// their own: so records of one version are read by any other.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// Name of the run directory.
    pub name: String,
    /// The resolved recipe, TOML.
    pub recipe: String,
    /// The command that does the same again.
    #[serde(default)]
    pub reproduce: String,
    /// The device.
    #[serde(default)]
    pub device: String,
    /// The model's spec.
    #[serde(default)]
    pub model: String,
    /// Trainable values.
    #[serde(default)]
    pub parameters: usize,
    /// Class names.
    #[serde(default)]
    pub classes: Vec<String>,
    /// One row for each epoch.
    #[serde(default)]
    pub epochs: Vec<EpochRow>,
    /// `(update, learning rate, training loss)`, thinned to at most about 2000.
    #[serde(default, with = "json_number")]
    pub steps: Vec<(u64, f64, f64)>,
    /// The best epoch and its value of the monitored metric.
    #[serde(default, with = "json_number")]
    pub best: Option<(u64, f64)>,
    /// The monitored metric, such as `valid_top1`.
    #[serde(default)]
    pub monitor: String,
    /// Scores of the saved model on a fixed sample of the training images, as they are: without augmentation and
    /// dropout, so that they compare with those on validation.
    #[serde(default)]
    pub train_sample: Option<Scores>,
    /// Scores on the test split.
    #[serde(default)]
    pub test: Option<Scores>,
    /// The confusion matrix of the test split if there is one, else of validation.
    #[serde(default)]
    pub confusion: Confusion,
    /// The most wrong images of the same split.
    #[serde(default)]
    pub mistakes: Vec<Mistake>,
    /// What each layer put out at step 0.
    #[serde(default)]
    pub activations: Vec<Observation>,
    /// The run this one branched from, and where.
    #[serde(default)]
    pub lineage: Option<String>,
    /// When and where it took place.
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
    /// What other crates note of the run, by the crate's name for it; see [`Self::section`].
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sections: BTreeMap<String, serde_json::Value>,
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

    /// What [`Self::set_section`] noted under this name; `None` where nothing was.
    ///
    /// # Errors
    /// What does not fit, where the section is not of this type.
    pub fn section<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, serde_json::Error> {
        self.sections.get(name).map(T::deserialize).transpose()
    }

    /// Notes something that this crate does not know of under a name of the caller's: plain data, in
    /// which numbers that may be infinite or NaN are kept by [`json_number`].
    ///
    /// ```
    /// use firebrick_types::run::RunRecord;
    /// let mut record = RunRecord::default();
    /// record.set_section("snapshots", &vec![100, 200])?;
    /// let read = RunRecord::from_json(&record.to_json()?)?;
    /// assert_eq!(read.section::<Vec<u64>>("snapshots")?, Some(vec![100, 200]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// What JSON cannot hold.
    pub fn set_section<T: Serialize>(
        &mut self,
        name: &str,
        section: &T,
    ) -> Result<(), serde_json::Error> {
        let section = serde_json::to_value(section)?;
        self.sections.insert(name.into(), section);
        Ok(())
    }

    /// Reads the `run.json` of a run directory.
    ///
    /// # Errors
    /// [`RecordError`] naming the file.
    pub fn read(run: &Path) -> Result<Self, RecordError> {
        if !run.exists() {
            let problem = "there is no such run directory; `firebrick runs` lists your runs";
            return Err(RecordError {
                path: run.into(),
                problem: problem.into(),
            });
        }
        let path = run.join("run.json");
        let read = std::fs::read(&path).map_err(|error| match error.kind() {
            ErrorKind::NotFound => {
                "there is no such file: a run writes it when it finishes. Continue an interrupted run with `firebrick train --resume`".into()
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

    /// What `firebrick train` wrote in version 0.1.0, byte for byte.
    const WRITTEN: &[u8] = include_bytes!("run/written_by_0.1.0.json");

    #[test]
    fn a_record_that_0_1_0_wrote_is_read_whole() {
        let record = RunRecord::from_json(WRITTEN).unwrap();
        assert_eq!(
            record.model,
            "lenet5(init=pytorch, activation=relu, pool=max, dropout=0.0)"
        );
        assert_eq!((record.epochs.len(), record.steps.len()), (2, 4));
        assert!(record.test.unwrap().nll > 0.0 && record.epochs[1].valid.is_some());
        assert_eq!(record.files.len(), 1);
        assert!(record.sections.is_empty() && record.answers.is_some());
        // Nothing of it is lost when it is written again.
        let again: serde_json::Value = serde_json::from_slice(&record.to_json().unwrap()).unwrap();
        let before: serde_json::Value = serde_json::from_slice(WRITTEN).unwrap();
        for (key, value) in before.as_object().unwrap() {
            assert!(key == "checksum" || again[key] == *value, "{key}");
        }
    }

    #[test]
    fn what_is_missing_is_empty_and_what_is_not_known_is_passed_over() {
        let mut record: serde_json::Value = serde_json::from_slice(WRITTEN).unwrap();
        let record = record.as_object_mut().unwrap();
        record.remove("checksum");
        record.insert("of_a_later_version".into(), 7.into());
        let read = |record: &serde_json::Map<String, serde_json::Value>| {
            RunRecord::from_json(&serde_json::to_vec(record).unwrap())
        };
        let whole = read(record).unwrap();
        for key in record.keys() {
            let mut without = record.clone();
            without.remove(key);
            match key.as_str() {
                "name" | "recipe" => {
                    let error = read(&without).unwrap_err();
                    assert!(error.contains(&format!("missing field `{key}`")), "{error}");
                }
                _ => assert_eq!(read(&without).unwrap().recipe, whole.recipe, "{key}"),
            }
        }
    }

    #[test]
    fn sections_of_other_crates_are_kept_and_checked() {
        let mut record = record();
        record.set_section("members", &["a", "b"]).unwrap();
        let read = RunRecord::from_json(&record.to_json().unwrap()).unwrap();
        assert_eq!(read, record);
        let members = read.section::<Vec<String>>("members").unwrap();
        assert_eq!(members.unwrap(), ["a", "b"]);
        assert_eq!(read.section::<u64>("head").unwrap(), None);
        assert!(read.section::<u64>("members").is_err());
    }
}
