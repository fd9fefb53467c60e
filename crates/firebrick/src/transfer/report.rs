//! The figures of a job.

use firebrick_core::json_number;
use serde::{Deserialize, Serialize};

use crate::TrainReport;

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
