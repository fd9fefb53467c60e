//! The traits and types for data: images, data sets, batches, transforms, and the source that the trainer reads.

use std::path::PathBuf;

use firebrick_kernels::wide;
use serde::{Deserialize, Serialize};

use crate::ConfigError;
use crate::error::check;
use crate::image::{Filter, Size};
use crate::random::{HostRng, rng};
use crate::spec::Spec;

pub use crate::image::{Fit, Image};

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

    /// The same error about an image file that cannot be read, with what can be done about it.
    #[must_use]
    pub fn or_skip(self) -> Self {
        match self {
            Self::Corrupt { path, problem } => Self::Corrupt {
                path,
                problem: format!(
                    "{problem}; repair or remove it, or leave out such images with --on-bad-image skip"
                ),
            },
            other => other,
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

    /// The SHA-256 of the file of image `index`, if it has one of its own that can be read. The first call reads the file.
    fn checksum(&self, index: usize) -> Option<[u8; 32]> {
        let _ = index;
        None
    }

    /// The size of every image, if all have the same and it is known without reading them.
    fn image_size(&self) -> Option<Size> {
        None
    }

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
    /// What the images are, and beside it what a teacher says of them, for a loss that learns from both.
    Taught {
        /// What the images are.
        labels: Box<Targets>,
        /// The logarithm of the probability that the teacher gives each class, `[N × classes]` row by row.
        teacher: Vec<f32>,
    },
}

impl Targets {
    /// The targets of these images, in this order; an image may come several times.
    ///
    /// # Panics
    /// When there is no such image.
    #[must_use]
    pub fn of(&self, images: &[usize]) -> Self {
        let rows = |values: &[f32], classes: usize| -> Vec<f32> {
            let row = |at: &usize| values[at * classes..(at + 1) * classes].iter().copied();
            images.iter().flat_map(row).collect()
        };
        match self {
            Self::Classes(labels) => Self::Classes(images.iter().map(|at| labels[*at]).collect()),
            Self::Soft { values, classes } => Self::Soft {
                values: rows(values, *classes),
                classes: *classes,
            },
            Self::Taught { labels, teacher } => Self::Taught {
                labels: Box::new(labels.of(images)),
                teacher: rows(teacher, teacher.len() / labels.len().max(1)),
            },
        }
    }

    /// The number of images.
    fn len(&self) -> usize {
        match self {
            Self::Classes(labels) => labels.len(),
            Self::Soft { values, classes } => values.len() / classes,
            Self::Taught { labels, .. } => labels.len(),
        }
    }
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
    /// The number of classes that the targets are of.
    pub classes: usize,
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

    /// As [`Self::next_batch`], where only the images are of use: what is said of them may be left out.
    fn next_images(&mut self) -> Option<Result<Batch, DataError>> {
        self.next_batch()
    }

    /// The class names.
    fn classes(&self) -> &[String];

    /// Changes when the data changes.
    fn fingerprint(&self) -> String;

    /// Images left out because they cannot be read, each with the reason.
    fn skipped(&self) -> Vec<String> {
        Vec::new()
    }
}

/// Which image a [`SampleTransform`] changes, and for what: everything that its draws may depend on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Subject {
    /// The seed of the run.
    pub seed: u64,
    /// The epoch, from 0.
    pub epoch: u64,
    /// The index of the image in its data set.
    pub index: usize,
    /// Its place in the order of the epoch: another one each time when an epoch draws an image twice.
    pub position: usize,
    /// The share of the run's epochs that are over when this one begins, in [0, 1]; 0 where their number is not known.
    pub share: f64,
    /// The size that the model reads.
    pub target: Size,
}

impl Subject {
    /// The generator of the draws for this image.
    #[must_use]
    pub fn rng(&self) -> HostRng {
        rng(self.seed, "augment", self.epoch, self.position as u64)
    }
}

/// What one step of a [`SampleTransform`] drew for one image: enough to do the same again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Drawn {
    /// The name of the step.
    pub name: String,
    /// What it drew; `None` if it left this image alone.
    pub params: Option<serde_json::Value>,
}

/// A random change of one 8-bit image, on the host: a whole pipeline, or whatever else a program does to its training
/// images before they are normalized.
pub trait SampleTransform: Send + Sync {
    /// Whether it needs the image as decoded. Otherwise it gets the image fitted to the size and channels that the model
    /// reads. The channels are the model's in either case.
    fn wants_original(&self) -> bool {
        false
    }

    /// Refuses what cannot work, before training: `original` is the size of the images as decoded, if it is known, and
    /// `target` the size that the model reads.
    ///
    /// # Errors
    /// [`ConfigError`] saying which step cannot work on which size.
    fn check_sizes(&self, original: Option<Size>, target: Size) -> Result<(), ConfigError> {
        let _ = (original, target);
        Ok(())
    }

    /// Draws from `rng`, which is [`Subject::rng`], and changes the image. With a log, it appends what each step drew; the
    /// image is the same either way.
    ///
    /// # Errors
    /// [`ConfigError`] when a step cannot be applied to an image of this size.
    fn transform(
        &self,
        image: Image,
        subject: &Subject,
        rng: &mut HostRng,
        log: Option<&mut Vec<Drawn>>,
    ) -> Result<Image, ConfigError>;

