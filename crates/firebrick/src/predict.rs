//! Predicts the classes of image files.

mod monte_carlo;

use std::path::{Path, PathBuf};

use burn::tensor::{Tensor, TensorData};
use firebrick_core::data::{DataError, Image};
use firebrick_core::image::fit;
use firebrick_core::{Classifier, ConfigError};
use firebrick_datasets::image_list::{ListedImage, ListedImages, list};
use firebrick_ensemble::conformal::PredictionSets;
use firebrick_ensemble::{EnsembleError, Member, Members};
use firebrick_train::metrics::{ranked, softmax};
use serde::Serialize;

use crate::neighbours::NearImage;
use crate::tta::TestTime;
use crate::{ModelInfo, TrainedModel};

pub use monte_carlo::{DropoutPasses, predict_with_dropout};

/// The prediction for one image.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Prediction {
    /// The image.
    pub path: String,
    /// The most probable classes, the best first.
    pub top: Vec<Guess>,
    /// The classes of which one is the right one with the probability that was asked for, if it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub set: Option<Vec<String>>,
    /// The scores of all classes before the softmax, if asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logits: Option<Vec<f32>>,
    /// The picture that explains it, where a program has written one; see [`explain`](crate::explain).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub explanation: Option<String>,
    /// The images that are nearest to it by their features, where a program has looked for them; see
    /// [`neighbours`](crate::neighbours).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nearest: Option<Vec<NearImage>>,
    /// What the passes of [`predict_with_dropout`] say, in which the probabilities are means over them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mc_dropout: Option<Uncertainty>,
}

/// How sure a model is of one image.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Uncertainty {
    /// The number of passes.
    pub passes: usize,
    /// The entropy of the mean probabilities in nats: all of the uncertainty.
    pub entropy: f64,
    /// How much of it comes from the disagreement of the passes, in nats: what more training data would lessen.
    pub mutual_information: f64,
    /// The mean probability of each class.
    pub mean: Vec<f64>,
    /// The variance of the probability of each class over the passes.
    pub variance: Vec<f64>,
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

/// The images that `paths` name. Folders are searched with everything below them, sorted, by the same rule as for training;
/// of a pack, all images are taken. A path without images gives an error in its place.
#[must_use]
pub fn image_files(paths: &[PathBuf]) -> ListedImages {
    list(paths)
}

/// Images in one forward pass.
const BATCH: usize = 32;
/// The most pixel values in one forward pass of more than one image.
const VALUES: usize = 1 << 26;

/// What a prediction has, and how it is made.
#[derive(Clone, Default)]
pub struct Wanted {
    /// Views of each image, over which the prediction is averaged.
    pub tta: Option<TestTime>,
    /// The number of classes, the most probable first.
    pub top: usize,
    /// Whether it has the scores of all classes.
    pub logits: bool,
    /// Sets of classes that contain the right one; see [`coverage`](crate::coverage).
    pub sets: Option<PredictionSets>,
}

/// Predicts the classes of images of any size, paths or [listed](image_files), a batch at a time, so that memory does not grow with their number.
/// `each` is called with the prediction or the error of every file, in order.
pub fn predict<M: Classifier>(
    model: &TrainedModel<M>,
    files: Vec<Result<impl Into<ListedImage>, DataError>>,
    wanted: &Wanted,
    each: &mut dyn FnMut(Result<Prediction, DataError>),
) {
    let models = std::slice::from_ref(model);
    let files = files.into_iter().enumerate();
    let done = logits_of_files(models, files, wanted.tta.as_ref(), &mut |_, found| {
        each(found.and_then(|Logits { listed, of_models }| {
            prediction(listed.path(), &of_models[0], &model.info, wanted)
        }));
    });
    if let Err(error) = done {
        each(Err(DataError::Invalid(error.to_string())));
    }
}

/// What models say of one image.
pub(crate) struct Logits {
    pub(crate) listed: ListedImage,
    /// For each model the scores of all classes before the softmax.
    pub(crate) of_models: Vec<Vec<f32>>,
}

