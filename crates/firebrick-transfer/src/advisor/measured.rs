//! What is measured of some data and a pretrained model.

use serde::{Deserialize, Serialize};

/// How well a linear classifier does on the features of one stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StageProbe {
    /// The name of the stage.
    pub stage: String,
    /// The accuracy on images that were held out.
    pub top1: f64,
}

/// What was measured. Only the numbers of images and the probes are needed.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Measured {
    /// The training images of each class.
    pub images: Vec<usize>,
    /// Linear classifiers on the stages, from the input on.
    pub probes: Vec<StageProbe>,
    /// The accuracy of the nearest neighbours in the last features.
    pub knn_top1: Option<f64>,
    /// The share of the labels' entropy that the classes of the source explain; see [`crate::leep`].
    pub leep_explained: Option<f64>,
    /// LogME of each stage, in the order of the probes.
    pub logme: Option<Vec<f64>>,
    /// The distance of the features to those of the source; see [`crate::distance::diagonal`].
    pub distance: Option<f64>,
}