    /// Changes the image as a log says.
    ///
    /// # Errors
    /// [`ConfigError`] when the log was written by another transform.
    fn replay(&self, image: Image, drawn: &[Drawn]) -> Result<Image, ConfigError>;
}

/// Which batch a [`BatchTransform`] changes, and when in the run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BatchMoment {
    /// The epoch, from 0.
    pub epoch: u64,
    /// The number of the batch within the epoch, from 0.
    pub batch: usize,
    /// The share of the run's epochs that are over when this one begins, in [0, 1], to switch off at the end; 0 where their
    /// number is not known.
    pub share: f64,
}

/// A random change of a whole batch, such as mixing images and their targets.
pub trait BatchTransform: Send + Sync {
    /// Draws from `rng` and changes the batch.
    fn apply(&self, batch: Batch, moment: &BatchMoment, rng: &mut HostRng) -> Batch;

    /// The spec that builds this transform again.
    fn spec(&self) -> Spec;
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
    /// The share of each side that is kept when an image is fitted, in (0, 1]: the image is scaled to the size divided by
    /// it, and the centre is cut. 1 keeps all that the proportions allow; published ImageNet accuracies are for 0.875.
    #[serde(default = "whole")]
    pub crop: f64,
    /// How images are resized.
    #[serde(default)]
    pub filter: Filter,
    /// Mean of each channel, of values in [0, 1].
    pub mean: Vec<f32>,
    /// Standard deviation of each channel.
    pub std: Vec<f32>,
}

/// The default of [`Preprocessing::crop`].
fn whole() -> f64 {
    1.0
}

impl Preprocessing {
    /// Images of this size, cropped to it, with values in [0, 1].
    #[must_use]
    pub fn unnormalized(channels: usize, height: usize, width: usize) -> Self {
        Self {
            channels,
            height,
            width,
            fit: Fit::default(),
            crop: whole(),
            filter: Filter::default(),
            mean: vec![0.0; channels],
            std: vec![1.0; channels],
        }
    }

    /// The size that the model reads.
    #[must_use]
    pub fn size(&self) -> Size {
        Size::new(self.width, self.height)
    }

    /// Refuses what no image can be brought to: a side of 0 or above `most_side` pixels, a number of
    /// channels other than 1 or 3, a `crop` outside [0.05, 1], means and deviations that are not finite or not one for each
    /// channel, a deviation of 0.
    ///
    /// # Errors
    /// [`ConfigError`] naming the field and the value.
    pub fn check(&self, most_side: usize) -> Result<(), ConfigError> {
        const UNIT: &str = "preprocessing";
        check(UNIT, "height", self.height, 1..=most_side)?;
        check(UNIT, "width", self.width, 1..=most_side)?;
        self.check_crop(UNIT, "crop")?;
        if !matches!(self.channels, 1 | 3) {
            let range = "1 (grey) or 3 (RGB)";
            return Err(ConfigError::out_of_range(
                UNIT,
                "channels",
                self.channels,
                range,
            ));
        }
        for (field, values) in [("mean", &self.mean), ("std", &self.std)] {
            if values.len() != self.channels {
                let problem = format!(
                    "{UNIT}: {field} has {} values for {} channels",
                    values.len(),
                    self.channels
                );
                return Err(ConfigError::Conflict(problem));
            }
        }
        for (mean, std) in self.mean.iter().zip(&self.std) {
            // Below the smallest normal number, the scale would be infinite.
            if !(std.is_finite() && *std >= f32::MIN_POSITIVE) {
                let range = "finite and greater than 0";
                return Err(ConfigError::out_of_range(UNIT, "std", std, range));
            }
            if !(mean / std).is_finite() {
                let range = "finite, also divided by std";
                return Err(ConfigError::out_of_range(UNIT, "mean", mean, range));
            }
        }
        Ok(())
    }

    /// Refuses a `crop` that is no share, in the name of `field` of `unit`.
    ///
    /// # Errors
    /// [`ConfigError::OutOfRange`].
    pub fn check_crop(&self, unit: &str, field: &str) -> Result<(), ConfigError> {
        if (Self::LEAST_CROP..=1.0).contains(&self.crop) {
            return Ok(());
        }
        let range = format!("in [{}, 1]", Self::LEAST_CROP);
        Err(ConfigError::out_of_range(unit, field, self.crop, range))
    }

    /// The smallest share of a side that fitting may keep.
    pub const LEAST_CROP: f64 = 0.05;

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
        let affine = |channel: usize| {
            let (mean, std) = (self.mean[channel], self.std[channel]);
            [1.0 / (255.0 * std), mean / std]
        };
        match self.channels {
            3 => {
                let (pixels, _) = image.pixels.as_chunks();
                normalize_rgb(pixels, [affine(0), affine(1), affine(2)], out);
            }
            _ => normalize_grey(&image.pixels, affine(0), out),
        }
    }
}

/// Pixels that are normalized together.
const BLOCK: usize = 64;

