//! A batch of one image that batch norm could not normalize is left out.

use firebrick_core::data::Batch;
use firebrick_core::{Classifier, ConfigError};

use super::Trainer;
use crate::error::TrainError;
use crate::lone_image::cannot_train_alone;

impl<M: Classifier> Trainer<'_, M> {
    /// Whether the batch, which has just been counted, must be left out because its only image cannot be
    /// trained on alone; says so the first time. An error where all batches are like that.
    pub(super) fn is_left_out(&mut self, model: &M, batch: &Batch) -> Result<bool, TrainError> {
        let [images, channels, height, width] = batch.shape;
        if images != 1 {
            return Ok(false);
        }
        let first = self.cannot_train_alone.is_none();
        let alone = *self
            .cannot_train_alone
            .get_or_insert_with(|| cannot_train_alone(model, [channels, height, width]));
        if !alone {
            return Ok(false);
        }
        let what = format!(
            "batch norm has one value for each channel of a single {width}×{height} image, and one value has no spread to normalize by"
        );
        if self.train.batches() >= self.train.samples() {
            return Err(ConfigError::Conflict(format!(
                "every training batch has one image: {what}; use a larger batch size or larger images"
            ))
            .into());
        }
        if first {
            (self.notice)(&format!(
                "batch {} of epoch {} has one image and is left out, as are others like it: {what}",
                self.progress.batch,
                self.progress.epoch + 1
            ));
        }
        Ok(true)
    }
}
