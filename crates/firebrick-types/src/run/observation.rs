//! What a probed layer put out.

use serde::{Deserialize, Serialize};

/// What one layer put out during a forward pass.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Observation {
    /// Path of the layer in the model; an activation or pooling bears that of the layer before it.
    pub path: String,
    /// Kind of layer, such as `Conv2d` or `relu`.
    pub kind: String,
    /// Shape of the output, batch first.
    pub shape: Vec<usize>,
    /// Trainable values of the layer.
    pub parameters: usize,
    /// Multiply-adds for the whole batch, in convolutions and linear layers.
    pub multiply_adds: u64,
    /// Mean of the output.
    #[serde(with = "crate::json_number")]
    pub mean: f64,
    /// Standard deviation of the output.
    #[serde(with = "crate::json_number")]
    pub std: f64,
    /// Share of the output that is exactly zero.
    #[serde(with = "crate::json_number")]
    pub zeros: f64,
}