wide! {
    /// The planes, each with its scale and what is taken off.
    fn normalize_rgb(pixels: &[[u8; 3]], affine: [[f32; 2]; 3], out: &mut Vec<f32>) {
        out.reserve(3 * pixels.len());
        normalize_plane::<0>(pixels, affine[0], out);
        normalize_plane::<1>(pixels, affine[1], out);
        normalize_plane::<2>(pixels, affine[2], out);
    }
}

#[inline(always)]
fn normalize_plane<const C: usize>(
    pixels: &[[u8; 3]],
    [scale, shift]: [f32; 2],
    out: &mut Vec<f32>,
) {
    let (blocks, rest) = pixels.as_chunks::<BLOCK>();
    for block in blocks {
        let mut plane = [0; BLOCK];
        for (value, pixel) in plane.iter_mut().zip(block) {
            *value = pixel[C];
        }
        let mut normalized = [0.0; BLOCK];
        for (normalized, value) in normalized.iter_mut().zip(&plane) {
            *normalized = f32::from(*value) * scale - shift;
        }
        out.extend_from_slice(&normalized);
    }
    out.extend(rest.iter().map(|pixel| f32::from(pixel[C]) * scale - shift));
}

wide! {
    fn normalize_grey(values: &[u8], affine: [f32; 2], out: &mut Vec<f32>) {
        let [scale, shift] = affine;
        out.extend(values.iter().map(|value| f32::from(*value) * scale - shift));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_picked_by_image() {
        let classes = Targets::Classes(vec![3, 1, 2]);
        assert_eq!(classes.of(&[2, 0, 2]), Targets::Classes(vec![2, 3, 2]));
        let soft = |values: &[f32]| Targets::Soft {
            values: values.to_vec(),
            classes: 2,
        };
        let two = soft(&[0.25, 0.75, 1.0, 0.0]);
        assert_eq!(two.of(&[1, 1, 0]), soft(&[1.0, 0.0, 1.0, 0.0, 0.25, 0.75]));
    }

    #[test]
    fn preprocessing_that_no_image_survives_is_refused() {
        let good = Preprocessing {
            mean: vec![0.5; 3],
            std: vec![0.25; 3],
            ..Preprocessing::unnormalized(3, 32, 4096)
        };
        good.check(4096).unwrap();
        let changed = |change: &dyn Fn(&mut Preprocessing)| {
            let mut changed = good.clone();
            change(&mut changed);
            changed.check(4096).unwrap_err().to_string()
        };
        for (error, needle) in [
            (changed(&|p| p.height = 0), "height = 0"),
            (changed(&|p| p.width = 4097), "width = 4097"),
            (changed(&|p| p.width = 1 << 31), "width = 2147483648"),
            (changed(&|p| p.channels = 2), "channels = 2"),
            (changed(&|p| p.crop = 0.0), "crop = 0 is out of range"),
            (changed(&|p| p.crop = 1.01), "crop = 1.01"),
            (changed(&|p| p.crop = f64::NAN), "crop = NaN"),
            (
                changed(&|p| p.channels = 1),
                "mean has 3 values for 1 channels",
            ),
            (changed(&|p| p.mean.clear()), "mean has 0 values"),
            (changed(&|p| p.std.push(1.0)), "std has 4 values"),
            (changed(&|p| p.std[1] = 0.0), "std = 0"),
            (changed(&|p| p.std[2] = -1.0), "std = -1"),
            (changed(&|p| p.std[0] = f32::NAN), "std = NaN"),
            (changed(&|p| p.std[0] = 1e-40), "std = 0.00"),
            (changed(&|p| p.std[0] = f32::INFINITY), "std = inf"),
            (changed(&|p| p.mean[0] = f32::NAN), "mean = NaN"),
            (changed(&|p| p.mean[0] = 3e38), "mean = 3"),
        ] {
            assert!(error.contains(needle), "{needle}: {error}");
        }
    }

    #[test]
    fn every_pixel_is_normalized() {
        for channels in [1, 3] {
            let image = crate::testkit::photo(37, 19, channels);
            let preprocessing = Preprocessing {
                mean: vec![0.25; channels],
                std: vec![0.5; channels],
                ..Preprocessing::unnormalized(channels, 19, 37)
            };
            let mut out = vec![7.0];
            preprocessing.normalize_into(&image, &mut out);
            let planes = (0..channels).flat_map(|at| image.pixels[at..].iter().step_by(channels));
            let expected = planes.map(|value| f32::from(*value) * (1.0 / (255.0 * 0.5)) - 0.5);
            assert!(out.into_iter().eq(std::iter::once(7.0).chain(expected)));
        }
    }

    #[test]
    fn normalization_moves_interleaved_pixels_to_planes() {
        let image = Image {
            width: 2,
            height: 1,
            channels: 3,
            pixels: vec![0, 51, 102, 255, 204, 153],
        };
        let preprocessing = Preprocessing {
            mean: vec![0.0, 0.5, 0.0],
            std: vec![1.0, 0.5, 1.0],
            ..Preprocessing::unnormalized(3, 1, 2)
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
