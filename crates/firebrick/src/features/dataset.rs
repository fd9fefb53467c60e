//! The features of a data set, with a file that keeps them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use firebrick_core::checksum;
use firebrick_core::data::{BatchSource, DataError, Dataset, Targets};
use firebrick_datasets::sampler::Sampling;
use firebrick_datasets::split::Subset;
use firebrick_datasets::{Loader, LoaderConfig, OnBadImage};
use firebrick_transfer::cache::{CacheReader, CacheWriter, Key, Row, StageWidth};
use firebrick_transfer::{Features, TransferError};

use super::Extractor;
use super::unchanged::Files;
use crate::Error;

/// How a data set is gone through.
#[derive(Debug, Clone)]
pub struct Pass {
    /// The file that keeps the features ([`firebrick_transfer::cache`]): what is there is not computed again. None: they are kept
    /// in memory.
    pub cache: Option<PathBuf>,
    /// Threads that read and decode images while the network works on others.
    pub workers: usize,
    /// What to do about an image that cannot be read.
    pub on_bad: OnBadImage,
    /// Set this from outside to stop after the current batch; what was computed stays in the file.
    pub interrupted: Arc<AtomicBool>,
}

impl Default for Pass {
    fn default() -> Self {
        Self {
            cache: None,
            workers: 2,
            on_bad: OnBadImage::Fail,
            interrupted: Arc::default(),
        }
    }
}

/// The features of the images of a data set.
pub struct DatasetFeatures {
    rows: Rows,
    /// The name of each image of the data set.
    names: Vec<String>,
    /// Images that were computed now; the others were in the file.
    pub computed: usize,
    /// What the user should know, one sentence each: that a torn file was repaired, which images cannot be read.
    pub notes: Vec<String>,
}

enum Rows {
    File(CacheReader),
    Memory(Memory),
}

/// Rows of features that no file keeps, in the order of the data set.
struct Memory {
    stages: Vec<StageWidth>,
    classes: Vec<String>,
    values: Vec<f32>,
    labels: Vec<usize>,
    images: Vec<usize>,
}

impl Extractor {
    /// The features of all images of a data set, the images read and decoded while the network works. `progress` is told the images done
    /// and their total.
    ///
    /// # Errors
    /// [`Error`] naming the file: an image that cannot be read or was changed meanwhile, a file of features that cannot be written or is of
    /// something else; and after an interruption.
    pub fn of_dataset(
        &self,
        dataset: &Arc<dyn Dataset>,
        pass: &Pass,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<DatasetFeatures, Error> {
        let files = Files::of(&**dataset);
        let mut notes = Vec::new();
        let mut sink = match &pass.cache {
            None => Sink::Memory(Memory {
                stages: self.stages().cloned().collect(),
                classes: dataset.classes().to_vec(),
                values: Vec::new(),
                labels: Vec::new(),
                images: Vec::new(),
            }),
            Some(path) => {
                let key = self.key(&**dataset)?;
                let (writer, found) = CacheWriter::open(path, &key)?;
                if found.torn_bytes > 0 {
                    notes.push(format!(
                        "{}: the last {} bytes were not whole, as after an interruption; the images that they were of are computed again",
                        path.display(),
                        found.torn_bytes
                    ));
                }
                Sink::File(path, Box::new(writer), key)
            }
        };
        let missing = sink.missing(dataset.len());
        let computed = missing.len();
        if !missing.is_empty() {
            // A file may have more stages than are asked for.
            let of_file = sink.extractor(self);
            let extractor = of_file.as_ref().unwrap_or(self);
            let mut loader = self.loader(dataset, &missing, pass)?;
            let total = dataset.len();
            let mut done = total - missing.len();
            progress(done, total);
            while let Some(batch) = loader.next_batch() {
                if pass.interrupted.load(Ordering::Relaxed) {
                    return Err(stopped(done, total, pass).into());
                }
                let batch = batch?;
                let images: Vec<usize> = batch.indices.iter().map(|at| missing[*at]).collect();
                if images.is_empty() {
                    continue;
                }
                let Targets::Classes(labels) = batch.targets else {
                    continue;
                };
                let values = extractor.rows(self.input(batch.images, images.len()));
                files.check(&**dataset, &images)?;
                done += images.len();
                sink.append(&images, &labels, values)
                    .map_err(|error| named(error, &**dataset))?;
                progress(done, total);
            }
            notes.extend(
                loader
                    .skipped()
                    .iter()
                    .map(|left| format!("left out: {left}")),
            );
        }
        Ok(DatasetFeatures {
            rows: sink.finished()?,
            names: (0..dataset.len()).map(|at| dataset.describe(at)).collect(),
            computed,
            notes,
        })
    }

    /// A file in a directory for the features of a data set; other weights, preprocessing, stages or images have other names.
    ///
    /// # Errors
    /// [`Error`] for a model that is none of the zoo.
    pub fn cache_file(&self, directory: &Path, dataset: &dyn Dataset) -> Result<PathBuf, Error> {
        let key = self.key(dataset)?;
        let text = serde_json::to_vec(&key).unwrap_or_default();
        let name = &checksum::of(&text)[..16];
        Ok(directory.join(format!("{}-{name}.features", self.info.model.name)))
    }

    fn key(&self, dataset: &dyn Dataset) -> Result<Key, Error> {
        let preprocessing = serde_json::to_string(&self.info.preprocessing);
        Ok(Key {
            weights: self.weights()?.into(),
            preprocessing: preprocessing.unwrap_or_default(),
            data: dataset.fingerprint(),
            images: dataset.len(),
            views: vec!["plain".into()],
            stages: self.stages().cloned().collect(),
            classes: dataset.classes().to_vec(),
        })
    }

    fn loader(
        &self,
        dataset: &Arc<dyn Dataset>,
        images: &[usize],
        pass: &Pass,
    ) -> Result<Loader, Error> {
        let images = Subset::new(dataset.clone(), images.to_vec())?;
        let config = LoaderConfig {
            batch_size: self.batch(),
            sampling: Sampling::sequential(),
            workers: pass.workers,
            on_bad: pass.on_bad,
            ..LoaderConfig::default()
        };
        let preprocessing = self.info.preprocessing.clone();
        let loader = Loader::new(Arc::new(images), preprocessing, None, Vec::new(), config)?;
        Ok(loader)
    }

    /// The same network with other features taken.
    fn taking(&self, stages: &[StageWidth]) -> Option<Self> {
        let find = |stage: &StageWidth| self.known.iter().find(|known| known.stage == *stage);
        let taken = stages.iter().map(|stage| find(stage).cloned());
        Some(Self {
            taken: taken.collect::<Option<_>>()?,
            ..self.clone()
        })
    }
}

/// Where rows go.
enum Sink<'a> {
    /// A file of features with this key, which may have more stages.
    File(&'a Path, Box<CacheWriter>, Key),
    Memory(Memory),
}

impl Sink<'_> {
    fn missing(&self, images: usize) -> Vec<usize> {
        match self {
            Self::File(_, writer, _) => writer.missing(0).collect(),
            Self::Memory(_) => (0..images).collect(),
        }
    }

