//! Networks to choose from: the pretrained one with a linear classifier that was found on features.

use std::sync::Arc;

use burn::tensor::TensorData;
use firebrick_core::data::Targets;
use firebrick_core::run::{EpochRow, Scores};
use firebrick_core::spec::{Spec, Value};
use firebrick_core::state_dict::StateDict;
use firebrick_core::{ConfigError, Recipe};
use firebrick_train::progress::{Best, Progress};
use firebrick_train::{Predictions, score};
use firebrick_transfer::advisor::Strategy;
use firebrick_transfer::head2toe::{AllStages, Head2Toe, Selection};
use firebrick_transfer::logistic::Path;
use firebrick_transfer::{Features, Linear};
use firebrick_zoo::Model;

use super::measure::{COMPARED, Probed, Taken, no_stage, path};
use super::opened::Opened;
use super::report::{AllStagesReport, HeadReport, Kept};
use crate::{Error, Models};

/// A network that could be kept.
#[derive(Clone)]
pub(super) struct Candidate {
    pub(super) strategy: Strategy,
    /// The recipe of its run.
    pub(super) recipe: Recipe,
    pub(super) weights: Arc<StateDict>,
    /// The epochs of its training; of a classifier on features, one that stands for it.
    pub(super) progress: Progress,
}

impl Candidate {
    /// Its scores on the validation images; none without any.
    pub(super) fn valid(&self) -> Option<Scores> {
        let best = self.progress.best?.epoch;
        let mut rows = self.progress.rows.iter();
        rows.find(|row| row.epoch == best)?.valid
    }

    /// Whether it classifies more validation images correctly, or as many with a lower negative log-likelihood.
    pub(super) fn is_better_than(&self, other: &Self) -> bool {
        let (Some(own), Some(other)) = (self.valid(), other.valid()) else {
            return false;
        };
        own.top1 > other.top1 || own.top1 == other.top1 && own.nll < other.nll
    }
}

/// The network with the linear classifier on what its last layer reads.
pub(super) fn of_head(
    opened: &Opened,
    taken: &Taken,
    probed: &Probed,
) -> Result<(Candidate, HeadReport), Error> {
    let probe = probed.0.last().ok_or_else(no_stage)?;
    let head = &probe.head.fitted.model;
    let candidate = Candidate {
        strategy: Strategy::LinearProbe {
            stage: probe.stage.clone(),
        },
        recipe: opened.session.recipe.clone(),
        weights: Arc::new(with_head(opened, head)?),
        progress: progress(
            opened,
            head,
            &taken.train(&probe.stage)?,
            taken.valid(&probe.stage)?.as_ref(),
        )?,
    };
    let found = probe.head.score();
    let report = HeadReport {
        l2: found.l2,
        top1: probe.valid.map_or(found.top1, |valid| valid.top1),
        cross_validated_top1: found.top1,
    };
    Ok((candidate, report))
}

/// The shares of all features that are kept at most, of which the cross-validation takes one: few of thousands, but all of a small network's.
const KEPT: [f64; 3] = [0.1, 0.3, 1.0];

/// The network with a linear classifier on selected features of all stages. It is refused for more images than its selection is made for.
pub(super) fn of_all_stages(
    opened: &Opened,
    taken: &Taken,
    recipe: &Recipe,
) -> Result<(Candidate, AllStagesReport), Error> {
    let names: Vec<String> = opened
        .stages()
        .into_iter()
        .map(|stage| stage.name)
        .collect();
    let train: Result<Vec<_>, Error> = names.iter().map(|name| taken.train(name)).collect();
    let train = train?;
    if train.iter().any(|stage| stage.rows() > COMPARED) {
        return Err(ConfigError::Conflict(format!(
            "its selection of features is for at most {COMPARED} images; use --strategy probe, last=K or all"
        ))
        .into());
    }
    let valid = names.iter().map(|name| taken.valid(name));
    let valid: Option<Vec<Features>> = valid.collect::<Result<Option<_>, Error>>()?;
    let named = |features: Vec<Features>| -> Vec<(String, Features)> {
        names.iter().cloned().zip(features).collect()
    };
    let probe = Head2Toe {
        // Each stage's features have length 1 already.
        path: Path {
            standardize: false,
            ..path(recipe)
        },
        ..Head2Toe::default()
    };
    let train = named(train);
    let AllStages { selection, head } = probe.fit_best(&pairs(&train), &KEPT)?;
    let selected = selection.apply(&pairs(&train))?;
    let valid = valid
        .map(|valid| selection.apply(&pairs(&named(valid))))
        .transpose()?;
    let model = &head.fitted.model;
    let found = head.score();
    let scored = valid.as_ref().map(|valid| model.score(valid)).transpose()?;
    let kept = names.iter().cloned().zip(selection.kept());
    let report = AllStagesReport {
        l2: found.l2,
        top1: scored.map_or(found.top1, |valid| valid.top1),
        cross_validated_top1: found.top1,
        kept: kept
            .map(|(stage, features)| Kept { stage, features })
            .collect(),
    };
    let source = opened.source.info.model.clone();
    let spec = Spec::new("all_stages").with("of", Value::Spec(source));
    let candidate = Candidate {
        strategy: Strategy::AllStageProbe,
        recipe: Recipe {
            model: Models::<Model>::default().canonical(&spec)?,
            ..opened.session.recipe.clone()
        },
        weights: Arc::new(around(opened, &selection, model)?),
        progress: progress(opened, model, &selected, valid.as_ref())?,
    };
    Ok((candidate, report))
}

