//! The data seams: images, data sets, batches, transforms, and the source that the trainer reads.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::random::HostRng;
use crate::spec::Spec;

/// An 8-bit image, rows from the top, channels interleaved: `pixels[(y * width + x) * channels + c]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// 1 (grey) or 3 (RGB).
    pub channels: usize,
    /// `height * width * channels` values.
    pub pixels: Vec<u8>,
}

impl Image {
    /// A black image.
    #[must_use]
    pub fn black(width: usize, height: usize, channels: usize) -> Self {
        Self {
            width,
            height,
            channels,
            pixels: vec![0; width * height * channels],
        }
    }
}

/// One labelled image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// The image.
    pub image: Image,
    /// The class, from 0.
    pub label: usize,
}

/// Why data cannot be read. The message names the file, the place in it and what was expected.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// The file system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file whose content is not what its format says.
    #[error("{}: {problem}", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// Where, what was expected and what was found.
        problem: String,
    },
    /// Anything else, said in one sentence.
    #[error("{0}")]
    Invalid(String),
}

impl DataError {
    /// A file whose content is not what its format says.
    pub fn corrupt(path: impl Into<PathBuf>, problem: impl Into<String>) -> Self {
        Self::Corrupt {
            path: path.into(),
            problem: problem.into(),
        }
    }

    /// A refusal of the file system.
    pub fn io(path: impl Into<PathBuf>, source: std::io::Error) -> Self {
        Self::Io {
            path: path.into(),
            source,
        }
    }
}

/// Labelled images by index.
pub trait Dataset: Send + Sync {
    /// The number of images.
    fn len(&self) -> usize;

    /// Whether there is no image.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads image `index`, decoding it if need be.
    ///
    /// # Errors
    /// [`DataError`] naming the file.
    fn get(&self, index: usize) -> Result<Sample, DataError>;

    /// The class of image `index`, without decoding it.
    fn label(&self, index: usize) -> usize;

    /// The class names; a label indexes them.
    fn classes(&self) -> &[String];

    /// A name for image `index` in messages and reports: its path, or `name[index]`.
    fn describe(&self, index: usize) -> String;

    /// Changes when the data changes; kept in checkpoints so that a resume on other data is refused.
    fn fingerprint(&self) -> String;
}

/// What a batch is to be classified as.
#[derive(Debug, Clone, PartialEq)]
pub enum Targets {
    /// One class for each image.
    Classes(Vec<usize>),
    /// A distribution over the classes for each image, `[N × classes]` row by row.
    Soft {
        /// The probabilities.
        values: Vec<f32>,
        /// The number of classes.
        classes: usize,
    },
}

/// Images and targets on the host, ready for a device.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// Normalized pixels, `[N, C, H, W]` row by row.
    pub images: Vec<f32>,
    /// `[N, C, H, W]`.
    pub shape: [usize; 4],
    /// What they are.
    pub targets: Targets,
    /// The index of each image in its data set.
    pub indices: Vec<usize>,
}

impl Batch {
    /// The number of images.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shape[0]
    }

    /// Whether there is no image.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Batches epoch by epoch. Order and content are a function of (seed, epoch) alone.
pub trait BatchSource {
    /// Images in one epoch.
    fn samples(&self) -> usize;

    /// Batches in one epoch; the last may be smaller.
    fn batches(&self) -> usize;

    /// Goes to batch `batch` of epoch `epoch`, both from 0: the cursor of a resumed run.
    fn start(&mut self, epoch: u64, batch: usize);

    /// The next batch of the epoch, or `None` at its end.
    fn next_batch(&mut self) -> Option<Result<Batch, DataError>>;

    /// The class names.
    fn classes(&self) -> &[String];

    /// Changes when the data changes.
    fn fingerprint(&self) -> String;

    /// Images left out because they cannot be read, each with the reason.
    fn skipped(&self) -> Vec<String> {
        Vec::new()
    }
}

/// A random change of one 8-bit image, on the host.
///
/// Implementations sample their parameters with one function and apply them with another, so that
/// draws can be pinned by tests and the same parameters applied to masks.
pub trait SampleTransform: Send + Sync {
    /// Draws from `rng` and changes the image.
    fn apply(&self, image: Image, rng: &mut HostRng) -> Image;

    /// The spec that builds this transform again.
    fn spec(&self) -> Spec;
}

/// A random change of a whole batch, such as mixing images and their targets.
pub trait BatchTransform: Send + Sync {
    /// Draws from `rng` and changes the batch.
    fn apply(&self, batch: Batch, rng: &mut HostRng) -> Batch;

    /// The spec that builds this transform again.
    fn spec(&self) -> Spec;
}

/// How an image that is not of the model's size is brought to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum Fit {
    /// Scale the shorter side to the size and cut the centre: keeps proportions.
    #[default]
    Crop,
    /// Scale both sides, whatever the proportions.
    Squash,
}

/// How raw images become what a model reads. It travels in the model file.
///
/// A pixel becomes `(value / 255 - mean[c]) / std[c]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preprocessing {
    /// 1 (grey) or 3 (RGB).
    pub channels: usize,
    /// Height in pixels.
    pub height: usize,
    /// Width in pixels.
    pub width: usize,
    /// How images of another size are fitted.
    #[serde(default)]
    pub fit: Fit,
    /// Mean of each channel, of values in [0, 1].
    pub mean: Vec<f32>,
    /// Standard deviation of each channel.
    pub std: Vec<f32>,
}

impl Preprocessing {
    /// Appends the normalized image to `out` in `[C, H, W]` order.
    ///
    /// # Panics
    /// When the image does not have the size and channels of this preprocessing.
    pub fn normalize_into(&self, image: &Image, out: &mut Vec<f32>) {
        let found = [image.channels, image.height, image.width];
        assert_eq!(
            found,
            [self.channels, self.height, self.width],
            "image [C, H, W]"
        );
        for channel in 0..self.channels {
            let (scale, shift) = (
                1.0 / (255.0 * self.std[channel]),
                self.mean[channel] / self.std[channel],
            );
            let pixels = image.pixels[channel..].iter().step_by(self.channels);
            out.extend(pixels.map(|value| f32::from(*value) * scale - shift));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normalization_moves_interleaved_pixels_to_planes() {
        let image = Image {
            width: 2,
            height: 1,
            channels: 3,
            pixels: vec![0, 51, 102, 255, 204, 153],
        };
        let preprocessing = Preprocessing {
            channels: 3,
            height: 1,
            width: 2,
            fit: Fit::Crop,
            mean: vec![0.0, 0.5, 0.0],
            std: vec![1.0, 0.5, 1.0],
        };
        let mut out = Vec::new();
        preprocessing.normalize_into(&image, &mut out);
        let expected = [0.0, 1.0, -0.6, 0.6, 0.4, 0.6];
        assert!(
            out.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6),
            "{out:?}"
        );
    }
}
