//! Transfer learning with models: from a folder of photos and a pretrained network to a run directory.
//!
//! [`train`] takes the features of every stage once, fits a linear classifier to each, and one to selected features of all of them; then it
//! fine-tunes as many stages as pay off on validation within a time budget, and keeps the best. [`advise`] measures the data and says which of
//! these it would do. Everything of `firebrick-transfer`, which works on features, is here too.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use firebrick::RunPlace;
//! use firebrick::transfer::{self, TransferJob};
//!
//! let recipe = transfer::recipe("folder:photos", "efficientnet_lite0".parse()?, "pretrained");
//! let job = TransferJob {
//!     budget: Duration::from_secs(60),
//!     ..TransferJob::new(recipe, RunPlace::At("runs/photos".into()))
//! };
//! let report = transfer::train(job)?;
//! println!("{}: {:.1} %", report.strategy, 100.0 * report.top1);
//! # Ok::<(), firebrick::Error>(())
//! ```

mod advice;
mod budget;
mod candidate;
mod fine_tune;
mod measure;
mod opened;
mod report;
mod strategy;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use firebrick_core::Recipe;
use firebrick_core::data::DataError;
use firebrick_core::spec::{Pipeline, Spec};
use firebrick_datasets::registry::folder_path;
use firebrick_train::{Clock, Hook};
use firebrick_zoo::Model;

pub use firebrick_transfer::*;

use crate::{Error, RunPlace, Sources, data_check};
use candidate::Candidate;
use opened::Opened;

pub use advice::{Advised, advise};
pub use budget::budget;
pub use report::{AllStagesReport, FineTuned, HeadReport, Kept, StageScore, TransferReport};
pub use strategy::Wanted;

/// A transfer-learning job.
pub struct TransferJob<'a> {
    /// Data, model and weights, and how stages are fine-tuned: as [`recipe`] makes it, with what differs.
    pub recipe: Recipe,
    /// Where the images and the model come from.
    pub sources: Sources,
    /// The run directory.
    pub out: RunPlace,
    /// Which ways are tried.
    pub wanted: Wanted,
    /// How long it may take. The features and the linear classifiers are always computed; fine-tuning takes what is left.
    pub budget: Duration,
    /// The directory that keeps features for the next time; none: they are kept in memory.
    pub cache: Option<PathBuf>,
    /// Makes what runs beside the loop of each fine-tuning, which is told the number of epochs.
    pub hooks: Box<dyn FnMut(u64) -> Vec<Box<dyn Hook<Model> + 'a>> + 'a>,
    /// Set this from outside to stop. Before the linear classifiers are there, that is an error; then the best so far is kept.
    pub interrupted: Arc<AtomicBool>,
    /// Told the images whose features are there and their total.
    pub progress: Box<dyn FnMut(usize, usize) + 'a>,
    /// Called with messages for the user while the job runs.
    pub notice: Box<dyn FnMut(&str) + 'a>,
    /// The command that does the same again, for the report.
    pub command: Option<String>,
    /// The clock for the report.
    pub clock: Option<Clock>,
}

impl TransferJob<'_> {
    /// A job that tries every way, with five minutes and nothing kept but the run.
    pub fn new(recipe: Recipe, out: RunPlace) -> Self {
        Self {
            recipe,
            sources: Sources::default(),
            out,
            wanted: Wanted::Auto,
            budget: Duration::from_secs(300),
            cache: None,
            hooks: Box::new(|_| Vec::new()),
            interrupted: Arc::default(),
            progress: Box::new(|_, _| {}),
            notice: Box::new(|_| {}),
            command: None,
            clock: None,
        }
    }
}

