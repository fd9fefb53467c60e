//! What a model predicts for a set of images.

use burn::tensor::Tensor;
use firebrick_core::data::{BatchSource, Targets};
use firebrick_core::{Classifier, ConfigError};

use crate::error::TrainError;
use crate::images_on::images_on;

/// Logits for images, with what the images are, in the order in which the source has them.
#[derive(Debug, Clone, PartialEq)]
pub struct Predictions {
    /// Class scores before the softmax, `[N × classes]` row by row.
    pub logits: Vec<f32>,
    /// The number of classes.
    pub classes: usize,
    /// What the images are.
    pub targets: Targets,
    /// The index of each image in its data set.
    pub indices: Vec<usize>,
}

impl Predictions {
    /// None yet, for images of so many classes.
    #[must_use]
    pub fn none(classes: usize) -> Self {
        Self {
            logits: Vec::new(),
            classes,
            targets: Targets::Classes(Vec::new()),
            indices: Vec::new(),
        }
    }

    /// The number of images.
    #[must_use]
    pub fn len(&self) -> usize {
        self.indices.len()
    }

    /// Whether there is no image.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.indices.is_empty()
    }

    /// The logits of each image in turn.
    pub fn rows(&self) -> impl Iterator<Item = &[f32]> {
        self.logits.chunks(self.classes.max(1))
    }

    /// Adds those of more images. Classes and distributions together become distributions.
    fn extend(&mut self, more: Self) {
        let classes = self.classes;
        let all = std::mem::replace(&mut self.targets, Targets::Classes(Vec::new()));
        self.targets = match (all, more.targets) {
            (Targets::Classes(mut all), Targets::Classes(more)) => {
                all.extend(more);
                Targets::Classes(all)
            }
            (all, more) => {
                let mut values = distributions(all, classes);
                values.extend(distributions(more, classes));
                Targets::Soft { values, classes }
            }
        };
        self.logits.extend(more.logits);
        self.indices.extend(more.indices);
    }
}

fn distributions(targets: Targets, classes: usize) -> Vec<f32> {
    match targets {
        Targets::Soft { values, .. } => values,
        Targets::Taught { labels, .. } => distributions(*labels, classes),
        Targets::Classes(labels) => {
            let mut values = vec![0.0; labels.len() * classes];
            for (row, label) in values.chunks_exact_mut(classes).zip(labels) {
                row[label] = 1.0;
            }
            values
        }
    }
}

/// Runs the model in evaluation mode over epoch 0 of `source`.
///
/// # Errors
/// [`TrainError::Data`] when a batch cannot be made; [`TrainError::Config`] when the model has another
/// number of outputs than the source has classes.
pub fn predict<M: Classifier>(
    model: &M,
    source: &mut dyn BatchSource,
) -> Result<Predictions, TrainError> {
    let mut all = Predictions::none(source.classes().len());
    predict_batches(model, source, &mut |_, batch| {
        all.extend(batch);
        true
    })?;
    Ok(all)
}

/// Hands on the logits, on the device and on the host, batch by batch, as long as `goes_on` says so. Returns
/// whether it came to the end.
pub(crate) fn predict_batches<M: Classifier>(
    model: &M,
    source: &mut dyn BatchSource,
    goes_on: &mut dyn FnMut(Tensor<2>, Predictions) -> bool,
) -> Result<bool, TrainError> {
    let model = model.valid();
    let device = model.devices().into_iter().next().unwrap_or_default();
    let device = device.inner();
    let classes = source.classes().len();
    source.start(0, 0);
    while let Some(batch) = source.next_batch() {
        let mut batch = batch?;
        // All of its images were left out as unreadable.
        if batch.is_empty() {
            continue;
        }
        let logits = model.forward(images_on(&mut batch, &device));
        check_outputs(&logits, classes)?;
        let predictions = Predictions {
            logits: logits.to_data().iter::<f32>().collect(),
            classes,
            targets: batch.targets,
            indices: batch.indices,
        };
        if !goes_on(logits, predictions) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Refuses a model that was made for another number of classes.
pub(crate) fn check_outputs(logits: &Tensor<2>, classes: usize) -> Result<(), ConfigError> {
    let [_, outputs] = logits.dims();
    if outputs == classes {
        return Ok(());
    }
    Err(ConfigError::Conflict(format!(
        "the model has {outputs} outputs, but the data has {classes} classes: build the model for {classes} classes, or choose the data that it was trained on"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_and_distributions_become_distributions() {
        let one = |targets, index| Predictions {
            logits: vec![index as f32; 2],
            targets,
            indices: vec![index],
            ..Predictions::none(2)
        };
        let mut all = Predictions::none(2);
        all.extend(one(Targets::Classes(vec![1]), 4));
        assert_eq!(all.targets, Targets::Classes(vec![1]));
        let soft = Targets::Soft {
            values: vec![0.25, 0.75],
            classes: 2,
        };
        all.extend(one(soft, 3));
        all.extend(one(Targets::Classes(vec![0]), 0));
        let values = vec![0.0, 1.0, 0.25, 0.75, 1.0, 0.0];
        assert_eq!(all.targets, Targets::Soft { values, classes: 2 });
        assert_eq!((all.indices.clone(), all.len()), (vec![4, 3, 0], 3));
        assert_eq!(all.rows().nth(1), Some(&[3.0, 3.0][..]));
    }
}
