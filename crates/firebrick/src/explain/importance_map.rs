//! What an explanation is.

use firebrick_core::image::Size;

/// How much each part of what a model reads speaks for a class, rows from the top. What speaks against it is negative.
#[derive(Debug, Clone, PartialEq)]
pub struct ImportanceMap {
    /// Of the map: that of the features for `grad_cam`, of the model's input for `occlusion`.
    pub size: Size,
    /// `height * width` values.
    pub values: Vec<f32>,
}
