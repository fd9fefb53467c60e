//! A training job from start to end: opens the session and the run directory, trains, evaluates, and writes the files.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use firebrick_core::data::BatchSource;
use firebrick_core::{Classifier, Recipe};
use firebrick_datasets::{Loader, OnBadImage};
use firebrick_train::{Clock, Hook, RunDir, TrainError, Training, fit};
use firebrick_zoo::Model;

use crate::finish::{Finish, TrainReport};
use crate::members::{average, snapshots};
use crate::overview::Overview;
use crate::prepared::Prepared;
use crate::session::{Session, Sources, first_hooks};
use crate::start::{RunPlace, Start};
use crate::teacher::Taught;
use crate::warnings::{guess, warned_before, watch};
use crate::{Error, data_check, own_program};

/// A training job: a recipe, and everything about the run that the recipe does not say. `M` is the type of the model.
pub struct Job<'a, M = Model> {
    /// The settings of the training.
    pub recipe: Recipe,
    /// Where the images and the model come from.
    pub sources: Sources<M>,
    /// Where to begin.
    pub start: Start,
    /// The run directory. A new one is made when everything has been checked.
    pub out: RunPlace,
    /// Called by the training loop at every update, epoch, evaluation and save.
    pub hooks: Vec<Box<dyn Hook<M> + 'a>>,
    /// Set this from outside to stop after the current step.
    pub interrupted: Arc<AtomicBool>,
    /// The name of this program, for runs that use units which only it registers.
    pub program: Option<String>,
    /// Called once with a summary of the run, when everything has been checked and before the first update.
    pub overview: Box<dyn FnMut(&Overview) + 'a>,
    /// Called with messages for the user while the job runs.
    pub notice: Box<dyn FnMut(&str) + 'a>,
    /// The clock, such as `SystemTime::now`; without one, events and report have no times.
    pub clock: Option<Clock>,
}

impl Job<'_> {
    /// A new run of `recipe` in the directory `out`, with a model of the zoo.
    pub fn new(recipe: Recipe, out: impl Into<PathBuf>) -> Self {
        Self::from_sources(recipe, Sources::default(), out)
    }
}

impl<M> Job<'_, M> {
    /// A new run of `recipe` in the directory `out`, with models or images of your own.
    pub fn from_sources(recipe: Recipe, sources: Sources<M>, out: impl Into<PathBuf>) -> Self {
        Self {
            recipe,
            sources,
            start: Start::Fresh,
            out: RunPlace::At(out.into()),
            hooks: Vec::new(),
            interrupted: Arc::default(),
            program: None,
            overview: Box::new(|_| {}),
            notice: Box::new(|_| {}),
            clock: None,
        }
    }
}

/// Runs a job to its end, or until it is interrupted.
///
/// # Errors
/// [`Error`]; what was finished of the run stays and can be resumed. A run that fails before its
/// first checkpoint leaves no directory.
pub fn train<M: Classifier>(job: Job<'_, M>) -> Result<TrainReport, Error> {
    run(job, true)
}

