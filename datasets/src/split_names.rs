//! The splits of a data set and their usual names, for folders and on the command line.

use std::fmt;
use std::str::FromStr;

use firebrick_types::ConfigError;
use serde::{Deserialize, Serialize};

/// A part of a data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    /// For training.
    Train,
    /// For choosing between epochs and models.
    Valid,
    /// For one evaluation at the end.
    Test,
    /// Every image of a data set without splits.
    All,
}

const TRAIN: [&str; 3] = ["train", "training", "trn"];
const VALID: [&str; 8] = [
    "val",
    "valid",
    "validation",
    "validate",
    "validating",
    "vld",
    "dev",
    "development",
];
const TEST: [&str; 6] = ["test", "testing", "tst", "eval", "evaluation", "holdout"];
/// Names of folders whose images have no classes.
const UNLABELLED: [&str; 8] = [
    "pred",
    "predict",
    "prediction",
    "predictions",
    "unlabelled",
    "unlabeled",
    "unsup",
    "inference",
];
/// Words in folder names that do not tell which split it is.
const FILLERS: [&str; 15] = [
    "set", "sets", "data", "dataset", "images", "image", "imgs", "img", "split", "folder", "dir",
    "samples", "photos", "pictures", "files",
];

impl Split {
    /// The split in a folder of this name, in upper or lower case: `train`, `Training`, `train_set`,
    /// `trainset`, `Train Images`, `train2017`; `val`, `valid`, `validation`, `dev`; `test`, `testing`,
    /// `eval`. `None` when it is not the name of a split.
    #[must_use]
    pub fn of_folder(name: &str) -> Option<Self> {
        let word = only_word(name)?;
        let is = |names: &[&str]| names.contains(&word.as_str());
        if is(&TRAIN) {
            Some(Self::Train)
        } else if is(&VALID) {
            Some(Self::Valid)
        } else if is(&TEST) {
            Some(Self::Test)
        } else {
            None
        }
    }

    /// The usual name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Valid => "valid",
            Self::Test => "test",
            Self::All => "all",
        }
    }
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Reads every name that a folder may have, and `all`.
impl FromStr for Split {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        if text.eq_ignore_ascii_case("all") {
            return Ok(Self::All);
        }
        Self::of_folder(text).ok_or_else(|| {
            ConfigError::unknown_name("split", text, ["train", "valid", "test", "all"])
        })
    }
}

/// Whether a folder of this name holds images without classes: `predict`, `unlabelled`.
pub(crate) fn is_unlabelled(name: &str) -> bool {
    only_word(name).is_some_and(|word| UNLABELLED.contains(&word.as_str()))
}

/// The one word of a name that is no filler and no number, in lower case.
fn only_word(name: &str) -> Option<String> {
    let lower = name.to_lowercase();
    let mut words = lower
        .split(|c: char| !c.is_alphabetic())
        .filter(|word| !word.is_empty() && !FILLERS.contains(word));
    let word = words.next()?;
    if words.next().is_some() {
        return None;
    }
    // `trainset` is `train set`, and `traindataset` is `train dataset`, not `traindata set`.
    let bare = FILLERS
        .iter()
        .filter_map(|filler| word.strip_suffix(filler))
        .filter(|bare| !bare.is_empty())
        .min_by_key(|bare| bare.len());
    Some(bare.unwrap_or(word).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_names_are_known_whatever_their_case() {
        use Split::{Test, Train, Valid};
        for (names, expected) in [
            (
                "train TRAIN Training trn train_set train-set trainset TrainData traindataset \
                 train2017 01_train Train.Images training_images",
                Some(Train),
            ),
            (
                "val Val valid VALIDATION validation_set valset dev dev-set val2017",
                Some(Valid),
            ),
            (
                "test Testing TEST test_set testset tst eval Evaluation test-data",
                Some(Test),
            ),
            (
                "cat tr detest retrain trainer trains trainval train_val test_cat valley set data \
                 2017 _ pred",
                None,
            ),
        ] {
            for name in names.split_whitespace() {
                assert_eq!(Split::of_folder(name), expected, "{name}");
            }
        }
        assert_eq!(Split::of_folder("Training Set"), Some(Train));
        assert!(is_unlabelled("Unlabeled_Images") && is_unlabelled("pred"));
        assert!(!is_unlabelled("test"));
    }

    #[test]
    fn the_flag_reads_every_spelling_and_names_those_that_are_right() {
        for (text, expected) in [
            ("val", Split::Valid),
            ("validation", Split::Valid),
            ("Test", Split::Test),
            ("all", Split::All),
        ] {
            assert_eq!(text.parse::<Split>().unwrap(), expected);
        }
        assert_eq!(Split::Valid.to_string().parse(), Ok(Split::Valid));
        let error = "tset".parse::<Split>().unwrap_err().to_string();
        assert_eq!(
            error,
            "unknown split `tset` (did you mean `test`?); known: train, valid, test, all"
        );
    }
}
