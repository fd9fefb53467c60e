//! Small images in a record.

use serde::{Deserialize, Serialize};

/// A small picture.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Picture {
    /// Width, height, channels (1 or 3).
    pub size: [usize; 3],
    /// Its pixels, rows from the top, channels interleaved.
    #[serde(with = "super::bytes")]
    pub pixels: Vec<u8>,
}

/// The first training images, as the network saw them in its first epoch.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirstBatch {
    /// The images row by row, normalization taken back.
    pub picture: Picture,
    /// Images in a row.
    pub columns: usize,
    /// The class of each image.
    pub labels: Vec<usize>,
    /// Images in the whole batch.
    pub batch_size: usize,
}
