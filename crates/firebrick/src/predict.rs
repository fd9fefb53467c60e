//! Predicts the classes of image files.

use std::path::{Path, PathBuf};

use burn::tensor::{Tensor, TensorData};
use firebrick_core::data::{DataError, Image};
use firebrick_core::image::fit;
use firebrick_core::{Classifier, ConfigError};
use firebrick_datasets::image_list::{ListedImage, ListedImages, list};
use firebrick_train::metrics::{ranked, softmax};
use serde::Serialize;

use crate::tta::TestTime;
use crate::{ModelInfo, TrainedModel};

/// What a model says of one image.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Prediction {
    /// The image.
    pub path: String,
    /// The most probable classes, first the best.
    pub top: Vec<Guess>,
    /// The scores of all classes before the softmax, if asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logits: Option<Vec<f32>>,
}

/// A class and its probability.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Guess {
    /// The class's name.
    pub class: String,
    /// The class's index.
    pub index: usize,
    /// Its probability in [0, 1].
    pub probability: f64,
}

/// The images that `paths` name: files as they are, folders searched with everything below them, sorted, by the same rule
/// as for training, and all images of a pack. A path that gives none is an error in its place.
#[must_use]
pub fn image_files(paths: &[PathBuf]) -> ListedImages {
    list(paths)
}

/// Images in one forward pass.
const BATCH: usize = 32;
/// The most pixel values in one forward pass of more than one image.
const VALUES: usize = 1 << 26;

/// Runs a model over images of any size, paths or [listed](image_files), a batch at a time: memory does not grow with
/// their number. `each` gets the prediction or the error of every file, in order; an error among the files
/// comes out in its place. With `tta`, the prediction is the mean over the views of an image.
pub fn predict<M: Classifier>(
    model: &TrainedModel<M>,
    files: Vec<Result<impl Into<ListedImage>, DataError>>,
    tta: Option<&TestTime>,
    top: usize,
    logits: bool,
    each: &mut dyn FnMut(Result<Prediction, DataError>),
) {
    let info = &model.info;
    let image = &info.preprocessing;
    let values = (image.channels * image.height * image.width).max(1);
    let batch = (VALUES / values).clamp(1, BATCH);
    let mut files = files.into_iter();
    let mut first = 0;
    loop {
        let chunk: Vec<_> = files.by_ref().take(batch).collect();
        if chunk.is_empty() {
            return;
        }
        let size = chunk.len();
        let images: Vec<Result<(ListedImage, Image), DataError>> = chunk
            .into_iter()
            .map(|listed| {
                let listed = listed?.into();
                let image = listed.read(info.preprocessing.channels)?;
                Ok((listed, image))
            })
            .collect();
        let good: Vec<(usize, &Image)> = (first..)
            .zip(&images)
            .filter_map(|(index, image)| Some((index, &image.as_ref().ok()?.1)))
            .collect();
        first += size;
        let rows = match scores(model, &good, tta) {
            Ok(rows) => rows,
            Err(error) => {
                each(Err(DataError::Invalid(error.to_string())));
                return;
            }
        };
        let mut rows = rows.into_iter();
        for image in images {
            each(image.and_then(|(listed, _)| {
                let path = listed.path();
                let row = rows.next().ok_or_else(|| {
                    DataError::Invalid(format!("{}: the model gave no scores", path.display()))
                })?;
                prediction(path, &row, info, top, logits)
            }));
        }
    }
}

/// The scores of decoded images, each with its index.
fn scores<M: Classifier>(
    model: &TrainedModel<M>,
    images: &[(usize, &Image)],
    tta: Option<&TestTime>,
) -> Result<Vec<Vec<f32>>, ConfigError> {
    let preprocessing = &model.info.preprocessing;
    let fitted = images
        .iter()
        .map(|(_, image)| fit((*image).clone(), preprocessing));
    let mut rows = forward(model, &fitted.collect::<Vec<_>>());
    let Some(tta) = tta else { return Ok(rows) };
    let chosen: Vec<usize> = (0..rows.len())
        .filter(|at| tta.is_for(&rows[*at]))
        .collect();
    let mut views = vec![Vec::new(); chosen.len()];
    for number in 0..tta.views.count() {
        let seen = chosen.iter().map(|at| {
            let (index, image) = images[*at];
            tta.views.view(number, image.clone(), preprocessing, index)
        });
        let seen = forward(model, &seen.collect::<Result<Vec<_>, _>>()?);
        views
            .iter_mut()
            .zip(seen)
            .for_each(|(all, row)| all.push(row));
    }
    for (at, views) in chosen.into_iter().zip(views) {
        rows[at] = tta.mean(views.iter().map(Vec::as_slice));
    }
    Ok(rows)
}

fn forward<M: Classifier>(model: &TrainedModel<M>, images: &[Image]) -> Vec<Vec<f32>> {
    if images.is_empty() {
        return Vec::new();
    }
    let preprocessing = &model.info.preprocessing;
    let mut pixels = Vec::new();
    images
        .iter()
        .for_each(|image| preprocessing.normalize_into(image, &mut pixels));
    let shape = [
        images.len(),
        preprocessing.channels,
        preprocessing.height,
        preprocessing.width,
    ];
    let images = Tensor::from_data(TensorData::new(pixels, shape), &model.device);
    let scores = model.network.forward(images).into_data();
    let scores: Vec<f32> = scores.iter::<f32>().collect();
    scores
        .chunks(model.info.classes.len())
        .map(<[f32]>::to_vec)
        .collect()
}

fn prediction(
    path: &Path,
    row: &[f32],
    info: &ModelInfo,
    top: usize,
    logits: bool,
) -> Result<Prediction, DataError> {
    let probabilities = softmax(row);
    if !probabilities
        .iter()
        .all(|probability| probability.is_finite())
    {
        return Err(DataError::Invalid(format!(
            "{}: the model's scores for this image are not finite numbers, so its class cannot be predicted; if this happens for every image, the training diverged",
            path.display()
        )));
    }
    let guess = |index: usize| Guess {
        class: info.classes[index].clone(),
        index,
        probability: probabilities[index],
    };
    Ok(Prediction {
        path: path.display().to_string(),
        top: ranked(row).into_iter().take(top).map(guess).collect(),
        logits: logits.then(|| row.to_vec()),
    })
}
