//! What a trained model looks at, for the report of its run: the kernels of its first layer, why it is most wrong where it
//! is, and maps of its features.
//!
//! What it costs is bounded whatever the data: forward passes over at most [`MOST_AMONG`] training images and
//! [`MOST_ON_MAP`] held-out ones, and the gradient of [`explained::MOST_EXPLAINED`] images. All of it is computed from the saved
//! model after training, so it changes nothing of the results.

mod explained;
mod feature_map;
mod filters;

use std::any::Any;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use burn::tensor::Device;
use firebrick_core::Classifier;
use firebrick_core::data::Dataset;
use firebrick_core::run::{EXPLAINED, FEATURE_MAP, FILTERS, RunRecord};
use firebrick_core::state_dict::StateDict;
use firebrick_datasets::split::Subset;
use firebrick_train::metrics::WrongImage;
use firebrick_transfer::Features;
use firebrick_zoo::Model;
use serde::Serialize;

use crate::features::{Extractor, POOLED, Pass};
use crate::prepared::Prepared;
use crate::{Error, ModelInfo, TrainedModel};

/// The most training images that the nearest ones are looked for among, spread evenly over the split.
pub(crate) const MOST_AMONG: usize = 1000;
/// The most held-out images on a map, spread evenly over the split.
pub(crate) const MOST_ON_MAP: usize = 500;

/// A model whose training is over, and its images.
pub(crate) struct Insight<'a> {
    pub(crate) info: &'a ModelInfo,
    pub(crate) device: &'a Device,
    pub(crate) prepared: &'a Prepared,
    /// Threads that decode images.
    pub(crate) workers: usize,
    /// The directory that keeps the features of whole splits, if there is one.
    pub(crate) cache: Option<&'a Path>,
    pub(crate) held_out: Option<HeldOut>,
    pub(crate) interrupted: &'a AtomicBool,
}

/// The images that the model was scored on.
pub(crate) struct HeldOut {
    /// `valid` or `test`.
    pub(crate) split: &'static str,
    pub(crate) dataset: Arc<dyn Dataset>,
    /// The most wrong of them, in the order of the record's mistakes.
    pub(crate) wrong: Vec<WrongImage>,
    /// Whether each was classified right, by its index.
    pub(crate) right: HashMap<usize, bool>,
}

impl Insight<'_> {
    /// Adds to a record what can be said of the model. What cannot be is named in the record's warnings; a report
    /// that lacks it is no reason to lose a run. An interruption leaves out what is not there yet.
    pub(crate) fn note<M: Classifier>(&self, model: &M, record: &mut RunRecord) {
        if let Some(filters) = filters::of(model, &StateDict::of(model)) {
            put(record, FILTERS, &filters);
        }
        let any: &dyn Any = model;
        // Models of your own do not say what their stages are.
        let Some(network) = any.downcast_ref::<Model>() else {
            return;
        };
        let held_out = self.held_out.as_ref();
        let Some(held_out) = held_out.filter(|_| network.backbone().is_some()) else {
            return;
        };
        let model = TrainedModel {
            info: self.info.clone(),
            network: network.clone(),
            device: self.device.clone(),
        };
        let noted = self.note_features(&model, held_out, record);
        if let Err(error) = noted {
            let text = format!("the report has no maps of features and no nearest images: {error}");
            record.warnings.push(text);
        }
    }

    fn note_features(
        &self,
        model: &TrainedModel,
        held_out: &HeldOut,
        record: &mut RunRecord,
    ) -> Result<(), Error> {
        let HeldOut {
            split,
            dataset,
            wrong,
            right,
        } = held_out;
        let stopped = || self.interrupted.load(Ordering::Relaxed);
        let extractor = Extractor::new(model, &[POOLED])?;
        if !stopped() {
            let features = self.features(&extractor, dataset, MOST_ON_MAP)?;
            if let Some(mut map) = feature_map::of(&features, split, dataset.len())? {
                let images = features.images().iter();
                map.right = images
                    .map(|image| right.get(image) == Some(&true))
                    .collect();
                put(record, FEATURE_MAP, &map);
            }
        }
        if wrong.is_empty() || stopped() {
            return Ok(());
        }
        let train = &self.prepared.splits.train;
        let among = self.features(&extractor, train, MOST_AMONG)?;
        if stopped() {
            return Ok(());
        }
        let explained = explained::Explaining {
            model,
            extractor: &extractor,
            train: &**train,
            among: &among,
        };
        put(record, EXPLAINED, &explained.of(wrong, &**dataset)?);
        Ok(())
    }

    /// The features of at most so many images, spread evenly; each row is numbered with its image.
    fn features(
        &self,
        extractor: &Extractor,
        dataset: &Arc<dyn Dataset>,
        most: usize,
    ) -> Result<Features, Error> {
        let all = dataset.len();
        let count = most.min(all);
        let chosen: Vec<usize> = (0..count).map(|at| at * all / count).collect();
        let mut pass = Pass {
            workers: self.workers,
            on_bad: self.prepared.on_bad,
            ..Pass::default()
        };
        let found = if count == all {
            let cache = self
                .cache
                .map(|cache| extractor.cache_file(cache, &**dataset));
            pass.cache = cache.transpose()?;
            extractor.of_dataset(dataset, &pass, &mut |_, _| {})?
        } else {
            let part: Arc<dyn Dataset> = Arc::new(Subset::new(dataset.clone(), chosen.clone())?);
            extractor.of_dataset(&part, &pass, &mut |_, _| {})?
        };
        let features = found.stage(extractor.pooled())?;
        let images = features.images().iter().map(|at| chosen[*at]).collect();
        Ok(features.with_images(images)?)
    }
}

/// Plain data, which JSON can hold.
fn put<T: Serialize>(record: &mut RunRecord, name: &str, section: &T) {
    if let Err(error) = record.set_section(name, section) {
        record
            .warnings
            .push(format!("the report has no section {name}: {error}"));
    }
}

#[cfg(test)]
mod tests;
