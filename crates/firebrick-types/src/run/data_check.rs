//! What was found in the images of a run before it was trained: a section of its record.

use serde::{Deserialize, Serialize};

use super::Picture;

/// The name of the section in [`RunRecord::section`](super::RunRecord::section).
pub const DATA_CHECK: &str = "data_check";

/// What was found in the images of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataCheck {
    /// The splits, `train` first.
    pub splits: Vec<SplitCounts>,
    /// Which images are in two splits.
    pub copies: Copies,
}

/// Images of each class in a split.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SplitCounts {
    /// `train`, `valid` or `test`.
    pub split: String,
    /// Images of each class.
    pub per_class: Vec<usize>,
}

/// Images of the validation and the test split that are in the training split too.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Copies {
    /// Images whose files were compared by SHA-256, over all splits.
    pub files: usize,
    /// Images whose pixels were compared too, so that other sizes and compressions are found; none where that was left out.
    pub pixels: Option<usize>,
    /// How many there are in each split beside the training split.
    pub found: Vec<CopiesOfSplit>,
    /// The first of them.
    pub shown: Vec<ImageCopy>,
}

/// How many images of a split are in the training split too.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopiesOfSplit {
    /// `valid` or `test`.
    pub split: String,
    /// Images of the split.
    pub images: usize,
    /// Those of them that are in the training split.
    pub copies: usize,
    /// Those of the copies that have another class there.
    pub other_class: usize,
}

/// How two images are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Likeness {
    /// The same file.
    File,
    /// The same pixels in another file.
    Pixels,
    /// Nearly the same pixels: two hashes of what the image shows differ in a few bits.
    Near,
}

/// An image of one split that is in the training split too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageCopy {
    /// The image.
    pub image: CheckedImage,
    /// That of the training split.
    pub of: CheckedImage,
    /// How they are the same.
    pub likeness: Likeness,
}

/// An image of a split.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckedImage {
    /// Its name.
    pub name: String,
    /// `train`, `valid` or `test`.
    pub split: String,
    /// Its class.
    pub class: usize,
    /// A small copy; empty where the image cannot be read.
    pub picture: Picture,
}
