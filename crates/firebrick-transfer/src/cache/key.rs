//! What a file of features is of.

use std::fs::File;
use std::path::Path;

use firebrick_types::checksum;
use firebrick_types::error::excerpt;
use firebrick_types::positioned::read_exact_at;
use serde::{Deserialize, Serialize};

use super::{BEGIN, MAX_HEADER, ROW_HEAD};
use crate::error::TransferError;

/// What features are of. Features with another key are other features.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// What tells the weights and the model from others, such as the name of the model and the SHA-256 of its weights file.
    pub weights: String,
    /// How images become input, such as `resize=256 crop=224 bicubic`.
    pub preprocessing: String,
    /// The fingerprint of the data.
    pub data: String,
    /// The number of images.
    pub images: usize,
    /// The names of the augmentation views of each image, at least one, such as `plain`, `hflip`.
    pub views: Vec<String>,
    /// The stages, in the order in which their features stand in a row.
    pub stages: Vec<StageWidth>,
    /// The names of the classes.
    pub classes: Vec<String>,
}

/// A stage of a backbone, and how many features it gives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StageWidth {
    /// The name, such as `layer3`.
    pub name: String,
    /// The number of features.
    pub width: usize,
}

impl Key {
    /// The number of features of a row, of all stages.
    pub(super) fn width(&self) -> usize {
        self.stages.iter().map(|stage| stage.width).sum()
    }

    /// The bytes of a row.
    pub(super) fn row_bytes(&self) -> usize {
        ROW_HEAD + 4 * self.width()
    }

    /// What is wrong with a key, if anything.
    pub(super) fn problem(&self) -> Option<String> {
        let sum = self
            .stages
            .iter()
            .try_fold(0_usize, |sum, stage| sum.checked_add(stage.width));
        if self.stages.is_empty() || self.stages.iter().any(|stage| stage.width == 0) {
            return Some("it has no stages, or one without features".into());
        }
        if sum.is_none_or(|sum| sum > 1 << 28) {
            return Some("its stages have more than 2²⁸ features".into());
        }
        let twice = |at: usize| {
            self.stages[..at]
                .iter()
                .any(|stage| stage.name == self.stages[at].name)
        };
        if let Some(at) = (0..self.stages.len()).find(|at| twice(*at)) {
            let name = excerpt(&self.stages[at].name);
            return Some(format!("it has two stages called `{name}`"));
        }
        if self.images == 0 || self.views.is_empty() || self.classes.is_empty() {
            return Some("it has no images, views or classes".into());
        }
        let rows = self.images.checked_mul(self.views.len());
        if rows.is_none_or(|rows| rows > 1 << 31) || self.classes.len() > 1 << 31 {
            return Some("it has more than 2³¹ images and views, or classes".into());
        }
        None
    }

    /// What is different in features that are wanted, as the end of a sentence; nothing where these have them all.
    pub(super) fn difference(&self, wanted: &Self) -> Option<String> {
        let two = |what: &str, here: &str, wanted: &str| {
            (here != wanted).then(|| {
                format!(
                    "{what}: `{}` here, and `{}` now",
                    excerpt(here),
                    excerpt(wanted)
                )
            })
        };
        let views = |key: &Self| key.views.join(", ");
        two("other weights", &self.weights, &wanted.weights)
            .or_else(|| {
                two(
                    "another preprocessing",
                    &self.preprocessing,
                    &wanted.preprocessing,
                )
            })
            .or_else(|| two("other data", &self.data, &wanted.data))
            .or_else(|| {
                two(
                    "another number of images",
                    &self.images.to_string(),
                    &wanted.images.to_string(),
                )
            })
            .or_else(|| two("other augmentation views", &views(self), &views(wanted)))
            .or_else(|| {
                (self.classes != wanted.classes)
                    .then(|| "other classes, or the same in another order".to_string())
            })
            .or_else(|| {
                let missing = wanted
                    .stages
                    .iter()
                    .find(|stage| !self.stages.contains(stage))?;
                Some(format!(
                    "other stages: it has {}, and not `{}` with {} features",
                    self.stage_names(),
                    excerpt(&missing.name),
                    missing.width
                ))
            })
    }

    /// The names of the stages, for messages.
    pub(super) fn stage_names(&self) -> String {
        let names: Vec<_> = self
            .stages
            .iter()
            .map(|stage| format!("`{}`", excerpt(&stage.name)))
            .collect();
        names.join(", ")
    }

    /// What a file begins with.
    pub(super) fn header(&self, path: &Path) -> Result<Vec<u8>, TransferError> {
        if let Some(problem) = self.problem() {
            return Err(TransferError::cache(
                path,
                format!("these features cannot be written: {problem}"),
            ));
        }
        let json = serde_json::to_vec(self)
            .map_err(|error| TransferError::cache(path, error.to_string()))?;
        if json.len() as u64 > MAX_HEADER {
            return Err(TransferError::cache(
                path,
                "these features cannot be written: the names of the classes have more than 16 MiB",
            ));
        }
        let mut header = BEGIN.to_vec();
        header.extend((json.len() as u64).to_le_bytes());
        header.extend(&json);
        header.extend(checksum::of(&json).as_bytes());
        Ok(header)
    }

    /// Reads what a file begins with; where the blocks begin is the second.
    pub(super) fn read(path: &Path, file: &File) -> Result<(Self, u64), TransferError> {
        let refuse = |problem: &str| {
            TransferError::cache(
                path,
                format!("{problem}: remove the file, and its features are computed again"),
            )
        };
        let read = |buffer: &mut [u8], at: u64| {
            read_exact_at(file, buffer, at).map_err(|error| match error.kind() {
                std::io::ErrorKind::UnexpectedEof => refuse("this file of features is cut off"),
                _ => TransferError::io(path, error),
            })
        };
        let mut begin = [0; 16];
        let size = file
            .metadata()
            .map_err(|error| TransferError::io(path, error))?
            .len();
        if size < begin.len() as u64 {
            return Err(TransferError::cache(
                path,
                "this is no file of features: give another name",
            ));
        }
        read(&mut begin, 0)?;
        let (magic, length) = begin.split_at(8);
        if magic != BEGIN {
            let other = magic.starts_with(&BEGIN[..6]) && magic.ends_with(b"\n");
            return Err(if other {
                refuse("this file of features was written by another version of the program")
            } else {
                TransferError::cache(path, "this is no file of features: give another name")
            });
        }
        let length = u64::from_le_bytes(length.try_into().unwrap_or_default());
        if length > MAX_HEADER || length > size {
            return Err(refuse("the beginning of this file of features is damaged"));
        }
        let mut json = vec![0; length as usize];
        read(&mut json, 16)?;
        let mut digits = [0; checksum::DIGITS];
        read(&mut digits, 16 + length)?;
        if checksum::of(&json).as_bytes() != digits {
            return Err(refuse("the beginning of this file of features is damaged"));
        }
        let key: Self = serde_json::from_slice(&json)
            .map_err(|error| refuse(&format!("this file of features says of itself: {error}")))?;
        match key.problem() {
            None => Ok((key, 16 + length + checksum::DIGITS as u64)),
            Some(problem) => Err(refuse(&format!(
                "this file of features is wrong: {problem}"
            ))),
        }
    }

    /// Refuses a file of other features than those that are wanted.
    pub(super) fn check(&self, path: &Path, wanted: &Self) -> Result<(), TransferError> {
        match self.difference(wanted) {
            None => Ok(()),
            Some(difference) => Err(TransferError::cache(
                path,
                format!(
                    "these features are of {difference}; give another file, or remove this one and compute them again"
                ),
            )),
        }
    }
}