/// The recipe of a transfer: its data, its model with the weights to begin with, and how stages are fine-tuned after the linear classifier
/// is found: a tenth of the optimizer's usual rate (LP-FT: Kumar et al., ICLR 2022), and crops and mirror images of photos.
#[must_use]
pub fn recipe(dataset: &str, model: Spec, weights: &str) -> Recipe {
    let of_photos = folder_path(dataset).is_some();
    let augment = if of_photos {
        "random_resized_crop(scale=0.5) | hflip"
    } else {
        "random_resized_crop(scale=0.7)"
    };
    let spec = |text: &str| text.parse().unwrap_or_else(|_| Spec::new(text));
    Recipe {
        dataset: dataset.into(),
        model,
        weights: Some(weights.into()),
        optimizer: spec("adamw(lr=1e-4)"),
        schedule: spec("cosine"),
        augment: augment.parse().unwrap_or_else(|_| Pipeline::default()),
        batch_size: 32,
        epochs: 20,
        ..Recipe::default()
    }
}

/// Runs a job to its end.
///
/// # Errors
/// [`Error`] naming the setting, the file or the image. Nothing is left of a run that fails, but for the features in the cache.
pub fn train(mut job: TransferJob<'_>) -> Result<TransferReport, Error> {
    let began = Instant::now();
    budget::check(job.budget)?;
    let opened = Opened::open(&job.recipe, &job.sources)?;
    opened.notes.iter().for_each(|note| (job.notice)(note));
    job.wanted.check(opened.stages().len())?;
    refuse_trained(&job.out)?;
    let run = job.out.take_new()?.with_clock(job.clock);
    let data = &opened.session.data;
    let found = data_check::section(data, &job.recipe, &mut *job.notice)
        .map_err(Error::from)
        .and_then(|data_check| Ok((data_check, search(&mut job, &opened, began)?)));
    let (data_check, found) = match found {
        Ok(found) => found,
        Err(error) => {
            run.abandon();
            return Err(error);
        }
    };
    let end = report::End {
        run: &run,
        began,
        command: job.command.take(),
        interrupted: job.interrupted.load(Ordering::Relaxed),
        data_check,
        features: job.cache.take(),
    };
    end.write(opened, found)
}

/// Refuses a directory with a network: without checkpoints, a run directory would be taken for one that has not begun.
fn refuse_trained(out: &RunPlace) -> Result<(), Error> {
    let RunPlace::At(path) = out else {
        return Ok(());
    };
    if path.join("model.safetensors").exists() {
        return Err(DataError::Invalid(format!(
            "{}: this directory already holds a run; choose another with --out",
            path.display()
        ))
        .into());
    }
    Ok(())
}

/// What was found: every figure, and the best way with its weights.
struct Found {
    advice: Option<advisor::Advice>,
    probes: Vec<advisor::StageProbe>,
    head: HeadReport,
    all_stages: Option<AllStagesReport>,
    fine_tuned: Option<FineTuned>,
    best: Candidate,
}

fn search(job: &mut TransferJob<'_>, opened: &Opened, began: Instant) -> Result<Found, Error> {
    let cache = job.cache.as_deref();
    let taken = opened.take(
        cache,
        &job.interrupted,
        &mut *job.progress,
        &mut *job.notice,
    )?;
    let probed = taken.probe(&job.recipe)?;
    let advice = advisor::advise(&taken.measured(opened, &probed)?);
    let (probe, head) = candidate::of_head(opened, &taken, &probed)?;
    let mut best = probe.clone();
    let mut all_stages = None;
    if job.wanted.tries_all_stages() {
        match candidate::of_all_stages(opened, &taken, &job.recipe) {
            Ok((candidate, figures)) => {
                all_stages = Some(figures);
                best = job.wanted.better(best, candidate);
            }
            Err(error) if job.wanted == Wanted::Auto => (job.notice)(&format!(
                "the linear classifier on features of all stages is left out: {error}"
            )),
            Err(error) => return Err(error),
        }
    }
    let fine_tuned = fine_tune::rounds(job, opened, began, &probe, &mut best)?;
    Ok(Found {
        advice,
        probes: probed.stages(),
        head,
        all_stages,
        fine_tuned,
        best,
    })
}

#[cfg(test)]
mod tests;
