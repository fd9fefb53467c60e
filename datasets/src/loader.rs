//! The loader: reads images, augments them and assembles batches, in parallel and in a fixed order.
//!
//! Order and content of every batch are a function of (seed, epoch) alone. Batch `i` of an epoch is
//! made by worker `i % workers` and waits in that worker's own bounded queue; the reader takes
//! the queues in turn, so the number of workers changes the speed and nothing else.

mod assembly;
mod config;
mod workers;

use std::collections::BTreeSet;
use std::sync::Arc;

use firebrick_types::ConfigError;
use firebrick_types::data::{
    Batch, BatchSource, BatchTransform, DataError, Dataset, Preprocessing, SampleTransform,
};
use firebrick_types::error::{check, check_positive};

use assembly::{Assembly, Made};
pub use config::LoaderConfig;
use workers::Workers;

/// A [`BatchSource`] over any data set.
///
/// What is drawn at random:
/// - the order of an epoch: see [`Sampling`](crate::sampler::Sampling);
/// - the change of one image, from [`Subject::rng`](firebrick_types::data::Subject::rng): the stream
///   `rng(seed, "augment", epoch, position)`, where the position counts draws within the epoch, so that an image drawn
///   twice is changed in two ways;
/// - the transforms of a batch, in turn, from `rng(seed, "mix", epoch, batch number)`.
///
/// An image is read, fitted to the size and channels of the preprocessing unless the transform wants it as it is, changed
/// by the transform, fitted if it has another size then, and normalized. It is 8-bit until then.
///
/// With [`OnBadImage::Skip`](crate::registry::OnBadImage::Skip) a batch is smaller by its unreadable images, and empty when none is
/// left: it is handed out all the same, so that counting batches is enough to resume exactly.
pub struct Loader {
    assembly: Arc<Assembly>,
    prefetch: usize,
    worker_count: usize,
    epoch: u64,
    /// The next batch to hand out.
    batch: usize,
    /// The order of the current epoch, once it is needed.
    order: Option<Arc<Vec<usize>>>,
    workers: Option<Workers>,
    skipped: BTreeSet<String>,
}

impl Loader {
    /// A loader at the beginning of epoch 0. No thread is started before the first batch is asked
    /// for.
    ///
    /// # Errors
    /// [`ConfigError`] for a setting out of range, weights that do not fit the classes, a
    /// preprocessing that contradicts itself, a data set without images or with a label that is
    /// none of its classes, or a transform that cannot work on images of its size.
    pub fn new(
        dataset: Arc<dyn Dataset>,
        preprocessing: Preprocessing,
        transform: Option<Arc<dyn SampleTransform>>,
        batch_transforms: Vec<Box<dyn BatchTransform>>,
        config: LoaderConfig,
    ) -> Result<Self, ConfigError> {
        config.validate()?;
        check_preprocessing(&preprocessing)?;
        let labels: Vec<usize> = (0..dataset.len())
            .map(|index| dataset.label(index))
            .collect();
        let classes = dataset.classes().len();
        if labels.is_empty() {
            let problem = "the data set has no images: nothing can be loaded from it";
            return Err(ConfigError::Conflict(problem.into()));
        }
        if let Some(index) = labels.iter().position(|label| *label >= classes) {
            return Err(ConfigError::Conflict(format!(
                "{}: its class is number {}, but the data set has {classes} classes, counted from 0",
                dataset.describe(index),
                labels[index],
            )));
        }
        config.sampling.validate(&labels, classes)?;
        if let Some(transform) = &transform {
            transform.check_sizes(dataset.image_size(), preprocessing.size())?;
        }
        Ok(Self {
            prefetch: config.prefetch,
            worker_count: config.workers,
            assembly: Arc::new(Assembly {
                dataset,
                labels,
                preprocessing,
                transform,
                batch_transforms,
                config,
            }),
            epoch: 0,
            batch: 0,
            order: None,
            workers: None,
            skipped: BTreeSet::new(),
        })
    }

    /// The next batch, whatever became of it.
    fn make(&mut self) -> Result<Made, DataError> {
        let order = self
            .order
            .get_or_insert_with(|| Arc::new(self.assembly.order(self.epoch)))
            .clone();
        if self.worker_count == 0 {
            return self.assembly.make(self.epoch, self.batch, &order);
        }
        let workers = match &mut self.workers {
            Some(workers) => workers,
            None => self.workers.insert(Workers::start(
                &self.assembly,
                &order,
                (self.epoch, self.batch),
                self.worker_count,
                self.prefetch,
            )?),
        };
        workers.next(self.batch)
    }
}

fn check_preprocessing(preprocessing: &Preprocessing) -> Result<(), ConfigError> {
    const UNIT: &str = "preprocessing";
    let channels = preprocessing.channels;
    if channels != 1 && channels != 3 {
        let range = "1 (grey) or 3 (RGB)";
        return Err(ConfigError::out_of_range(UNIT, "channels", channels, range));
    }
    check(UNIT, "height", preprocessing.height, 1..)?;
    check(UNIT, "width", preprocessing.width, 1..)?;
    preprocessing.check_crop(UNIT, "crop")?;
    for (name, values) in [("mean", &preprocessing.mean), ("std", &preprocessing.std)] {
        if values.len() != channels {
            return Err(ConfigError::Conflict(format!(
                "{UNIT}: {name} has {} values, but images have {channels} channels: give one for \
                 each channel",
                values.len()
            )));
        }
    }
    for (channel, (mean, std)) in preprocessing
        .mean
        .iter()
        .zip(&preprocessing.std)
        .enumerate()
    {
        if !mean.is_finite() {
            let field = format!("mean[{channel}]");
            return Err(ConfigError::out_of_range(UNIT, &field, mean, "finite"));
        }
        check_positive(UNIT, &format!("std[{channel}]"), f64::from(*std))?;
    }
    Ok(())
}

impl BatchSource for Loader {
    fn samples(&self) -> usize {
        self.assembly.samples()
    }

    fn batches(&self) -> usize {
        self.assembly.batches()
    }

    fn start(&mut self, epoch: u64, batch: usize) {
        if (self.epoch, self.batch) == (epoch, batch) {
            return;
        }
        // Ends the threads, which work on what is no longer wanted.
        self.workers = None;
        if self.epoch != epoch {
            self.order = None;
        }
        (self.epoch, self.batch) = (epoch, batch);
    }

    fn next_batch(&mut self) -> Option<Result<Batch, DataError>> {
        if self.batch >= self.batches() {
            self.workers = None;
            return None;
        }
        let made = self.make();
        self.batch += 1;
        Some(made.map(|made| {
            self.skipped.extend(made.skipped);
            made.batch
        }))
    }

    fn classes(&self) -> &[String] {
        self.assembly.dataset.classes()
    }

    fn fingerprint(&self) -> String {
        self.assembly.dataset.fingerprint()
    }

    /// Sorted; only images of batches that were asked for.
    fn skipped(&self) -> Vec<String> {
        self.skipped.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests;
