//! Makes one batch from its number. Every worker does this, or the reader itself if there are no workers.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use firebrick_types::data::{
    Batch, BatchMoment, BatchTransform, DataError, Dataset, Image, Preprocessing, SampleTransform,
    Subject, Targets,
};
use firebrick_types::image::fit;
use firebrick_types::random::rng;

use super::config::LoaderConfig;
use crate::decode::panic_message;
use crate::registry::OnBadImage;

/// A batch, and the images left out of it because they cannot be read.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) batch: Batch,
    pub(super) skipped: Vec<String>,
}

/// Everything that batches are made from, shared by the workers.
pub(super) struct Assembly {
    pub(super) dataset: Arc<dyn Dataset>,
    pub(super) labels: Vec<usize>,
    pub(super) preprocessing: Preprocessing,
    pub(super) transform: Option<Arc<dyn SampleTransform>>,
    pub(super) batch_transforms: Vec<Box<dyn BatchTransform>>,
    pub(super) config: LoaderConfig,
}

impl Assembly {
    /// Images in one epoch.
    pub(super) fn samples(&self) -> usize {
        let all = self.labels.len();
        match self.config.overfit_batches {
            Some(batches) => all.min(batches.saturating_mul(self.config.batch_size)),
            None => all,
        }
    }

    /// Batches in one epoch.
    pub(super) fn batches(&self) -> usize {
        let (samples, size) = (self.samples(), self.config.batch_size);
        let joined = self.config.join_lone_image && samples > size && samples % size == 1;
        samples.div_ceil(size) - usize::from(joined)
    }

    /// The images of an epoch in order.
    pub(super) fn order(&self, epoch: u64) -> Vec<usize> {
        let config = &self.config;
        let epoch = if config.overfit_batches.is_some() {
            0
        } else {
            epoch
        };
        let classes = self.dataset.classes().len();
        let mut order = config
            .sampling
            .order(&self.labels, classes, config.seed, epoch);
        order.truncate(self.samples());
        order
    }

    /// Batch `number` of `epoch`, whose order is `order`. A panic on the way, of a data set or a
    /// transform, comes back as an error.
    pub(super) fn make(
        &self,
        epoch: u64,
        number: usize,
        order: &[usize],
    ) -> Result<Made, DataError> {
        // Nothing that a panic could leave half changed is used again: all state is local.
        catch_unwind(AssertUnwindSafe(|| self.assemble(epoch, number, order))).unwrap_or_else(
            |panic| {
                Err(DataError::Invalid(format!(
                    "making batch {number} of epoch {epoch} broke off with a panic: {}",
                    panic_message(&*panic)
                )))
            },
        )
    }

    fn assemble(&self, epoch: u64, number: usize, order: &[usize]) -> Result<Made, DataError> {
        let Preprocessing {
            channels,
            height,
            width,
            ..
        } = self.preprocessing;
        let size = self.config.batch_size;
        let first = number.saturating_mul(size).min(order.len());
        let end = if number + 1 == self.batches() {
            order.len()
        } else {
            first.saturating_add(size).min(order.len())
        };
        let drawn = &order[first..end];

        let mut images = Vec::with_capacity(drawn.len() * channels * height * width);
        let (mut indices, mut labels) = (Vec::new(), Vec::new());
        let mut skipped = Vec::new();
        for (offset, index) in drawn.iter().copied().enumerate() {
            match self.image(epoch, first + offset, index) {
                Ok(image) => {
                    self.preprocessing.normalize_into(&image, &mut images);
                    indices.push(index);
                    labels.push(self.labels[index]);
                }
                Err(error) => match self.config.on_bad {
                    OnBadImage::Fail => return Err(error.or_skip()),
                    OnBadImage::Skip => skipped.push(self.reason(index, &error)),
                },
            }
        }
        let mut batch = Batch {
            shape: [indices.len(), channels, height, width],
            images,
            targets: Targets::Classes(labels),
            classes: self.dataset.classes().len(),
            indices,
        };
        if batch.is_empty() {
            // Transforms may count on an image.
            return Ok(Made { batch, skipped });
        }
        let mut rng = rng(self.config.seed, "mix", epoch, number as u64);
        let moment = BatchMoment {
            epoch,
            batch: number,
            share: self.share(epoch),
        };
        for transform in &self.batch_transforms {
            batch = transform.apply(batch, &moment, &mut rng);
        }
        Ok(Made { batch, skipped })
    }

    /// The image `index`, drawn at `position` of the epoch, ready to be normalized.
    fn image(&self, epoch: u64, position: usize, index: usize) -> Result<Image, DataError> {
        let preprocessing = &self.preprocessing;
        let image = self.dataset.get(index)?.image;
        let Some(transform) = &self.transform else {
            return Ok(fit(image, preprocessing));
        };
        let image = if transform.wants_original() {
            image.with_channels(preprocessing.channels)
        } else {
            fit(image, preprocessing)
        };
        let subject = Subject {
            seed: self.config.seed,
            epoch,
            index,
            position,
            share: self.share(epoch),
            target: preprocessing.size(),
        };
        let changed = transform.transform(image, &subject, &mut subject.rng(), None);
        let changed = changed.map_err(|error| {
            DataError::Invalid(format!("{}: {error}", self.dataset.describe(index)))
        })?;
        if changed.size() == subject.target && changed.channels == preprocessing.channels {
            return Ok(changed);
        }
        // The transform has cut what it wanted to.
        let all = Preprocessing {
            crop: 1.0,
            ..preprocessing.clone()
        };
        Ok(fit(changed, &all))
    }

    /// The share of the run's epochs that are over when `epoch` begins.
    fn share(&self, epoch: u64) -> f64 {
        match self.config.epochs {
            Some(epochs) if epoch < epochs => epoch as f64 / epochs as f64,
            Some(_) => 1.0,
            None => 0.0,
        }
    }

    /// `path: reason`; errors about a file begin with its path already.
    fn reason(&self, index: usize, error: &DataError) -> String {
        let (name, error) = (self.dataset.describe(index), error.to_string());
        if error.starts_with(&name) {
            error
        } else {
            format!("{name}: {error}")
        }
    }
}
