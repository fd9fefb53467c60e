//! How batches are made: [`LoaderConfig`].

use firebrick_types::ConfigError;
use firebrick_types::error::check;
use serde::{Deserialize, Serialize};

use crate::registry::OnBadImage;
use crate::sampler::Sampling;

/// How a [`Loader`](super::Loader) makes its batches.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LoaderConfig {
    /// Images in a batch, at least 1; the last batch of an epoch takes what is left.
    pub batch_size: usize,
    /// In which order an epoch visits the images.
    pub sampling: Sampling,
    /// Seed of the order and of every random change.
    pub seed: u64,
    /// Threads that make batches, 0 to 256; with 0 the reader makes each batch when it asks for it.
    pub workers: usize,
    /// Batches that each worker makes ahead of the reader, 0 to 1024. In memory at any time are at
    /// most `workers · (prefetch + 1)` batches besides the reader's own.
    pub prefetch: usize,
    /// The epochs of the run, so that changes of images and batches know how much of it is over.
    pub epochs: Option<u64>,
    /// What to do about an image that cannot be read.
    pub on_bad: OnBadImage,
    /// Read only this many batches, always the first ones of epoch 0: a model that cannot learn
    /// them by heart has a fault. Augmentation stays as configured, with new draws each epoch.
    pub overfit_batches: Option<usize>,
    /// When the last batch of an epoch would have a single image, add that image to the batch before
    /// it, if there is one: batch norm cannot always normalize a single image.
    pub join_lone_image: bool,
}

impl Default for LoaderConfig {
    fn default() -> Self {
        Self {
            batch_size: 64,
            sampling: Sampling::shuffle(),
            seed: 0,
            workers: 2,
            prefetch: 2,
            epochs: None,
            on_bad: OnBadImage::Fail,
            overfit_batches: None,
            join_lone_image: false,
        }
    }
}

impl LoaderConfig {
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        check("loader", "batch_size", self.batch_size, 1..)?;
        check("loader", "workers", self.workers, 0..=256)?;
        check("loader", "prefetch", self.prefetch, 0..=1024)?;
        if let Some(batches) = self.overfit_batches {
            check("loader", "overfit_batches", batches, 1..)?;
        }
        Ok(())
    }
}