fn pairs(named: &[(String, Features)]) -> Vec<(&str, &Features)> {
    let pairs = named.iter();
    pairs
        .map(|(name, features)| (name.as_str(), features))
        .collect()
}

/// The weights of the pretrained network, its last layer replaced by a linear classifier on what that reads.
fn with_head(opened: &Opened, linear: &Linear) -> Result<StateDict, Error> {
    let mut weights = StateDict::of(&opened.source.network);
    let head = last_layer(opened)?;
    let shape = weights.tensors.get(&format!("{head}.weight"));
    let shape = shape.map_or(Vec::new(), |weight| weight.shape().to_vec());
    // A linear layer, or a convolution of one pixel.
    let reads: usize = shape.iter().skip(1).product();
    if shape.len() < 2 || reads != linear.width {
        return Err(ConfigError::Conflict(format!(
            "{}: its last layer `{head}` reads other features than the mean over the image, so a linear classifier cannot take its place",
            opened.source.info.model
        ))
        .into());
    }
    let mut shape = shape;
    shape[0] = linear.classes();
    put(&mut weights, head, linear, shape);
    Ok(weights)
}

/// The weights of the network that reads all stages of the pretrained one.
fn around(opened: &Opened, selection: &Selection, linear: &Linear) -> Result<StateDict, Error> {
    let head = format!("{}.", last_layer(opened)?);
    let own = StateDict::of(&opened.source.network).tensors.into_iter();
    let own = own.filter(|(key, _)| !key.starts_with(&head));
    let mut weights = StateDict {
        tensors: own
            .map(|(key, data)| (format!("backbone.{key}"), data))
            .collect(),
        ..StateDict::default()
    };
    let width = selection.scores.len();
    let mut whole = Linear {
        width,
        weight: vec![0.0; linear.classes() * width],
        bias: linear.bias.clone(),
    };
    for (to, from) in whole
        .weight
        .chunks_exact_mut(width)
        .zip(linear.weight.chunks_exact(linear.width))
    {
        for (column, weight) in selection.columns.iter().zip(from) {
            to[*column] = *weight;
        }
    }
    let shape = vec![linear.classes(), width];
    put(&mut weights, "classifier", &whole, shape);
    Ok(weights)
}

fn put(weights: &mut StateDict, layer: &str, linear: &Linear, shape: Vec<usize>) {
    let numbers = |values: &[f64]| values.iter().map(|value| *value as f32).collect::<Vec<_>>();
    let weight = TensorData::new(numbers(&linear.weight), shape);
    let bias = TensorData::new(numbers(&linear.bias), [linear.classes()]);
    let tensors = &mut weights.tensors;
    tensors.insert(format!("{layer}.weight"), weight);
    tensors.insert(format!("{layer}.bias"), bias);
}

/// The path of the last layer.
fn last_layer(opened: &Opened) -> Result<&'static str, ConfigError> {
    let model = &opened.source.info.model;
    let architecture = Models::<Model>::default().architecture(model)?;
    architecture.head().ok_or_else(|| {
        ConfigError::Conflict(format!(
            "{model} does not say which layer is its last one, so it cannot be replaced"
        ))
    })
}

/// A classifier on features as if it were the first epoch of a training.
fn progress(
    opened: &Opened,
    linear: &Linear,
    train: &Features,
    valid: Option<&Features>,
) -> Result<Progress, Error> {
    let scores = |features: &Features| {
        let logits = linear.logits(features)?;
        let predictions = Predictions {
            logits: logits.iter().map(|logit| *logit as f32).collect(),
            classes: linear.classes(),
            targets: Targets::Classes(features.labels().to_vec()),
            indices: features.images().to_vec(),
        };
        let device = opened.session.device.clone().inner();
        let found = score(&predictions, &*opened.session.loss, &device);
        Ok::<Scores, Error>(found.scores)
    };
    let of_train = scores(train)?;
    let of_valid = valid.map(scores).transpose()?;
    Ok(Progress {
        rows: vec![EpochRow {
            epoch: 1,
            step: 0,
            lr: 0.0,
            train_loss: of_train.loss,
            train_top1: of_train.top1,
            penalties: Vec::new(),
            valid: of_valid,
            seconds: 0.0,
            images_per_second: 0.0,
        }],
        best: Some(Best {
            epoch: 1,
            step: 0,
            value: of_valid.map_or(of_train.top1, |valid| valid.top1),
        }),
        ..Progress::default()
    })
}
