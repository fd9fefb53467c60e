//! Figures of the features of a job: linear classifiers on every stage, and what the advisor asks.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use burn::module::Module;
use firebrick_core::data::{DataError, Dataset};
use firebrick_core::freeze::freeze;
use firebrick_core::{ConfigError, Recipe, state_dict};
use firebrick_datasets::split::Subset;
use firebrick_train::recount_statistics;
use firebrick_transfer::advisor::{Measured, StageProbe};
use firebrick_transfer::distance::{Statistics, diagonal};
use firebrick_transfer::knn::Knn;
use firebrick_transfer::leep::leep;
use firebrick_transfer::logistic::{ClassWeights, CrossValidated, Path, cross_validate};
use firebrick_transfer::logme::logme;
use firebrick_transfer::{Features, HeadScore, TransferError};
use firebrick_zoo::Model;

use super::opened::Opened;
use crate::Error;
use crate::features::{DatasetFeatures, LOGITS, Pass};

/// The most images on which stages are compared: more hardly change the comparison, and the time grows with them.
pub(super) const COMPARED: usize = 5000;
/// The most images of which LogME's eigenvalues are computed.
const LOGME: usize = 4000;
/// Images of which the statistics of a batch norm are taken, and how many of them at once: the values of all layers are in memory.
const DISTANCE: usize = 64;
const BATCH: usize = 8;

/// The features of a job's images.
pub(super) struct Taken {
    train: DatasetFeatures,
    valid: Option<DatasetFeatures>,
    /// The stages from the input on, without the scores; the last is what the last layer reads.
    names: Vec<String>,
    /// Whether the scores of the source's classes are there.
    knows_classes: bool,
}

/// The linear classifier on the features of one stage.
pub(super) struct Probe {
    pub(super) stage: String,
    pub(super) head: CrossValidated,
    /// Its scores on the validation images.
    pub(super) valid: Option<HeadScore>,
}

/// The linear classifiers of all stages; the last is that on what the last layer reads.
pub(super) struct Probed(pub(super) Vec<Probe>);

impl Opened {
    /// The features of the training and the validation images.
    pub(super) fn take(
        &self,
        cache: Option<&std::path::Path>,
        interrupted: &Arc<AtomicBool>,
        progress: &mut dyn FnMut(usize, usize),
        notice: &mut dyn FnMut(&str),
    ) -> Result<Taken, Error> {
        if let Some(cache) = cache {
            std::fs::create_dir_all(cache).map_err(|error| DataError::io(cache, error))?;
        }
        let splits = &self.session.data.splits;
        let mut of = |dataset: &Arc<dyn Dataset>| {
            let pass = Pass {
                cache: cache
                    .map(|cache| self.extractor.cache_file(cache, &**dataset))
                    .transpose()?,
                workers: self.session.recipe.workers,
                on_bad: self.session.data.on_bad,
                interrupted: interrupted.clone(),
            };
            let found = self.extractor.of_dataset(dataset, &pass, progress)?;
            found.notes.iter().for_each(|note| notice(note));
            Ok::<_, Error>(found)
        };
        let train = of(&splits.train)?;
        let valid = splits.valid.as_ref().map(&mut of).transpose()?;
        Ok(Taken::new(self, train, valid))
    }
}

impl Taken {
    fn new(opened: &Opened, train: DatasetFeatures, valid: Option<DatasetFeatures>) -> Self {
        let stages = opened.extractor.stages().map(|stage| stage.name.clone());
        let (scores, names): (Vec<_>, Vec<_>) = stages.partition(|name| name == LOGITS);
        Self {
            train,
            valid,
            names,
            knows_classes: !scores.is_empty(),
        }
    }

    /// The features of a stage of the training images.
    pub(super) fn train(&self, stage: &str) -> Result<Features, Error> {
        self.train.stage(stage)
    }

    /// Those of the validation images.
    pub(super) fn valid(&self, stage: &str) -> Result<Option<Features>, Error> {
        self.valid
            .as_ref()
            .map(|valid| valid.stage(stage))
            .transpose()
    }

    /// Fits a linear classifier to the features of every stage.
    pub(super) fn probe(&self, recipe: &Recipe) -> Result<Probed, Error> {
        let path = path(recipe);
        let last = self.names.len() - 1;
        let probe = |(at, stage): (usize, &String)| {
            let train = self.train(stage)?;
            let train = if at == last {
                train
            } else {
                sample(&train, COMPARED)?
            };
            let head = cross_validate(&train, &path)?;
            let valid = self.valid(stage)?;
            let valid = valid
                .map(|valid| head.fitted.model.score(&valid))
                .transpose()?;
            Ok(Probe {
                stage: stage.clone(),
                head,
                valid,
            })
        };
        let probes: Result<_, Error> = self.names.iter().enumerate().map(probe).collect();
        Ok(Probed(probes?))
    }

