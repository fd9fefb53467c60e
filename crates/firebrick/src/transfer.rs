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
mod end;
mod fine_tune;
mod found;
mod job;
mod measure;
mod opened;
mod report;
mod strategy;

use std::sync::atomic::Ordering;
use std::time::Instant;

use firebrick_core::data::DataError;

pub use firebrick_transfer::*;

use crate::{Error, RunPlace, data_check};
use end::End;
use found::Found;
use opened::Opened;

pub use advice::{Advised, advise};
pub use budget::budget;
pub use job::{Hooks, MakeHooks, TransferJob, recipe};
pub use report::{AllStagesReport, FineTuned, HeadReport, Kept, StageScore, TransferReport};
pub use strategy::Wanted;

/// Runs a job to its end.
///
/// # Errors
/// [`Error`] naming the setting, the file or the image. Nothing is left of a run that fails, but for the features in the cache.
pub fn train(mut job: TransferJob<'_>) -> Result<TransferReport, Error> {
    let began = Instant::now();
    budget::check(job.budget)?;
    fine_tune::check(&job.recipe)?;
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
    let end = End {
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