/// As [`train`]; without `test` the test split stays unseen, and the report shows validation.
pub(crate) fn run<M: Classifier>(mut job: Job<'_, M>, test: bool) -> Result<TrainReport, Error> {
    let notice: &mut dyn FnMut(&str) = &mut *job.notice;
    let parent = job.start.parent(&mut job.recipe, notice)?;
    let mut session = Session::open_with(&job.recipe, job.sources)?;
    session.recipe.program = own_program::needed(&session.recipe, job.program);
    settle_splits(&mut session.data, test, notice)?;
    session.notes.iter().for_each(|note| notice(note));
    let mut sections = Vec::new();
    if test {
        sections.push(data_check::section(&session.data, &session.recipe, notice)?);
    }
    let updates = session.length.updates + session.recipe.schedule_start;
    let snapshots = snapshots(
        &session.recipe,
        session.info(),
        &*session.plan.schedule,
        updates,
    )?;
    let goes_on = match (&job.start, &job.out) {
        (Start::Resume, RunPlace::At(run)) => Some(run.as_path()),
        _ => None,
    };
    session.open_teacher(goes_on, notice)?;
    let begun = job
        .start
        .begin(&session, parent, &job.out, job.clock, notice)?;
    let overview = Overview::of(&session, &begun);
    (job.overview)(&overview);
    begun.record(&job.start, &mut session.recipe, &session.data)?;

    let fresh = match &begun.resume {
        // What was fresh is in the checkpoint, and the weights may be gone.
        Some(_) => BTreeSet::new(),
        None => session.fresh_parameters()?,
    };
    let resumed_from = begun.resumed_from();
    let run = begun.run;
    if let Some(teacher) = &session.teacher {
        teacher.save(&run)?;
    }
    let warnings = RefCell::new(warned_before(begun.resume.as_ref()));
    // The loop and its hook both tell.
    let told: RefCell<&mut dyn FnMut(&str)> = RefCell::new(&mut *notice);
    let mut hooks = first_hooks(session.fine_tuning.take(), &session.penalties, fresh);
    let averages = average(std::mem::take(&mut session.averages), &mut hooks);
    hooks.extend(snapshots.map(|snapshots| Box::new(snapshots) as _));
    hooks.extend(job.hooks);
    // Trials of a search may well diverge: that is what is looked for.
    if test && let Some(guess) = guess(&*session.loss, &session.data) {
        hooks.push(watch(guess, &run, &warnings, &told));
    }
    let info = session.info();
    let mut valid = session.valid_loader()?;
    let mut train = Taught {
        images: &mut session.train,
        teacher: session.teacher.as_ref(),
    };
    let training = Training {
        model: begun.model,
        update: session.plan.update,
        schedule: session.plan.schedule,
        loss: &*session.loss,
        penalties: &session.penalties,
        train: &mut train,
        valid: valid.as_mut().map(|valid| valid as &mut dyn BatchSource),
        hooks,
        run: Some(&run),
        identity: begun.identity,
        resume: begun.resume,
        interrupted: job.interrupted.clone(),
        notice: Box::new(|text| (told.borrow_mut())(text)),
    };
    let outcome = match fit(training, &session.config) {
        Ok(outcome) => outcome,
        Err(error) => return Err(failed(run, &job.start, error)),
    };
    tell_skipped(&run, &session.data, &session.train, notice)?;
    let finish = Finish {
        recipe: &session.recipe,
        prepared: &session.data,
        architecture: &*session.architecture,
        run: &run,
        info,
        device: session.device.inner(),
        averages,
        loss: &*session.loss,
        monitor: session.config.monitor,
        parameters: overview.parameters,
        interrupted: &job.interrupted,
        warnings: warnings.into_inner(),
        sections,
        command: None,
        insight: test,
        features: None,
    };
    finish.report(outcome, resumed_from)
}

/// What is left of a run whose training failed: nothing, if this was its first session and it has no
/// checkpoint.
fn failed(run: RunDir, start: &Start, error: TrainError) -> Error {
    if *start != Start::Resume {
        run.abandon();
    }
    error.into()
}

/// Keeps the test split, or takes it away; then finds images that cannot be read, before training.
fn settle_splits(
    data: &mut Prepared,
    test: bool,
    notice: &mut dyn FnMut(&str),
) -> Result<(), Error> {
    if test {
        data.splits.notes.iter().for_each(|note| notice(note));
    } else {
        data.splits.test = None;
    }
    if data.on_bad == OnBadImage::Fail {
        data.splits.check_held_out()?;
    }
    Ok(())
}

/// Reports the images that were left out: the first few as messages, all of them in `skipped.txt`.
fn tell_skipped(
    run: &RunDir,
    prepared: &Prepared,
    train: &Loader,
    notice: &mut dyn FnMut(&str),
) -> Result<(), Error> {
    const SHOWN: usize = 10;
    let mut skipped = prepared.splits.skipped.clone();
    skipped.extend(train.skipped());
    skipped
        .iter()
        .take(SHOWN)
        .for_each(|skipped| notice(&format!("left out: {skipped}")));
    if skipped.len() > SHOWN {
        notice(&format!(
            "{} more images were left out; skipped.txt in the run directory lists all",
            skipped.len() - SHOWN
        ));
    }
    if !skipped.is_empty() {
        run.write("skipped.txt", (skipped.join("\n") + "\n").as_bytes())?;
    }
    Ok(())
}
