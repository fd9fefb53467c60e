//! Occlusion maps: Zeiler and Fergus, "Visualizing and Understanding Convolutional Networks", ECCV 2014, section 4.2.

use burn::tensor::{Tensor, TensorData};
use firebrick_core::error::check;
use firebrick_core::image::Size;
use firebrick_core::{Classifier, ConfigError};
use firebrick_train::metrics::softmax;
use serde::{Deserialize, Serialize};

use super::importance_map::ImportanceMap;
use crate::TrainedModel;

/// How far the probability of the class falls while a square patch of the input is covered with the mean colour: for each
/// pixel the mean over all patches that cover it. What makes the class more likely when it is covered is negative.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Occlusion {
    /// Side of the patch in pixels of the model's input, at most its shorter side; by default a sixth of that.
    pub patch: Option<usize>,
    /// Pixels from one patch to the next, in [1, patch]; by default half a patch.
    pub stride: Option<usize>,
}

/// The patches of an input.
pub(super) struct Patches {
    size: Size,
    side: usize,
    tops: Vec<usize>,
    lefts: Vec<usize>,
}

/// Images in one forward pass.
const BATCH: usize = 32;

impl Occlusion {
    pub(super) fn of(&self, size: Size) -> Result<Patches, ConfigError> {
        let shorter = size.width.min(size.height);
        let side = self.patch.unwrap_or((shorter / 6).max(1));
        check("occlusion", "patch", side, 1..=shorter)?;
        let stride = self.stride.unwrap_or((side / 2).max(1));
        check("occlusion", "stride", stride, 1..=side)?;
        Ok(Patches {
            size,
            side,
            tops: places(size.height, side, stride),
            lefts: places(size.width, side, stride),
        })
    }
}

/// Where patches begin, the last one at the edge.
fn places(length: usize, side: usize, stride: usize) -> Vec<usize> {
    let last = length - side;
    let mut places: Vec<usize> = (0..last).step_by(stride).collect();
    places.push(last);
    places
}

impl Patches {
    /// The map of an image, given as the model reads it: channels, rows, columns.
    pub(super) fn map(&self, model: &TrainedModel, image: &[f32], class: usize) -> ImportanceMap {
        let Size { width, height } = self.size;
        let whole = probabilities(model, image.to_vec(), 1, class);
        let whole = whole.first().copied().unwrap_or_default();
        let mut sums = vec![0.0; width * height];
        let mut counts = vec![0.0; width * height];
        let places: Vec<(usize, usize)> = self
            .tops
            .iter()
            .flat_map(|top| self.lefts.iter().map(|left| (*top, *left)))
            .collect();
        for places in places.chunks(BATCH) {
            let mut images = Vec::with_capacity(places.len() * image.len());
            for (top, left) in places {
                let start = images.len();
                images.extend_from_slice(image);
                for plane in images[start..].chunks_exact_mut(width * height) {
                    // 0 is the mean of the images that the model was trained on.
                    self.rows(*top, *left).for_each(|row| plane[row].fill(0.0));
                }
            }
            let covered = probabilities(model, images, places.len(), class);
            for ((top, left), covered) in places.iter().zip(covered) {
                for row in self.rows(*top, *left) {
                    sums[row.clone()]
                        .iter_mut()
                        .for_each(|sum| *sum += whole - covered);
                    counts[row].iter_mut().for_each(|count| *count += 1.0);
                }
            }
        }
        let values = sums.iter().zip(&counts);
        ImportanceMap {
            size: self.size,
            values: values.map(|(sum, count)| (sum / count) as f32).collect(),
        }
    }

    /// The pixels of each row of a patch.
    fn rows(&self, top: usize, left: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
        let (width, side) = (self.size.width, self.side);
        (top..top + side).map(move |row| row * width + left..row * width + left + side)
    }
}

/// The probability of a class for each of some images.
fn probabilities(model: &TrainedModel, pixels: Vec<f32>, count: usize, class: usize) -> Vec<f64> {
    let read = &model.info.preprocessing;
    let shape = [count, read.channels, read.height, read.width];
    let images = Tensor::from_data(TensorData::new(pixels, shape), &model.device);
    let scores = model.network.forward(images).into_data();
    let scores: Vec<f32> = scores.iter::<f32>().collect();
    scores
        .chunks(model.info.classes.len())
        .map(|row| softmax(row)[class])
        .collect()
}