    /// What the advisor asks.
    pub(super) fn measured(&self, opened: &Opened, probed: &Probed) -> Result<Measured, Error> {
        let last = self.train(&self.names[self.names.len() - 1])?;
        let compared = sample(&last, COMPARED)?;
        let probes = probed.0.iter().map(|probe| StageProbe {
            stage: probe.stage.clone(),
            top1: probe.head.score().top1,
        });
        Ok(Measured {
            images: last.class_counts(),
            probes: probes.collect(),
            knn_top1: Some(Knn::default().leave_one_out(&compared)?.top1),
            leep_explained: self.leep()?,
            logme: Some(self.logme()?),
            distance: distance(opened)?,
        })
    }

    fn logme(&self) -> Result<Vec<f64>, Error> {
        let of = |stage: &String| Ok(logme(&sample(&self.train(stage)?, LOGME)?)?);
        self.names.iter().map(of).collect()
    }

    fn leep(&self) -> Result<Option<f64>, Error> {
        if !self.knows_classes {
            return Ok(None);
        }
        let scores = self.train(LOGITS)?;
        let width = scores.width();
        let rows = scores.values().chunks_exact(width);
        let probabilities = rows.flat_map(|row| {
            let row = firebrick_train::metrics::softmax(row);
            row.into_iter().map(|p| p as f32)
        });
        let probabilities: Vec<f32> = probabilities.collect();
        let found = leep(
            &probabilities,
            width,
            scores.labels(),
            scores.classes().len(),
        )?;
        Ok(Some(found.explained()))
    }
}

impl Probed {
    /// The accuracy of every stage: on validation images, or in the cross-validation where there are none.
    pub(super) fn stages(&self) -> Vec<StageProbe> {
        let probes = self.0.iter().map(|probe| StageProbe {
            stage: probe.stage.clone(),
            top1: probe
                .valid
                .map_or(probe.head.score().top1, |valid| valid.top1),
        });
        probes.collect()
    }
}

/// At most so many rows, of each class its share and at least one.
pub(super) fn sample(features: &Features, most: usize) -> Result<Features, TransferError> {
    let all = features.rows();
    if all <= most {
        return Ok(features.clone());
    }
    let counts = features.class_counts();
    let shares: Vec<usize> = counts
        .iter()
        .map(|count| (count * most).div_ceil(all).min(*count))
        .collect();
    let mut seen = vec![0; counts.len()];
    let mut rows = Vec::new();
    for (row, label) in features.labels().iter().enumerate() {
        // The next one of evenly spread places.
        let (count, share) = (counts[*label], shares[*label]);
        if seen[*label] * share / count != (seen[*label] + 1) * share / count {
            rows.push(row);
        }
        seen[*label] += 1;
    }
    features.select(&rows)
}

/// How far the values in front of the network's last batch norm are from those of the images that it was trained on, whose statistics are in
/// the weights; none for a network without one.
fn distance(opened: &Opened) -> Result<Option<f64>, Error> {
    let network = &opened.source.network;
    let Some((layer, of_source)) = last_statistics(network) else {
        return Ok(None);
    };
    let data = &opened.session.data;
    let train = &data.splits.train;
    let images = train.len().min(DISTANCE);
    let spread = (0..images).map(|at| at * train.len() / images).collect();
    let some: Arc<dyn Dataset> = Arc::new(Subset::new(train.clone(), spread)?);
    let recipe = Recipe {
        batch_size: opened.session.recipe.batch_size.min(BATCH),
        ..opened.session.recipe.clone()
    };
    let mut loader = data.evaluation_loader(&recipe, some)?;
    // The batch norms before it normalize as ever.
    let network = freeze(network.valid().train(), |path| !path.starts_with(&layer));
    let here = recount_statistics(&network, &mut loader, None)?;
    // Variances of nothing say nothing.
    Ok(last_statistics(&here).and_then(|(_, here)| diagonal(&of_source, &here).ok()))
}

/// The path of the last batch norm with a dot behind it, and its running statistics.
fn last_statistics(network: &Model) -> Option<(String, Statistics)> {
    let tensors = state_dict::burn_tensors(network);
    let mut last = tensors
        .iter()
        .rev()
        .filter(|(path, _)| path.ends_with("running_mean"));
    let (path, _) = last.next()?;
    let layer = path.strip_suffix("running_mean")?;
    let find = |name: &str| {
        let path = format!("{layer}{name}");
        let (_, tensor) = tensors.iter().find(|(known, _)| *known == path)?;
        Some(tensor.iter::<f64>().collect::<Vec<f64>>())
    };
    let statistics = Statistics {
        mean: find("running_mean")?,
        variance: find("running_var")?,
    };
    Some((layer.into(), statistics))
}

/// How linear classifiers are fitted for a recipe: on features of variance 1, since channels differ in size for reasons of their own; with classes
/// that count alike, if it asks for that.
pub(super) fn path(recipe: &Recipe) -> Path {
    let class_weights = match recipe.class_weights {
        Some(_) => ClassWeights::Balanced,
        None => ClassWeights::Equal,
    };
    Path {
        seed: recipe.seed,
        class_weights,
        standardize: true,
        ..Path::default()
    }
}

/// What a job without probes would say; there is always one, because a backbone has a stage.
pub(super) fn no_stage() -> ConfigError {
    ConfigError::Conflict("the model has no stages".into())
}
