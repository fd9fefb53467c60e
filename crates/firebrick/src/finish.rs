//! What happens after the training loop: the model file, the evaluation on the test split, the report.

mod averages;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use burn::tensor::Device;
use firebrick_core::checksum;
use firebrick_core::confusion::Confusion;
use firebrick_core::data::Dataset;
use firebrick_core::json_number;
use firebrick_core::loss::Loss;
use firebrick_core::run::{
    Answers, ConfidenceBin, EpochRow, Mistake, RunData, RunRecord, Scores, Setting,
};
use firebrick_core::{Classifier, ConfigError, Recipe, machine};
use firebrick_datasets::Loader;
use firebrick_datasets::split::Subset;
use firebrick_train::{Ended, Evaluation, Monitor, Outcome, RunDir, evaluate_unless};
use firebrick_zoo::Architecture;
use serde::Serialize;

use crate::insight::{HeldOut, Insight};
use crate::members::{AverageScores, Averages};
use crate::prepared::Prepared;
use crate::{Error, ModelInfo, first_batch, mistakes};

/// The results of a run. `firebrick train --json` prints them as JSON.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TrainReport {
    /// The run directory.
    pub run_dir: String,
    /// The device.
    pub device: String,
    /// The model's spec.
    pub model: String,
    /// The number of trainable parameters.
    pub parameters: usize,
    /// Epochs finished.
    pub epochs: usize,
    /// Optimizer updates made.
    pub steps: u64,
    /// Seconds of training, over all sessions.
    #[serde(with = "json_number")]
    pub seconds: f64,
    /// Training images per second.
    #[serde(with = "json_number")]
    pub images_per_second: f64,
    /// Loss and accuracy over the last epoch, measured while the model was being trained.
    pub train: Option<TrainScores>,
    /// Scores of the saved model on a fixed sample of the training images, without augmentation and dropout.
    pub train_sample: Option<Scores>,
    /// Scores of the best epoch on the validation split.
    pub valid: Option<Scores>,
    /// Scores of the saved model on the test split, evaluated once.
    pub test: Option<Scores>,
    /// Averages of the weights after the last update, with those weights themselves, named `raw`, before them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub averages: Vec<AverageScores>,
    /// The best epoch.
    pub best: Option<BestEpoch>,
    /// The seed.
    pub seed: u64,
    /// The checkpoint that this session continued from.
    pub resumed_from: Option<String>,
    /// Why training ended: `finished`, `early_stop`, `update_limit`, `time_limit`, `hook`, `interrupted`.
    pub ended: &'static str,
}

/// Scores on the training images.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct TrainScores {
    /// Mean loss.
    #[serde(with = "json_number")]
    pub loss: f64,
    /// Accuracy.
    #[serde(with = "json_number")]
    pub top1: f64,
}

/// The best epoch.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BestEpoch {
    /// The epoch, from 1.
    pub epoch: u64,
    /// The updates made by then.
    pub step: u64,
    /// The metric that was monitored.
    pub metric: &'static str,
    /// Its value.
    #[serde(with = "json_number")]
    pub value: f64,
}

/// What is left to do when the loop is over.
pub(crate) struct Finish<'a, M> {
    pub(crate) recipe: &'a Recipe,
    pub(crate) prepared: &'a Prepared,
    pub(crate) architecture: &'a dyn Architecture<M>,
    pub(crate) run: &'a RunDir,
    pub(crate) info: ModelInfo,
    pub(crate) device: Device,
    pub(crate) averages: Averages,
    pub(crate) loss: &'a dyn Loss,
    pub(crate) monitor: Monitor,
    pub(crate) parameters: usize,
    pub(crate) interrupted: &'a AtomicBool,
    pub(crate) warnings: Vec<String>,
    /// What else the record has, by the names of its sections.
    pub(crate) sections: Vec<(&'static str, serde_json::Value)>,
    /// The command that does the same again, where that is not `train`.
    pub(crate) command: Option<String>,
    /// Whether the report shows what the model looks at; not for one of the trials of a search.
    pub(crate) insight: bool,
    /// The directory that keeps the features of images, where the run has one.
    pub(crate) features: Option<PathBuf>,
}