/// Runs models over images, each of which has a number, a batch at a time. `each` gets the number of every image with
/// its scores or its error, in order.
pub(crate) fn logits_of_files<M: Classifier>(
    models: &[TrainedModel<M>],
    files: impl IntoIterator<Item = (usize, Result<impl Into<ListedImage>, DataError>)>,
    tta: Option<&TestTime>,
    each: &mut dyn FnMut(usize, Result<Logits, DataError>),
) -> Result<(), ConfigError> {
    let batch = models.iter().map(batch).min().unwrap_or(1);
    let mut files = files.into_iter();
    loop {
        let chunk: Vec<_> = files.by_ref().take(batch).collect();
        if chunk.is_empty() {
            return Ok(());
        }
        let mut found: Vec<(usize, Result<Logits, DataError>)> = chunk
            .into_iter()
            .map(|(number, listed)| {
                let of_models = Vec::with_capacity(models.len());
                let listed = listed.map(Into::into);
                (number, listed.map(|listed| Logits { listed, of_models }))
            })
            .collect();
        let mut images: Vec<(usize, Image)> = Vec::new();
        let mut channels = None;
        for model in models {
            let wanted = model.info.preprocessing.channels;
            if channels != Some(wanted) {
                images = decoded(&mut found, wanted);
                channels = Some(wanted);
            }
            let seen: Vec<_> = images
                .iter()
                .map(|(number, image)| (*number, image))
                .collect();
            let mut rows = scores(model, &seen, tta)?.into_iter();
            for (_, logits) in &mut found {
                if let Ok(logits) = logits {
                    logits.of_models.extend(rows.next());
                }
            }
        }
        found
            .into_iter()
            .for_each(|(number, logits)| each(number, logits));
    }
}

/// Images in one forward pass of a model.
fn batch<M>(model: &TrainedModel<M>) -> usize {
    let image = &model.info.preprocessing;
    let values = image.channels * image.height * image.width;
    (VALUES / values.max(1)).clamp(1, BATCH)
}

/// The images of files with so many channels; a file that cannot be decoded becomes its error.
fn decoded(
    files: &mut [(usize, Result<Logits, DataError>)],
    channels: usize,
) -> Vec<(usize, Image)> {
    let mut images = Vec::new();
    for (number, file) in files {
        let Ok(Logits { listed, .. }) = file else {
            continue;
        };
        match listed.read(channels) {
            Ok(image) => images.push((*number, image)),
            Err(error) => *file = Err(error),
        }
    }
    images
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
    let scores = model.network.forward(input(model, images)).into_data();
    let scores: Vec<f32> = scores.iter::<f32>().collect();
    scores
        .chunks(model.info.classes.len())
        .map(<[f32]>::to_vec)
        .collect()
}

/// Fitted images as the model reads them.
fn input<M: Classifier>(model: &TrainedModel<M>, images: &[Image]) -> Tensor<4> {
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
    Tensor::from_data(TensorData::new(pixels, shape), &model.device)
}

pub(crate) fn prediction(
    path: &Path,
    row: &[f32],
    info: &ModelInfo,
    wanted: &Wanted,
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
        top: ranked(row)
            .into_iter()
            .take(wanted.top)
            .map(guess)
            .collect(),
        set: wanted
            .sets
            .as_ref()
            .map(|sets| set(sets, row, info))
            .transpose()
            .map_err(|error| DataError::Invalid(error.to_string()))?,
        logits: wanted.logits.then(|| row.to_vec()),
        explanation: None,
        nearest: None,
        mc_dropout: None,
    })
}

/// The names of the classes in the set of one image.
fn set(sets: &PredictionSets, row: &[f32], info: &ModelInfo) -> Result<Vec<String>, EnsembleError> {
    let one = Members::new(vec![Member::new("model", row, row.len())])?;
    let found = sets.of(&one.prediction(0))?.into_iter().flatten();
    Ok(found.map(|class| info.classes[class].clone()).collect())
}
