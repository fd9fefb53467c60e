//! Scores of a model on a set of images.

use std::sync::atomic::{AtomicBool, Ordering};

use burn::tensor::{Device, Tensor, TensorData};
use firebrick_core::Classifier;
use firebrick_core::confusion::Confusion;
use firebrick_core::data::{BatchSource, Targets};
use firebrick_core::loss::Loss;
use firebrick_core::run::{ConfidenceBin, Scores};

use crate::error::TrainError;
use crate::metrics::{Scorer, Target, WrongImage, highest};
use crate::predict::{Predictions, predict_batches};

/// What an evaluation found.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// The scores.
    pub scores: Scores,
    /// What was taken for what.
    pub confusion: Confusion,
    /// The most wrong images, worst first.
    pub mistakes: Vec<WrongImage>,
    /// Confidence against accuracy: the 15 bins of the expected calibration error.
    pub calibration: Vec<ConfidenceBin>,
    /// The index of each image and whether it was classified right, in the order of evaluation.
    pub right: Vec<(usize, bool)>,
}

/// The class of each image; of a soft target, the most probable one.
#[must_use]
pub fn hard_labels(targets: &Targets) -> Vec<usize> {
    match targets {
        Targets::Classes(labels) => labels.clone(),
        Targets::Soft { values, classes } => values.chunks(*classes).map(highest).collect(),
        Targets::Taught { labels, .. } => hard_labels(labels),
    }
}

/// Runs the model in evaluation mode over epoch 0 of `source` and scores what it predicts. `progress` is
/// told the number of images done after each batch.
///
/// The loss is NaN where no image counts in it.
///
/// # Errors
/// As [`predict`](crate::predict()).
pub fn evaluate<M: Classifier>(
    model: &M,
    source: &mut dyn BatchSource,
    loss: &dyn Loss,
    progress: &mut dyn FnMut(usize),
) -> Result<Evaluation, TrainError> {
    let (scoring, _) = score_all(model, source, loss, &mut |done| {
        progress(done);
        true
    })?;
    Ok(scoring.evaluation())
}

/// As [`evaluate`], but gives up, with `None`, once `interrupted` is set; it looks after each batch.
///
/// # Errors
/// As [`evaluate`].
pub fn evaluate_unless<M: Classifier>(
    interrupted: &AtomicBool,
    model: &M,
    source: &mut dyn BatchSource,
    loss: &dyn Loss,
) -> Result<Option<Evaluation>, TrainError> {
    let goes_on = || !interrupted.load(Ordering::Relaxed);
    if !goes_on() {
        return Ok(None);
    }
    let (scoring, complete) = score_all(model, source, loss, &mut |_| goes_on())?;
    Ok(complete.then(|| scoring.evaluation()))
}

/// Scores predictions, such as those of several models together. The loss is computed on `device`.
#[must_use]
pub fn score(predictions: &Predictions, loss: &dyn Loss, device: &Device) -> Evaluation {
    let mut scoring = Scoring::new(predictions.classes);
    if !predictions.is_empty() {
        let shape = [predictions.len(), predictions.classes];
        let logits = TensorData::new(predictions.logits.clone(), shape);
        scoring.add(Tensor::from_data(logits, device), predictions, loss);
    }
    scoring.evaluation()
}

/// Goes on to the next batch as long as `goes_on`, told the number of images done, says so. Returns whether
/// it came to the end.
fn score_all<M: Classifier>(
    model: &M,
    source: &mut dyn BatchSource,
    loss: &dyn Loss,
    goes_on: &mut dyn FnMut(usize) -> bool,
) -> Result<(Scoring, bool), TrainError> {
    let mut scoring = Scoring::new(source.classes().len());
    let complete = predict_batches(model, source, &mut |logits, predictions| {
        scoring.add(logits, &predictions, loss);
        goes_on(scoring.scorer.count())
    })?;
    Ok((scoring, complete))
}

/// Scores of the predictions so far.
struct Scoring {
    scorer: Scorer,
    sum: f64,
    weight: f64,
}

impl Scoring {
    fn new(classes: usize) -> Self {
        Self {
            scorer: Scorer::new(classes),
            sum: 0.0,
            weight: 0.0,
        }
    }

    /// `logits` are those of the predictions, on a device.
    fn add(&mut self, logits: Tensor<2>, predictions: &Predictions, loss: &dyn Loss) {
        let value = loss.loss(logits, &predictions.targets);
        self.sum += value.sum.into_data().iter::<f64>().sum::<f64>();
        self.weight += value.weight;
        let rows = predictions
            .rows()
            .zip(Target::each(&predictions.targets))
            .zip(&predictions.indices);
        rows.for_each(|((row, target), index)| self.scorer.add_target(row, target, *index));
    }

    fn evaluation(self) -> Evaluation {
        Evaluation {
            scores: self.scorer.scores(self.sum / self.weight),
            confusion: self.scorer.confusion().clone(),
            calibration: self.scorer.calibration(),
            right: self.scorer.right().to_vec(),
            mistakes: self.scorer.mistakes(),
        }
    }
}
