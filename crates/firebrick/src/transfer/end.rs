//! The run directory that a job leaves.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use firebrick_core::state_dict::StateDict;
use firebrick_train::{Ended, Outcome, RunDir};
use firebrick_transfer::advisor::StageProbe;
use firebrick_zoo::Model;
use serde::Serialize;

use super::found::Found;
use super::opened::Opened;
use super::report::{AllStagesReport, FineTuned, HeadReport, StageScore, TransferReport};
use super::strategy::Wanted;
use crate::finish::Finish;
use crate::prepared::{CHECKSUMS, Prepared};
use crate::{Error, ModelInfo, Models};

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
        let quadrant = advice.as_ref().map(|advice| advice.quadrant.to_string());
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
        let model = StateDict::clone(&best.weights).load_into(model)?;
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
            best: Arc::unwrap_or_clone(best.weights),
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
