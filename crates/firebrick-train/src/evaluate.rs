//! Scores of a model on a set of images.

use std::sync::atomic::{AtomicBool, Ordering};

use burn::tensor::{Device, Tensor, TensorData};
use firebrick_core::Classifier;
use firebrick_core::confusion::Confusion;
use firebrick_core::data::{Batch, BatchSource, Targets};
use firebrick_core::loss::Loss;
use firebrick_core::run::{ConfidenceBin, Scores};

use crate::error::TrainError;
use crate::metrics::{Scorer, WrongImage, highest};

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

/// The batch's images on a device, `[N, C, H, W]`; targets and indices stay on the host.
pub(crate) fn images_on(batch: &mut Batch, device: &Device) -> Tensor<4> {
    Tensor::from_data(
        TensorData::new(std::mem::take(&mut batch.images), batch.shape),
        device,
    )
}

/// The class of each image; of a soft target, the most probable one.
#[must_use]
pub fn hard_labels(targets: &Targets) -> Vec<usize> {
    match targets {
        Targets::Classes(labels) => labels.clone(),
        Targets::Soft { values, classes } => values.chunks(*classes).map(highest).collect(),
    }
}

/// Runs the model in evaluation mode over epoch 0 of `source`. `progress` is told the number of
/// images done after each batch.
///
/// The loss is NaN where no image counts in it.
///
/// # Errors
/// [`TrainError::Data`] when a batch cannot be made.
pub fn evaluate<M: Classifier>(
    model: &M,
    source: &mut dyn BatchSource,
    loss: &dyn Loss,
    progress: &mut dyn FnMut(usize),
) -> Result<Evaluation, TrainError> {
    let all = pass(model, source, loss, &mut |done| {
        progress(done);
        true
    })?;
    Ok(all.evaluation())
}

/// As [`evaluate`], but gives up, with `None`, once `interrupted` is set; it looks after each batch.
///
/// # Errors
/// [`TrainError::Data`] when a batch cannot be made.
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
    let pass = pass(model, source, loss, &mut |_| goes_on())?;
    Ok(pass.complete.then(|| pass.evaluation()))
}

/// What a pass over the images gathered.
struct Pass {
    scorer: Scorer,
    sum: f64,
    weight: f64,
    /// Whether it came to the end.
    complete: bool,
}

impl Pass {
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

/// Goes on to the next batch as long as `goes_on`, told the number of images done, says so.
fn pass<M: Classifier>(
    model: &M,
    source: &mut dyn BatchSource,
    loss: &dyn Loss,
    goes_on: &mut dyn FnMut(usize) -> bool,
) -> Result<Pass, TrainError> {
    let model = model.valid();
    let device = model
        .devices()
        .into_iter()
        .next()
        .unwrap_or_default()
        .inner();
    let classes = source.classes().len();
    let mut pass = Pass {
        scorer: Scorer::new(classes),
        sum: 0.0,
        weight: 0.0,
        complete: false,
    };
    source.start(0, 0);
    while let Some(batch) = source.next_batch() {
        let mut batch = batch?;
        // All of its images were left out as unreadable.
        if batch.is_empty() {
            continue;
        }
        let logits = model.forward(images_on(&mut batch, &device));
        let value = loss.loss(logits.clone(), &batch.targets);
        pass.sum += value.sum.into_data().iter::<f64>().sum::<f64>();
        pass.weight += value.weight;
        let logits: Vec<f32> = logits.into_data().iter::<f32>().collect();
        let rows = logits
            .chunks(classes)
            .zip(hard_labels(&batch.targets))
            .zip(&batch.indices);
        rows.for_each(|((row, truth), index)| pass.scorer.add(row, truth, *index));
        if !goes_on(pass.scorer.count()) {
            return Ok(pass);
        }
    }
    pass.complete = true;
    Ok(pass)
}