impl<M: Classifier> Finish<'_, M> {
    /// Saves the model, evaluates it on the test split once, writes the report.
    pub(crate) fn report(
        &self,
        outcome: Outcome<M>,
        resumed_from: Option<String>,
    ) -> Result<TrainReport, Error> {
        let Outcome {
            model: trained,
            best: weights,
            progress,
            mut ended,
        } = outcome;
        let mut averages = Vec::new();
        let mut test = None;
        let mut train_sample = None;
        let mut pictured = None;
        let mut saved = None;
        let mut files = BTreeMap::new();
        if ended != Ended::Interrupted {
            let bytes = self.info.to_bytes(&weights)?;
            self.run.write("model.safetensors", &bytes)?;
            files.insert("model.safetensors".into(), checksum::of(&bytes));
            drop(bytes);
            let model = self
                .architecture
                .undrawn(&self.info.input(), &self.device)?;
            let model = weights.load_into(model)?;
            let splits = &self.prepared.splits;
            if let Some(dataset) = splits.test.clone().or_else(|| splits.valid.clone()) {
                let mut loader = self
                    .prepared
                    .evaluation_loader(self.recipe, dataset.clone())?;
                match evaluate_unless(self.interrupted, &model, &mut loader, self.loss)? {
                    Some(evaluation) => {
                        test = splits.test.is_some().then_some(evaluation.scores);
                        pictured = Some((evaluation, dataset));
                    }
                    // Training is over: a resume has only this to do.
                    None => ended = Ended::Interrupted,
                }
            }
            if ended != Ended::Interrupted {
                let mut loader = self.train_sample()?;
                let sample = evaluate_unless(self.interrupted, &model, &mut loader, self.loss)?;
                train_sample = sample.map(|evaluation| evaluation.scores);
                match self.averages(&trained)? {
                    Some(all) => averages = all,
                    None => ended = Ended::Interrupted,
                }
            }
            saved = Some(model);
        }
        let best_row = progress.best.and_then(|best| {
            progress
                .rows
                .iter()
                .rev()
                .find(|row| row.epoch == best.epoch)
        });
        let images: f64 = progress
            .rows
            .iter()
            .map(|row| row.seconds * row.images_per_second)
            .sum();
        let report = TrainReport {
            run_dir: self.run.path().display().to_string(),
            device: self.recipe.device.clone(),
            model: self.recipe.model.to_string(),
            parameters: self.parameters,
            epochs: progress.rows.len(),
            steps: progress.step,
            seconds: progress.seconds,
            images_per_second: if progress.seconds > 0.0 {
                images / progress.seconds
            } else {
                0.0
            },
            train: progress.rows.last().map(|row| TrainScores {
                loss: row.train_loss,
                top1: row.train_top1,
            }),
            train_sample,
            valid: best_row.and_then(|row: &EpochRow| row.valid),
            test,
            averages,
            best: progress.best.map(|best| BestEpoch {
                epoch: best.epoch,
                step: best.step,
                metric: self.monitor.name(),
                value: best.value,
            }),
            seed: self.recipe.seed,
            resumed_from,
            ended: ended_name(ended),
        };
        let insight = saved.filter(|_| self.insight).map(|model| {
            let held_out = pictured.as_ref().map(|(evaluation, dataset)| HeldOut {
                split: if test.is_some() { "test" } else { "valid" },
                dataset: dataset.clone(),
                wrong: evaluation.mistakes.clone(),
                right: evaluation.right.iter().copied().collect(),
            });
            (model, held_out)
        });
        let pictured = pictured.map(|(evaluation, dataset)| Pictured {
            answers: answers(&evaluation, &*dataset),
            mistakes: mistakes::with_pictures(
                evaluation.mistakes,
                &*dataset,
                &self.prepared.preprocessing,
            ),
            confusion: evaluation.confusion,
            calibration: evaluation.calibration,
        });
        let Pictured {
            confusion,
            mistakes,
            answers,
            calibration,
        } = pictured.unwrap_or_default();
        let mut record = RunRecord {
            name: self
                .run
                .path()
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
            recipe: self.recipe.to_toml()?,
            reproduce: self.reproduce(),
            device: self.recipe.device.clone(),
            model: report.model.clone(),
            parameters: self.parameters,
            classes: self.info.classes.clone(),
            epochs: progress.rows,
            steps: progress.curve.points,
            best: progress.best.map(|best| (best.epoch, best.value)),
            monitor: self.monitor.name().into(),
            train_sample,
            test,
            confusion,
            mistakes,
            activations: progress.activations,
            lineage: self.recipe.branched_from.clone(),
            setting: self.setting(&self.device),
            data: self.data(),
            answers,
            calibration,
            first_batch: first_batch::picture(self.recipe, self.prepared)?,
            files,
            warnings: self.warnings.clone(),
            ..RunRecord::default()
        };
        if let Some((model, held_out)) = insight {
            let insight = Insight {
                info: &self.info,
                device: &self.device,
                prepared: self.prepared,
                workers: self.recipe.workers,
                cache: self.features.as_deref(),
                held_out,
                interrupted: self.interrupted,
            };
            insight.note(&model, &mut record);
        }
        let unwritable = |error| ConfigError::Conflict(format!("run.json: {error}"));
        if !report.averages.is_empty() {
            record
                .set_section("averages", &report.averages)
                .map_err(unwritable)?;
        }
        for (name, section) in &self.sections {
            record.set_section(name, section).map_err(unwritable)?;
        }
        let json = record.to_json().map_err(unwritable)?;
        self.run.write("run.json", &json)?;
        self.run.write(
            "report.html",
            firebrick_report::page(std::slice::from_ref(&record)).as_bytes(),
        )?;
        self.run.event(
            &serde_json::json!({ "event": "end", "ended": report.ended, "step": report.steps }),
        )?;
        Ok(report)
    }

    /// As many training images as there are for validation, at least a thousand where there are so many, spread evenly over
    /// the split, as they are.
    fn train_sample(&self) -> Result<Loader, Error> {
        let splits = &self.prepared.splits;
        let all = splits.train.len();
        let count = splits.valid.as_ref().map_or(0, |valid| valid.len());
        let count = count.max(1000).min(all);
        let spread = (0..count).map(|at| at * all / count);
        let sample = Subset::new(splits.train.clone(), spread.collect())?;
        self.prepared
            .evaluation_loader(self.recipe, Arc::new(sample))
    }

    fn setting(&self, device: &Device) -> Setting {
        let sessions = self.run.sessions();
        Setting {
            started: sessions.began,
            ended: self.run.now(),
            sessions: sessions.count,
            version: env!("CARGO_PKG_VERSION").into(),
            processor: machine::processor(),
            threads: machine::threads(),
            instruction_set: machine::instruction_set().into(),
            adapter: machine::adapter(device),
        }
    }

    fn data(&self) -> RunData {
        let splits = &self.prepared.splits;
        let preprocessing = &self.prepared.preprocessing;
        RunData {
            name: splits.name.clone(),
            input: [
                preprocessing.channels,
                preprocessing.height,
                preprocessing.width,
            ],
            train: splits.train.len(),
            valid: splits.valid.as_ref().map(|split| split.len()),
            test: splits.test.as_ref().map(|split| split.len()),
        }
    }

    /// The command that does the same again.
    fn reproduce(&self) -> String {
        if let Some(command) = &self.command {
            return command.clone();
        }
        let branch = self.recipe.branched_from.as_deref();
        if let Some((parent, _)) = branch.and_then(|branch| branch.rsplit_once(" at step ")) {
            return format!(
                "firebrick train --resume {parent} --schedule '{}' --out NEW",
                self.recipe.schedule
            );
        }
        let recipe = self.run.path().join("recipe.toml");
        format!("firebrick train --recipe {}", recipe.display())
    }
}

/// What an evaluation adds to the record.
#[derive(Default)]
struct Pictured {
    confusion: Confusion,
    mistakes: Vec<Mistake>,
    answers: Option<Answers>,
    calibration: Vec<ConfidenceBin>,
}

/// Which images were classified right; `None` where some of them could not be read.
fn answers(evaluation: &Evaluation, dataset: &dyn Dataset) -> Option<Answers> {
    let mut right = vec![None; dataset.len()];
    for (index, correct) in &evaluation.right {
        *right.get_mut(*index)? = Some(*correct);
    }
    let right: Vec<bool> = right.into_iter().collect::<Option<_>>()?;
    Some(Answers::new(dataset.fingerprint(), &right))
}

fn ended_name(ended: Ended) -> &'static str {
    match ended {
        Ended::Finished => "finished",
        Ended::EarlyStop => "early_stop",
        Ended::UpdateLimit => "update_limit",
        Ended::TimeLimit => "time_limit",
        Ended::Hook => "hook",
        Ended::Interrupted => "interrupted",
    }
}
