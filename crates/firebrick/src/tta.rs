//! Test-time augmentation: the mean prediction over several views of each image.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Instant;

use firebrick_core::data::Dataset;
use firebrick_core::error::check;
use firebrick_core::loss::CrossEntropy;
use firebrick_core::spec::Spec;
use firebrick_core::{Classifier, ConfigError, Recipe};
use firebrick_datasets::split::Subset;
use firebrick_regularize::views::{self, View, Views};
use firebrick_train::metrics::softmax;
use firebrick_train::{Evaluation, Predictions, score};
use serde::Serialize;

use crate::prepared::view_loader;
use crate::{Error, TrainedModel};

/// How predictions of several views become one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Average {
    /// The mean of the probabilities.
    #[default]
    Probabilities,
    /// The mean of the logits.
    Logits,
}

impl FromStr for Average {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        match text {
            "probabilities" => Ok(Self::Probabilities),
            "logits" => Ok(Self::Logits),
            other => {
                let known = ["probabilities", "logits"];
                Err(ConfigError::unknown_name("average", other, known))
            }
        }
    }
}

/// Views of each image at test time.
#[derive(Clone)]
pub struct TestTime {
    /// The views.
    pub views: Arc<dyn Views>,
    /// How their predictions become one.
    pub average: Average,
    /// Take views only of images whose most probable class has a probability below this.
    pub below: Option<f64>,
}

impl TestTime {
    /// The views that a spec names.
    ///
    /// # Errors
    /// [`ConfigError`] naming the unit, key or value that cannot be used, or a `below` outside of [0, 1].
    pub fn new(spec: &Spec, average: Average, below: Option<f64>) -> Result<Self, ConfigError> {
        if let Some(below) = below {
            check("tta", "below", below, 0.0..=1.0)?;
        }
        Ok(Self {
            views: Arc::from(views::build(spec)?),
            average,
            below,
        })
    }

    /// Whether an image with these logits is looked at again.
    #[must_use]
    pub fn is_for(&self, logits: &[f32]) -> bool {
        // What is not a number is passed over here, so it is not confident.
        let highest = softmax(logits).into_iter().fold(0.0, f64::max);
        self.below.is_none_or(|below| highest < below)
    }

    /// One prediction from those of all views, as logits: of a mean of probabilities, their logarithms.
    #[must_use]
    pub fn mean<'a>(&self, views: impl IntoIterator<Item = &'a [f32]>) -> Vec<f32> {
        let mut sum: Vec<f64> = Vec::new();
        let mut count = 0.0;
        for logits in views {
            let values = match self.average {
                Average::Probabilities => softmax(logits),
                Average::Logits => logits.iter().map(|logit| f64::from(*logit)).collect(),
            };
            sum.resize(values.len(), 0.0);
            sum.iter_mut()
                .zip(values)
                .for_each(|(sum, value)| *sum += value);
            count += 1.0;
        }
        let mean = sum.into_iter().map(|sum| sum / count);
        match self.average {
            Average::Probabilities => mean
                .map(|probability| probability.max(f64::from(f32::MIN_POSITIVE)).ln() as f32)
                .collect(),
            Average::Logits => mean.map(|logit| logit as f32).collect(),
        }
    }
}

/// What test-time augmentation found.
#[derive(Debug, Clone, PartialEq)]
pub struct TtaEvaluation {
    /// Scores of the mean predictions.
    pub evaluation: Evaluation,
    /// Views of each image.
    pub views: usize,
    /// Images that were looked at in all views.
    pub images: usize,
    /// Seconds that it took.
    pub seconds: f64,
}

/// Scores the mean predictions over the views of each image of `dataset`; see [`predict_views`].
///
/// # Errors
/// As [`predict_views`].
pub fn evaluate_views<M: Classifier>(
    model: &TrainedModel<M>,
    recipe: &Recipe,
    dataset: &Arc<dyn Dataset>,
    plain: &Predictions,
    tta: &TestTime,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<TtaEvaluation, Error> {
    let clock = Instant::now();
    let (all, images) = predict_views(model, recipe, dataset, plain, tta, progress)?;
    Ok(TtaEvaluation {
        evaluation: score(&all, &CrossEntropy::default(), &model.device),
        views: tta.views.count(),
        images,
        seconds: clock.elapsed().as_secs_f64(),
    })
}

/// The mean predictions over the views of each image of `dataset`, and the number of images that were looked at in all
/// views. `plain` are the predictions without views, for the same images in the same order. `progress` is told the images
/// done and their total.
///
/// # Errors
/// [`Error`] when an image cannot be read, or is of a size that cannot be used.
pub fn predict_views<M: Classifier>(
    model: &TrainedModel<M>,
    recipe: &Recipe,
    dataset: &Arc<dyn Dataset>,
    plain: &Predictions,
    tta: &TestTime,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<(Predictions, usize), Error> {
    let chosen: Vec<usize> = plain
        .rows()
        .enumerate()
        .filter(|(_, row)| tta.is_for(row))
        .map(|(place, _)| place)
        .collect();
    let mut all = plain.clone();
    let count = tta.views.count();
    if !chosen.is_empty() {
        let indices: Vec<usize> = chosen.iter().map(|place| plain.indices[*place]).collect();
        let part: Arc<dyn Dataset> = Arc::new(Subset::new(dataset.clone(), indices.clone())?);
        let indices: Arc<[usize]> = indices.into();
        let mut views = Vec::new();
        for number in 0..count {
            let view = View {
                views: tta.views.clone(),
                number,
                indices: indices.clone(),
                preprocessing: model.info.preprocessing.clone(),
            };
            let preprocessing = &model.info.preprocessing;
            let mut loader = view_loader(recipe, preprocessing, part.clone(), view)?;
            views.push(firebrick_train::predict(&model.network, &mut loader)?);
            progress((number + 1) * chosen.len(), count * chosen.len());
        }
        let classes = all.classes;
        for (at, place) in chosen.iter().enumerate() {
            let rows = views
                .iter()
                .map(|view| &view.logits[at * classes..][..classes]);
            all.logits[place * classes..][..classes].copy_from_slice(&tta.mean(rows));
        }
    }
    Ok((all, chosen.len()))
}
