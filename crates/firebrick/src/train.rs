//! A training job from start to end: data, model, loop, test, files.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use firebrick_core::data::{BatchSource, DataError};
use firebrick_core::schedule::Delayed;
use firebrick_core::{ConfigError, Recipe, Schedule};
use firebrick_datasets::{Loader, OnBadImage};
use firebrick_optim::Plan;
use firebrick_train::{Checkpoint, Clock, Divergence, Hook, Identity, RunDir, Training, fit};
use firebrick_zoo::Model;

use crate::Error;
use crate::finish::{Finish, TrainReport};
use crate::lone_image::train_loader;
use crate::memory;
use crate::overview::{DataOverview, Overview};
use crate::own_program;
use crate::prepared::{CHECKSUMS, Prepared};
use crate::settings::{check_groups, loss, planned, run_length, train_config};
use crate::start::{
    RunPlace, Start, branch_point, initial_model, newest, start_over, untrained_model, which_files,
};
use crate::warnings::{guess, warned_before};

/// Everything about a job that is not in the recipe.
pub struct Job<'a> {
    /// The settings of the training.
    pub recipe: Recipe,
    /// Where to begin.
    pub start: Start,
    /// The run directory. A new one is made when everything has been checked.
    pub out: RunPlace,
    /// Where data sets lie when the recipe does not say.
    pub cache: PathBuf,
    /// Free memory in bytes, where that is known: a job that cannot fit is refused.
    pub free_memory: Option<u64>,
    /// What runs beside the loop.
    pub hooks: Vec<Box<dyn Hook<Model> + 'a>>,
    /// Set this from outside to stop after the current step.
    pub interrupted: Arc<AtomicBool>,
    /// The name of this program, for runs that use optimizers which only it registers.
    pub program: Option<String>,
    /// Called once with a summary of the run, when everything has been checked and before the first update.
    pub overview: Box<dyn FnMut(&Overview) + 'a>,
    /// Called with messages for the user while the job runs.
    pub notice: Box<dyn FnMut(&str) + 'a>,
    /// The clock, such as `SystemTime::now`; without one, events and report have no times.
    pub clock: Option<Clock>,
}

