//! What a trained model looks at: sections of its run's record.

use serde::{Deserialize, Serialize};

use super::Picture;
use crate::json_number;

/// The name of the section [`Filters`] in [`RunRecord::section`](super::RunRecord::section).
pub const FILTERS: &str = "filters";
/// The name of the section [`Explained`].
pub const EXPLAINED: &str = "explained";
/// The name of the section [`FeatureMap`].
pub const FEATURE_MAP: &str = "feature_map";

/// The kernels of the first convolution, each as a small image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filters {
    /// The path of its weights, such as `conv1.weight`.
    pub path: String,
    /// Its kernels.
    pub kernels: usize,
    /// Height and width of a kernel.
    pub size: [usize; 2],
    /// The first kernels row by row, with a line between them.
    pub picture: Picture,
    /// Those in the picture.
    pub shown: usize,
}

/// Why the first of [`RunRecord::mistakes`](super::RunRecord::mistakes) were taken for what they were taken for.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Explained {
    /// The stage whose features the heat maps are made of.
    pub stage: String,
    /// The training images that the nearest ones were looked for among.
    pub among: usize,
    /// All training images.
    pub of: usize,
    /// The first mistakes, in their order.
    pub mistakes: Vec<ExplainedMistake>,
}

/// Why an image was taken for what it was taken for.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ExplainedMistake {
    /// The image with what speaks for that class in warm colours; none for a stage whose features have no sides.
    pub heat: Option<Picture>,
    /// The training images with the most similar features, the nearest first.
    pub nearest: Vec<NearestImage>,
}

/// A training image that is near another image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NearestImage {
    /// Its name.
    pub name: String,
    /// Its class.
    pub class: usize,
    /// The cosine of the angle between the features of both.
    #[serde(with = "json_number")]
    pub cosine: f64,
    /// A small copy; empty where the image cannot be read.
    pub picture: Picture,
}

/// Maps of the features of a split: images with similar features are near each other.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct FeatureMap {
    /// `valid` or `test`.
    pub split: String,
    /// Images of the split.
    pub of: usize,
    /// Features of an image.
    pub width: usize,
    /// The images on the maps: their names.
    pub names: Vec<String>,
    /// Their classes.
    pub labels: Vec<usize>,
    /// Whether the model takes each for what it is.
    pub right: Vec<bool>,
    /// Where each lies along the two directions in which the features vary most.
    #[serde(with = "json_number")]
    pub pca: Vec<(f64, f64)>,
    /// The share of the variance that these directions have.
    #[serde(with = "json_number")]
    pub shares: (f64, f64),
    /// Where each lies on a map by t-SNE.
    #[serde(with = "json_number")]
    pub tsne: Vec<(f64, f64)>,
}
