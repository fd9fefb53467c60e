//! Scores of a model on a set of images.

use burn::tensor::{Device, Tensor, TensorData};
use firebrick_core::Classifier;
use firebrick_core::data::{Batch, BatchSource, Targets};
use firebrick_core::loss::Loss;
use firebrick_core::run::{ConfidenceBin, Scores};

use crate::error::TrainError;
use crate::metrics::{Scorer, WrongImage};

/// What an evaluation found.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// The scores.
    pub scores: Scores,
    /// `[truth][said]` counts.
    pub confusion: Vec<Vec<u64>>,
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
pub(crate) fn hard_labels(targets: &Targets) -> Vec<usize> {
    match targets {
        Targets::Classes(labels) => labels.clone(),
        Targets::Soft { values, classes } => values
            .chunks(*classes)
            .map(|row| crate::metrics::ranked(row)[0])
            .collect(),
    }
}

/// Runs the model in evaluation mode over epoch 0 of `source`. `progress` is told the number of
/// images done after each batch.
///
/// # Errors
/// [`TrainError::Data`] when a batch cannot be made.
pub fn evaluate<M: Classifier>(
    model: &M,
    source: &mut dyn BatchSource,
    loss: &dyn Loss,
    progress: &mut dyn FnMut(usize),
) -> Result<Evaluation, TrainError> {
    let model = model.valid();
    let device = model
        .devices()
        .into_iter()
        .next()
        .unwrap_or_default()
        .inner();
    let classes = source.classes().len();
    let mut scorer = Scorer::new(classes);
    let (mut sum, mut weight) = (0.0, 0.0);
    source.start(0, 0);
    while let Some(batch) = source.next_batch() {
        let mut batch = batch?;
        // All of its images were left out as unreadable.
        if batch.is_empty() {
            continue;
        }
        let logits = model.forward(images_on(&mut batch, &device));
        let value = loss.loss(logits.clone(), &batch.targets);
        sum += value.sum.into_data().iter::<f64>().sum::<f64>();
        weight += value.weight;
        let logits: Vec<f32> = logits.into_data().iter::<f32>().collect();
        let rows = logits
            .chunks(classes)
            .zip(hard_labels(&batch.targets))
            .zip(&batch.indices);
        rows.for_each(|((row, truth), index)| scorer.add(row, truth, *index));
        progress(scorer.count());
    }
    let scores = scorer.scores(if weight > 0.0 { sum / weight } else { 0.0 });
    Ok(Evaluation {
        scores,
        confusion: scorer.confusion().to_vec(),
        calibration: scorer.calibration(),
        right: scorer.right().to_vec(),
        mistakes: scorer.mistakes(),
    })
}
