//! Leaves out a batch of one image that batch norm cannot normalize.

use firebrick_core::data::Batch;
use firebrick_core::{Classifier, ConfigError};

use super::trainer::Trainer;
use crate::error::TrainError;
use crate::lone_image::cannot_train_alone;

impl<M: Classifier> Trainer<'_, M> {
    /// Whether the batch must be left out because it has a single image, which this model cannot train on
    /// alone. Reports the first such batch; fails if all batches are like it.
    pub(super) fn is_left_out(&mut self, model: &M, batch: &Batch) -> Result<bool, TrainError> {
        let [images, channels, height, width] = batch.shape;
        if images != 1 {
            return Ok(false);
        }
        let alone = *self
            .cannot_train_alone
            .get_or_insert_with(|| cannot_train_alone(model, [channels, height, width]));
        if !alone {
            return Ok(false);
        }
        let what = format!(
            "batch norm gets a single value per channel from one {width}×{height} image, and a single value cannot be normalized"
        );
        if self.train.batches() >= self.train.samples() {
            return Err(ConfigError::Conflict(format!(
                "every training batch has one image: {what}; use a larger batch size or larger images"
            ))
            .into());
        }
        if !self.told_of_lone_image {
            self.told_of_lone_image = true;
            (self.notice)(&format!(
                "batch {} of epoch {} has only one image and is left out, as are others like it: {what}",
                self.progress.batch,
                self.progress.epoch + 1
            ));
        }
        Ok(true)
    }
}
