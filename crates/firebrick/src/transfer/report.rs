//! What a job leaves: a run directory, and its figures.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use firebrick_core::json_number;
use firebrick_train::{Ended, Outcome, RunDir};
use firebrick_transfer::advisor::{Quadrant, StageProbe};
use firebrick_zoo::Model;
use serde::{Deserialize, Serialize};

use super::opened::Opened;
use super::{Found, Wanted};
use crate::finish::Finish;
use crate::prepared::{CHECKSUMS, Prepared};
use crate::{Error, ModelInfo, Models, TrainReport};

/// The results of a job. `firebrick transfer train --json` prints them as JSON.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TransferReport {
    /// What `train` says of a run; its `seconds` are those of the whole job.
    #[serde(flatten)]
    pub train: TrainReport,
    /// What the network that was kept is, as `--strategy` names it: `probe`, `all-stages`, `last=2`, `all`.
    pub strategy: String,
    /// Its accuracy on the validation images; in the cross-validation where there are none.
    #[serde(with = "json_number")]
    pub top1: f64,
    /// What the advisor says of the data, such as `similar data, few images`.
    pub quadrant: Option<String>,
    /// Linear classifiers on the features of each stage, from the input on; the last is `head`.
    pub stages: Vec<StageScore>,
    /// The linear classifier on the last features.
    pub head: HeadReport,
    /// The linear classifier on features of all stages, if it was tried.
    pub all_stages: Option<AllStagesReport>,
    /// The best network whose stages were fine-tuned, if any was.
    pub fine_tuned: Option<FineTuned>,
}

/// A linear classifier on the features of one stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StageScore {
    /// The stage.
    pub stage: String,
    /// Its accuracy on the validation images; in the cross-validation where there are none.
    #[serde(with = "json_number")]
    pub probe_top1: f64,
}

/// The linear classifier on the last features.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct HeadReport {
    /// The strength of its penalty, found by cross-validation.
    #[serde(with = "json_number")]
    pub l2: f64,
    /// Its accuracy on the validation images; in the cross-validation where there are none.
    #[serde(with = "json_number")]
    pub top1: f64,
    /// Its accuracy on training images that were held out in the cross-validation.
    #[serde(with = "json_number")]
    pub cross_validated_top1: f64,
}

/// The linear classifier on features of all stages.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AllStagesReport {
    /// The strength of its penalty, found by cross-validation.
    #[serde(with = "json_number")]
    pub l2: f64,
    /// Its accuracy on the validation images; in the cross-validation where there are none.
    #[serde(with = "json_number")]
    pub top1: f64,
    /// Its accuracy on training images that were held out in the cross-validation, of features that were selected with them: it is too good.
    #[serde(with = "json_number")]
    pub cross_validated_top1: f64,
    /// How many features of each stage it reads.
    pub kept: Vec<Kept>,
}

/// Features of a stage that are read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// The stage.
    pub stage: String,
    /// How many of its features.
    pub features: usize,
}

/// A network whose last stages were fine-tuned.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct FineTuned {
    /// How many stages.
    pub stages: usize,
    /// The accuracy of its best epoch on the validation images.
    #[serde(with = "json_number")]
    pub top1: f64,
    /// Epochs of its training.
    pub epochs: usize,
}

/// What is left to do when the best network is found.
pub(super) struct End<'a> {
    pub(super) run: &'a RunDir,
    pub(super) began: Instant,
    pub(super) command: Option<String>,
    pub(super) interrupted: bool,
    /// What was found in the images: a section of the record.
    pub(super) data_check: (&'static str, serde_json::Value),
    /// The directory that keeps features, if there is one.
    pub(super) features: Option<PathBuf>,
}

/// The figures of a job in `run.json`, under `transfer`.
#[derive(Serialize)]
struct Section<'a> {
    strategy: &'a str,
    quadrant: Option<String>,
    reasons: &'a [String],
    stages: &'a [StageScore],
    head: HeadReport,
    all_stages: Option<&'a AllStagesReport>,
    fine_tuned: Option<FineTuned>,
}

impl End<'_> {
    /// Writes the run directory of the best network.
    pub(super) fn write(&self, opened: Opened, found: Found) -> Result<TransferReport, Error> {
        let Found {
            advice,
            probes,
            head,
            all_stages,
            fine_tuned,
            mut best,
        } = found;
        let top1 = best.valid().map_or(head.top1, |valid| valid.top1);
        let strategy = Wanted::of(&best.strategy);
        let quadrant = advice.as_ref().map(|advice| quadrant(advice.quadrant));
        let stages = probes
            .into_iter()
            .map(|StageProbe { stage, top1 }| StageScore {
                stage,
                probe_top1: top1,
            });
        let stages: Vec<StageScore> = stages.collect();
        let section = Section {
            strategy: &strategy,
            quadrant: quadrant.clone(),
            reasons: advice.as_ref().map_or(&[], |advice| &advice.reasons),
            stages: &stages,
            head,
            all_stages: all_stages.as_ref(),
            fine_tuned,
        };
        let section = serde_json::to_value(section).unwrap_or_default();

        let Opened { session, .. } = opened;
        Prepared::settle(&mut best.recipe);
        self.run
            .write("recipe.toml", best.recipe.to_toml()?.as_bytes())?;
        if let Some(checksums) = session.data.checksums() {
            self.run.write(CHECKSUMS, checksums.as_bytes())?;
        }
        let device = &best.recipe.device;
        self.run
            .event(&serde_json::json!({ "event": "start", "from": null, "device": device }))?;
        let info = ModelInfo {
            model: best.recipe.model.clone(),
            ..session.info()
        };
        let architecture = Models::<Model>::default().architecture(&info.model)?;
        let inner = session.device.clone().inner();
        let model = architecture.undrawn(&info.input(), &inner)?;
        let model = best.weights.clone().load_into(model)?;
        best.progress.seconds = self.began.elapsed().as_secs_f64();
        self.run.metrics(&best.progress.rows)?;
        let finish = Finish {
            recipe: &best.recipe,
            prepared: &session.data,
            architecture: &*architecture,
            run: self.run,
            info,
            device: inner,
            averages: Vec::new(),
            loss: &*session.loss,
            monitor: session.config.monitor,
            parameters: firebrick_zoo::parameters(&model),
            // What was found is kept, also after an interruption.
            interrupted: &AtomicBool::new(false),
            warnings: advice.map_or(Vec::new(), |advice| advice.warnings),
            sections: vec![self.data_check.clone(), ("transfer", section)],
            insight: true,
            features: self.features.clone(),
            command: self.command.clone(),
        };
        let outcome = Outcome {
            model,
            best: best.weights,
            progress: best.progress,
            ended: Ended::Finished,
        };
        let mut train = finish.report(outcome, None)?;
        if self.interrupted {
            train.ended = "interrupted";
        }
        Ok(TransferReport {
            train,
            strategy,
            top1,
            quadrant,
            stages,
            head,
            all_stages,
            fine_tuned,
        })
    }
}

fn quadrant(quadrant: Quadrant) -> String {
    quadrant.to_string()
}
