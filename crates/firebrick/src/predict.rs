//! Predicting the class of image files.

use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor, TensorData};
use firebrick_core::Classifier;
use firebrick_core::data::{DataError, Image};
use firebrick_datasets::decode;
use firebrick_datasets::image_files::{Listed, list};
use firebrick_train::metrics::{ranked, softmax};
use serde::Serialize;

use crate::{Error, ModelFile, Models};

/// What a model says of one image.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Prediction {
    /// The image file.
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

/// The image files that `paths` name: files as they are, folders searched with everything below them,
/// sorted, by the same rule as for training. A path that gives none is an error in its place.
#[must_use]
pub fn image_files(paths: &[PathBuf]) -> Listed {
    list(paths)
}

/// Images in one forward pass.
const BATCH: usize = 32;
/// The most pixel values in one forward pass of more than one image.
const VALUES: usize = 1 << 26;

/// Runs a model of the zoo over image files of any size, a batch at a time: memory does not grow with
/// their number. `each` gets the prediction or the error of every file, in order; an error among the files
/// comes out in its place.
///
/// # Errors
/// [`Error`] when the model cannot be built.
pub fn predict(
    file: &ModelFile,
    device: &Device,
    files: Vec<Result<PathBuf, DataError>>,
    top: usize,
    logits: bool,
    each: &mut dyn FnMut(Result<Prediction, DataError>),
) -> Result<(), Error> {
    predict_with(&Models::default(), file, device, files, top, logits, each)
}

/// As [`predict`], for a model which is one of `models`.
///
/// # Errors
/// As [`predict`].
pub fn predict_with<M: Classifier>(
    models: &Models<M>,
    file: &ModelFile,
    device: &Device,
    files: Vec<Result<PathBuf, DataError>>,
    top: usize,
    logits: bool,
    each: &mut dyn FnMut(Result<Prediction, DataError>),
) -> Result<(), Error> {
    let model = file.build_with(models, device)?;
    let image = &file.preprocessing;
    let values = (image.channels * image.height * image.width).max(1);
    let batch = (VALUES / values).clamp(1, BATCH);
    let mut files = files.into_iter();
    loop {
        let chunk: Vec<_> = files.by_ref().take(batch).collect();
        if chunk.is_empty() {
            return Ok(());
        }
        let images: Vec<Result<(PathBuf, Image), DataError>> = chunk
            .into_iter()
            .map(|path| {
                let path = path?;
                let image = read(&path, file)?;
                Ok((path, image))
            })
            .collect();
        let good: Vec<&Image> = images.iter().flatten().map(|(_, image)| image).collect();
        let mut rows = forward(&model, file, device, &good).into_iter();
        for image in images {
            each(image.and_then(|(path, _)| {
                let row = rows.next().ok_or_else(|| {
                    DataError::Invalid(format!("{}: the model gave no scores", path.display()))
                })?;
                prediction(&path, &row, file, top, logits)
            }));
        }
    }
}

fn read(path: &Path, file: &ModelFile) -> Result<Image, DataError> {
    let image = decode::read(path, file.preprocessing.channels)?;
    Ok(decode::fit(image, &file.preprocessing))
}

fn forward(
    model: &impl Classifier,
    file: &ModelFile,
    device: &Device,
    images: &[&Image],
) -> Vec<Vec<f32>> {
    if images.is_empty() {
        return Vec::new();
    }
    let mut pixels = Vec::new();
    images
        .iter()
        .for_each(|image| file.preprocessing.normalize_into(image, &mut pixels));
    let shape = [
        images.len(),
        file.preprocessing.channels,
        file.preprocessing.height,
        file.preprocessing.width,
    ];
    let scores = model.forward(Tensor::from_data(TensorData::new(pixels, shape), device));
    let scores: Vec<f32> = scores.into_data().iter::<f32>().collect();
    scores
        .chunks(file.classes.len())
        .map(<[f32]>::to_vec)
        .collect()
}

fn prediction(
    path: &Path,
    row: &[f32],
    file: &ModelFile,
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
        class: file.classes[index].clone(),
        index,
        probability: probabilities[index],
    };
    Ok(Prediction {
        path: path.display().to_string(),
        top: ranked(row).into_iter().take(top).map(guess).collect(),
        logits: logits.then(|| row.to_vec()),
    })
}