impl Job<'_> {
    /// A new run of `recipe` in the directory `out`.
    pub fn new(recipe: Recipe, out: impl Into<PathBuf>) -> Self {
        Self {
            recipe,
            start: Start::Fresh,
            out: RunPlace::At(out.into()),
            cache: "data".into(),
            free_memory: None,
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
pub fn train(job: Job<'_>) -> Result<TrainReport, Error> {
    run(job, true)
}

/// As [`train`]; without `test` the test split stays unseen, and the report shows validation.
pub(crate) fn run(job: Job<'_>, test: bool) -> Result<TrainReport, Error> {
    let Job {
        mut recipe,
        start,
        out,
        cache,
        free_memory,
        hooks,
        interrupted,
        program,
        mut overview,
        mut notice,
        clock,
    } = job;
    let notice = &mut *notice;
    let device = firebrick_core::device(&recipe.device)?.autodiff();
    recipe.model = firebrick_zoo::canonical(&recipe.model)
        .map_err(|error| own_program::explain(error, &recipe))?;
    if let (Start::Fresh, Some(parent)) = (&start, &recipe.branched_from) {
        return Err(ConfigError::Conflict(format!(
            "this recipe belongs to a run that branched off {parent} and started from its checkpoint, so it cannot be trained from scratch: branch off again with --resume RUN --out DIR, or remove branched_from and schedule_start from the recipe"
        ))
        .into());
    }
    let mut config = train_config(&recipe)?;
    config.check()?;
    let loss = loss(&recipe)?;
    let mut prepared = Prepared::open(&recipe, &cache)?;
    if test {
        prepared.splits.notes.iter().for_each(|note| notice(note));
    } else {
        prepared.splits.test = None;
    }
    if prepared.on_bad == OnBadImage::Fail {
        prepared.splits.check_held_out()?;
    }
    loss.check_classes(prepared.splits.train.classes().len())?;
    let (mut train_loader, joined) = train_loader(&recipe, &prepared, &device)?;
    joined.iter().for_each(|note| notice(note));
    if prepared.splits.valid.is_none() {
        let instead = config.monitor.without_validation();
        if instead != config.monitor {
            notice(&format!(
                "no images are kept for validation, so the best epoch is chosen by {} instead of {}",
                instead.name(),
                config.monitor.name()
            ));
        }
        config.monitor = instead;
    }
    let mut valid_loader = prepared
        .splits
        .valid
        .clone()
        .map(|valid| prepared.evaluation_loader(&recipe, valid))
        .transpose()?;
    let parent = match &start {
        Start::Branch { parent } => Some(branch_point(parent, &mut recipe, &device, notice)?),
        _ => None,
    };
    let length = run_length(&recipe, &train_loader);
    let Plan {
        update,
        schedule,
        optimizer,
        schedule_spec,
        momentum_schedule,
        weight_decay_schedule,
        notes,
        ..
    } = planned(&recipe, length)?;
    notes.iter().for_each(|note| notice(note));
    recipe.optimizer = optimizer;
    own_program::note(&mut recipe, program);
    recipe.schedule = schedule_spec;
    recipe.momentum_schedule = momentum_schedule;
    recipe.weight_decay_schedule = weight_decay_schedule;
    recipe.lr = None;
    recipe.loss = loss.spec();
    recipe.normalize = firebrick_zoo::Normalization {
        mean: prepared.preprocessing.mean.clone(),
        std: prepared.preprocessing.std.clone(),
    }
    .to_string();
    recipe.image_size = recipe
        .image_size
        .or((prepared.splits.size.is_none()).then_some(prepared.preprocessing.height));

    memory::check(&recipe, &prepared.input(), free_memory)?;
    let identity = Identity {
        model: recipe.model.to_string(),
        data: prepared.fingerprint(),
        recipe: recipe.identity().to_toml()?,
    };
    if let (Start::Branch { parent: from }, Some(parent)) = (&start, &parent)
        && parent.identity.data != identity.data
    {
        let error = ConfigError::Conflict(format!(
            "{}: it was trained on other data than this branch reads (fingerprint {}, not {})",
            from.display(),
            parent.identity.data,
            identity.data
        ));
        return Err(which_files(error.into(), &prepared, from));
    }
    let model = match start {
        Start::Fresh => initial_model(&recipe, &prepared, &device, notice)?,
        // Its weights come from a checkpoint; the file that they once came from may be gone.
        _ => untrained_model(&recipe, &prepared, &device)?,
    };
    check_groups(&config.groups, &model)?;
    // Nothing is written before this line.
    let run = out.take(&start)?.with_clock(clock);
    let resume = match &start {
        Start::Fresh => None,
        Start::Branch { .. } => parent.map(|checkpoint| Checkpoint {
            identity: identity.clone(),
            ..checkpoint
        }),
        Start::Resume => {
            let found = newest(run.path(), Some(&identity), &device, notice)
                .map_err(|error| which_files(error, &prepared, run.path()))?;
            // Before the first checkpoint only the checksums know the data.
            if found.is_none()
                && let Some(changes) = prepared.changes_since(run.path())
            {
                return Err(DataError::Invalid(format!(
                    "{}: the images have changed since this run was started: {changes}; start a new run",
                    run.path().display()
                ))
                .into());
            }
            found
        }
    };
    let model = match (&start, &resume) {
        (Start::Resume, None) => {
            start_over(&recipe, run.path(), notice)?;
            initial_model(&recipe, &prepared, &device, notice)?
        }
        _ => model,
    };
    if let (Start::Branch { .. }, Some(checkpoint)) = (&start, &resume) {
        // Before the recipe: a branch that is killed in between must not begin from scratch.
        checkpoint.save(&run)?;
    }
    let parameters = firebrick_zoo::parameters(&model);
    let resumed_from = resume
        .as_ref()
        .map(|checkpoint| format!("step {}", checkpoint.progress.step));
    overview(&Overview {
        data: DataOverview::of(&prepared.splits),
        input: [
            prepared.preprocessing.channels,
            prepared.preprocessing.height,
            prepared.preprocessing.width,
        ],
        model: recipe.model.to_string(),
        parameters,
        device: recipe.device.clone(),
        epochs: recipe.epochs,
        updates_per_epoch: length.updates_per_epoch,
        step: resume
            .as_ref()
            .map_or(0, |checkpoint| checkpoint.progress.step),
        run_dir: run.path().into(),
    });
    Prepared::settle(&mut recipe);
    if start == Start::Resume {
        tell_place(&run, &recipe)?;
    } else {
        run.write("recipe.toml", recipe.to_toml()?.as_bytes())?;
        if let Some(checksums) = prepared.checksums() {
            run.write(CHECKSUMS, checksums.as_bytes())?;
        }
    }
    run.event(
        &serde_json::json!({ "event": "start", "from": resumed_from, "device": recipe.device }),
    )?;

    let schedule: Box<dyn Schedule> = Box::new(Delayed {
        schedule,
        start: recipe.schedule_start,
    });
    let warnings = RefCell::new(warned_before(resume.as_ref()));
    // The loop and its hook both tell.
    let told = RefCell::new(&mut *notice);
    let mut hooks: Vec<Box<dyn Hook<Model> + '_>> = hooks;
    // Trials of a search may well diverge: that is what is looked for.
    if test && let Some(guess) = guess(&*loss, &prepared) {
        hooks.push(Box::new(Divergence::new(guess, |text| {
            warnings.borrow_mut().push(text.to_string());
            (told.borrow_mut())(&format!("warning: {text}"));
            // The record and the terminal have it too; a full disk stops the run elsewhere.
            let _ = run.event(&serde_json::json!({ "event": "warning", "text": text }));
        })));
    }
    let training = Training {
        model,
        update,
        schedule,
        loss: &*loss,
        train: &mut train_loader,
        valid: valid_loader
            .as_mut()
            .map(|valid| valid as &mut dyn BatchSource),
        hooks,
        run: Some(&run),
        identity,
        resume,
        interrupted: interrupted.clone(),
        notice: Box::new(|text| (told.borrow_mut())(text)),
    };
    let outcome = match fit(training, &config) {
        Ok(outcome) => outcome,
        Err(error) => {
            if start != Start::Resume {
                run.abandon();
            }
            return Err(error.into());
        }
    };
    tell_skipped(&run, &prepared, &train_loader, notice)?;
    let finish = Finish {
        recipe: &recipe,
        prepared: &prepared,
        run: &run,
        loss: &*loss,
        monitor: config.monitor,
        parameters,
        interrupted: &interrupted,
        warnings: warnings.into_inner(),
    };
    finish.report(outcome, resumed_from, &device.inner())
}

/// Checks a recipe, with its data and model, as far as that is possible without training. Writes nothing.
pub(crate) fn check(recipe: &Recipe, cache: &Path) -> Result<Prepared, Error> {
    let device = firebrick_core::device(&recipe.device)?.autodiff();
    let config = train_config(recipe)?;
    config.check()?;
    let loss = loss(recipe)?;
    firebrick_zoo::canonical(&recipe.model)?;
    let prepared = Prepared::open(recipe, cache)?;
    loss.check_classes(prepared.splits.train.classes().len())?;
    let (loader, _) = train_loader(recipe, &prepared, &device)?;
    planned(recipe, run_length(recipe, &loader))?;
    let model = initial_model(recipe, &prepared, &device, &mut |_| {})?;
    check_groups(&config.groups, &model)?;
    Ok(prepared)
}

/// Notes in the run's recipe where its data are now, if they were moved before a resume.
fn tell_place(run: &RunDir, recipe: &Recipe) -> Result<(), Error> {
    let mut kept = Recipe::read(&run.path().join("recipe.toml"))?;
    if (&kept.dataset, &kept.data_dir) != (&recipe.dataset, &recipe.data_dir) {
        kept.dataset.clone_from(&recipe.dataset);
        kept.data_dir.clone_from(&recipe.data_dir);
        run.write("recipe.toml", kept.to_toml()?.as_bytes())?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resume_notes_where_the_data_are_now_and_nothing_else() {
        let temp = tempfile::tempdir().unwrap();
        let run = RunDir::create(&temp.path().join("run")).unwrap();
        let at = |place: &str, epochs| Recipe {
            dataset: format!("folder:{place}"),
            data_dir: Some(place.into()),
            epochs,
            ..Recipe::default()
        };
        let before = at("old", 7).to_toml().unwrap();
        run.write("recipe.toml", before.as_bytes()).unwrap();
        tell_place(&run, &at("new", 9)).unwrap();
        let kept = Recipe::read(&run.path().join("recipe.toml")).unwrap();
        assert_eq!(kept, at("new", 7));
    }
}