    /// What takes the features that the file has, where those are others than were asked for.
    fn extractor(&self, asked: &Extractor) -> Option<Extractor> {
        match self {
            Self::File(_, writer, _) if !asked.stages().eq(&writer.key().stages) => {
                asked.taking(&writer.key().stages)
            }
            _ => None,
        }
    }

    fn append(
        &mut self,
        images: &[usize],
        labels: &[usize],
        values: Vec<f32>,
    ) -> Result<(), TransferError> {
        match self {
            Self::File(_, writer, _) => {
                let rows = images.iter().zip(labels).map(|(image, label)| Row {
                    image: *image,
                    view: 0,
                    label: *label,
                });
                writer.append(&rows.collect::<Vec<_>>(), &values)
            }
            Self::Memory(memory) => {
                memory.values.extend(values);
                memory.labels.extend(labels);
                memory.images.extend(images);
                Ok(())
            }
        }
    }

    fn finished(self) -> Result<Rows, TransferError> {
        match self {
            Self::Memory(memory) => Ok(Rows::Memory(memory)),
            Self::File(path, writer, key) => {
                writer.sync()?;
                Ok(Rows::File(CacheReader::open_of(path, &key)?))
            }
        }
    }
}

/// Why there are not the features of all images.
fn stopped(done: usize, total: usize, pass: &Pass) -> DataError {
    let next = match &pass.cache {
        Some(file) => format!(
            "; {} keeps them, and the same command goes on from there",
            file.display()
        ),
        None => String::new(),
    };
    DataError::Invalid(format!(
        "interrupted when the features of {done} of {total} images were computed{next}"
    ))
}

/// An error about an image by its name rather than its number.
fn named(error: TransferError, dataset: &dyn Dataset) -> TransferError {
    let TransferError::NotFinite {
        image,
        column,
        value,
    } = error
    else {
        return error;
    };
    let number = image.strip_prefix("image ").and_then(|at| at.parse().ok());
    let known = number.filter(|at| *at < dataset.len());
    TransferError::NotFinite {
        image: known.map_or(image, |at| dataset.describe(at)),
        column,
        value,
    }
}

impl DatasetFeatures {
    /// The features of one stage, a row for each image, with its class, its number in the data set and its name.
    ///
    /// # Errors
    /// [`Error`] for a stage whose features were not taken, features that are not finite, and a file that cannot be read.
    pub fn stage(&self, name: &str) -> Result<Features, Error> {
        let features = match &self.rows {
            Rows::File(reader) => reader.features(name, &[0])?,
            Rows::Memory(memory) => memory.stage(name)?,
        };
        let names = features.images().iter().map(|at| self.names[*at].clone());
        let names = names.collect();
        Ok(features.with_names(names)?)
    }
}

impl Memory {
    fn stage(&self, name: &str) -> Result<Features, TransferError> {
        let width: usize = self.stages.iter().map(|stage| stage.width).sum();
        let mut before = 0;
        let mut found = None;
        for stage in &self.stages {
            if stage.name == name {
                found = Some(before..before + stage.width);
            }
            before += stage.width;
        }
        let Some(columns) = found else {
            return Err(TransferError::Features(format!(
                "the features of `{name}` were not taken"
            )));
        };
        let rows = self.values.chunks_exact(width.max(1));
        let values = rows
            .flat_map(|row| &row[columns.clone()])
            .copied()
            .collect();
        let (labels, classes) = (self.labels.clone(), self.classes.clone());
        Features::new(values, columns.len(), labels, classes)?.with_images(self.images.clone())
    }
}
