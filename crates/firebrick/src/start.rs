//! How a job starts: from scratch, from a checkpoint of its own, or from one of another run.

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use firebrick_core::data::DataError;
use firebrick_core::lora::is_adapter;
use firebrick_core::{Classifier, ConfigError, Recipe};
use firebrick_ensemble::average::AverageHook;
use firebrick_ensemble::snapshot::Snapshots;
use firebrick_train::run_dir::check_recipe;
use firebrick_train::{Checkpoint, Clock, Divergence, Identity, RunDir, StartWeights};

use crate::prepared::{CHECKSUMS, Prepared};
use crate::teacher::data_alone;
use crate::{Error, Session};

/// Where a job begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// A new run.
    Fresh,
    /// Continue the run in the directory `out` from its newest undamaged checkpoint.
    Resume,
    /// Start a new run from the newest checkpoint of another one, for instance with another schedule. The schedule
    /// begins at the branch: its update 0 is the first update after it, and `100%` is the rest of the run.
    Branch {
        /// The run directory to branch from.
        parent: PathBuf,
    },
}

/// Where a run goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunPlace {
    /// This directory.
    At(PathBuf),
    /// The next free one of `parent/name-1`, `parent/name-2`, …, made when the run begins.
    Next {
        /// The directory of runs.
        parent: PathBuf,
        /// The name, without a number.
        name: String,
    },
}

impl RunPlace {
    /// Makes a new run directory.
    pub(crate) fn take_new(&self) -> Result<RunDir, Error> {
        self.take(&Start::Fresh)
    }

    /// Makes a new run directory, or opens that of the run to resume.
    fn take(&self, start: &Start) -> Result<RunDir, Error> {
        match (self, start) {
            (Self::At(path), Start::Resume) => {
                check_recipe(path)?;
                Ok(RunDir::open(path)?)
            }
            (Self::At(path), _) => Ok(RunDir::create(path)?),
            (Self::Next { .. }, Start::Resume) => {
                let text = "a run is resumed in its own directory; give that directory";
                Err(ConfigError::Conflict(text.into()).into())
            }
            (Self::Next { parent, name }, _) => Ok(RunDir::create_next(parent, name)?),
        }
    }
}

/// The run that a new one branches off, and the checkpoint that it takes from there.
pub(crate) struct Parent {
    run: PathBuf,
    checkpoint: Checkpoint,
}

/// A run that is about to make its first update of this session.
pub(crate) struct Begun<M> {
    pub(crate) run: RunDir,
    pub(crate) model: M,
    pub(crate) identity: Identity,
    /// The moment to go on from.
    pub(crate) resume: Option<Checkpoint>,
}

impl Start {
    /// For a branch, its parent; the recipe is told where it branches off.
    pub(crate) fn parent(
        &self,
        recipe: &mut Recipe,
        notice: &mut dyn FnMut(&str),
    ) -> Result<Option<Parent>, Error> {
        match (self, &recipe.branched_from) {
            (Self::Branch { parent }, _) => {
                let device = firebrick_core::device(&recipe.device)?;
                let checkpoint = branch_point(parent, recipe, &device, notice)?;
                let run = parent.clone();
                Ok(Some(Parent { run, checkpoint }))
            }
            (Self::Fresh, Some(parent)) => Err(ConfigError::Conflict(format!(
                "this recipe belongs to a run that branched off {parent} and started from its checkpoint, so it cannot be trained from scratch: branch off again with --resume RUN --out DIR, or remove branched_from and schedule_start from the recipe"
            ))
            .into()),
            _ => Ok(None),
        }
    }

    /// Makes or opens the run directory, and finds the model and the checkpoint to begin with. What can
    /// be refused is refused before anything is written.
    pub(crate) fn begin<M: Classifier>(
        &self,
        session: &Session<'_, M>,
        parent: Option<Parent>,
        out: &RunPlace,
        clock: Option<Clock>,
        notice: &mut dyn FnMut(&str),
    ) -> Result<Begun<M>, Error> {
        let identity = session.identity()?;
        if let Some(parent) = &parent {
            parent.check_data(&identity, &session.data)?;
            parent.check_adapters(session)?;
        }
        let mut model = match self {
            Self::Fresh => initial_model(session, notice)?,
            // Its weights come from a checkpoint; the file that they once came from may be gone.
            _ => session.untrained_model()?,
        };
        // Nothing is written before this line.
        let run = out.take(self)?.with_clock(clock);
        let resume = match parent {
            Some(Parent { mut checkpoint, .. }) => {
                checkpoint.identity = identity.clone();
                let hooks = &mut checkpoint.hooks;
                if session.penalties.measure_from_start() {
                    // Without the starting point of its parent, it starts here.
                    hooks.entry(StartWeights::NAME.into()).or_default();
                } else {
                    hooks.remove(StartWeights::NAME);
                }
                // Before the recipe: a branch that is killed in between must not begin from scratch.
                checkpoint.save(&run)?;
                Some(checkpoint)
            }
            None if *self == Self::Resume => own_checkpoint(session, &run, &identity, notice)?,
            None => None,
        };
        if *self == Self::Resume && resume.is_none() {
            same_recipe(&session.recipe, run.path())?;
            start_over(&session.recipe, run.path(), notice)?;
            model = initial_model(session, notice)?;
        }
        Ok(Begun {
            run,
            model,
            identity,
            resume,
        })
    }
}

impl Parent {
    /// Refuses a branch with adapters of a run without, and one without of a run with them.
    fn check_adapters<M>(&self, session: &Session<'_, M>) -> Result<(), ConfigError> {
        let fine_tuning = session.fine_tuning.as_ref();
        let wanted = fine_tuning.is_some_and(|tuning| tuning.adapters().is_some());
        let mut keys = self.checkpoint.model.tensors.keys();
        let there = keys.any(|key| is_adapter(key));
        if wanted == there {
            return Ok(());
        }
        let run = self.run.display();
        Err(ConfigError::Conflict(format!(
            "{run}: a run with --fine-tune lora and one without cannot branch off each other, because their parameters differ; start a new run from its model with --weights {run}/model.safetensors"
        )))
    }

    /// Refuses a branch that reads other data than its parent.
    fn check_data(&self, identity: &Identity, data: &Prepared) -> Result<(), Error> {
        // A branch may have another teacher, or none.
        let of_parent = data_alone(&self.checkpoint.identity.data);
        if of_parent == data_alone(&identity.data) {
            return Ok(());
        }
        let error = ConfigError::Conflict(format!(
            "{}: it was trained on other data than this branch reads (fingerprint {of_parent}, not {})",
            self.run.display(),
            data_alone(&identity.data)
        ));
        Err(which_files(error.into(), data, &self.run))
    }
}

impl<M> Begun<M> {
    /// The checkpoint that this session goes on from, in words.
    pub(crate) fn resumed_from(&self) -> Option<String> {
        let checkpoint = self.resume.as_ref()?;
        Some(format!("step {}", checkpoint.progress.step))
    }

    /// Writes what the run is about to do: the recipe and the checksums of its images, or, for a run that
    /// is resumed, where its data are now; and that a session begins.
    pub(crate) fn record(
        &self,
        start: &Start,
        recipe: &mut Recipe,
        data: &Prepared,
    ) -> Result<(), Error> {
        Prepared::settle(recipe);
        let run = &self.run;
        if *start == Start::Resume {
            tell_place(run, recipe)?;
        } else {
            run.write("recipe.toml", recipe.to_toml()?.as_bytes())?;
            if let Some(checksums) = data.checksums() {
                run.write(CHECKSUMS, checksums.as_bytes())?;
            }
        }
        let (from, device) = (self.resumed_from(), &recipe.device);
        let event = serde_json::json!({ "event": "start", "from": from, "device": device });
        Ok(run.event(&event)?)
    }
}

/// The newest sound checkpoint of a run; the damaged ones that were passed over are reported.
fn newest(
    run: &Path,
    identity: Option<&Identity>,
    device: &Device,
    notice: &mut dyn FnMut(&str),
) -> Result<Option<Checkpoint>, Error> {
    let Some((checkpoint, refused)) = Checkpoint::newest(run, identity, &device.clone().inner())?
    else {
        return Ok(None);
    };
    for error in refused {
        notice(&format!("{error}; an older checkpoint is used instead"));
    }
    Ok(Some(checkpoint))
}

/// The checkpoint that a run goes on from; none before its first.
fn own_checkpoint<M>(
    session: &Session<'_, M>,
    run: &RunDir,
    identity: &Identity,
    notice: &mut dyn FnMut(&str),
) -> Result<Option<Checkpoint>, Error> {
    let (data, path) = (&session.data, run.path());
    let found = newest(path, Some(identity), &session.device, notice)
        .map_err(|error| which_files(error, data, path))?;
    // Before the first checkpoint only the checksums know the data.
    if found.is_none()
        && let Some(changes) = data.changes_since(path)
    {
        return Err(DataError::Invalid(format!(
            "{}: the images have changed since this run was started: {changes}; start a new run",
            path.display()
        ))
        .into());
    }
    Ok(found)
}

/// The parent's newest checkpoint as the start of a new run; the recipe is told where it branched off.
fn branch_point(
    parent: &Path,
    recipe: &mut Recipe,
    device: &Device,
    notice: &mut dyn FnMut(&str),
) -> Result<Checkpoint, Error> {
    let Some(mut checkpoint) = newest(parent, None, device, notice)? else {
        return Err(ConfigError::Conflict(format!(
            "{}: there is no checkpoint to branch from",
            parent.display()
        ))
        .into());
    };
    let step = checkpoint.progress.step;
    recipe.schedule_start = step;
    recipe.branched_from = Some(format!("{} at step {step}", parent.display()));
    // The parent's warning is about the parent's schedule; averages and snapshots of a branch are its own.
    checkpoint.hooks.retain(|name, _| {
        name != Divergence::NAME && name != Snapshots::NAME && !AverageHook::is_name(name)
    });
    // The parent's best epoch lies in the parent's directory; what counts here begins here.
    let progress = &mut checkpoint.progress;
    progress.best = None;
    progress.lost_best = None;
    progress.stale_epochs = 0;
    progress.stopped = false;
    Ok(checkpoint)
}

/// Refuses to begin a run again that began with other settings. Later on, its checkpoints refuse them.
fn same_recipe(recipe: &Recipe, out: &Path) -> Result<(), Error> {
    let began = Recipe::read(&out.join("recipe.toml"))?
        .identity()
        .to_toml()?;
    let now = recipe.identity().to_toml()?;
    if began == now {
        return Ok(());
    }
    let mut lines = began.lines().zip(now.lines());
    let problem = match lines.find(|(began, now)| began != now) {
        Some((began, now)) => format!("began with `{began}`, but is to go on with `{now}`"),
        None => "began with other settings".into(),
    };
    Err(ConfigError::Conflict(format!(
        "{}: this run {problem}; give the settings with which it began, or choose another --out",
        out.display()
    ))
    .into())
}

/// Lets a run without a checkpoint start over, unless it began as a branch.
fn start_over(
    recipe: &Recipe,
    out: &Path,
    notice: &mut dyn FnMut(&str),
) -> Result<(), ConfigError> {
    if let Some(parent) = &recipe.branched_from {
        return Err(ConfigError::Conflict(format!(
            "{}: this run branched off {parent} but has no checkpoint of its own to resume from; remove its directory and branch off again",
            out.display()
        )));
    }
    notice(&format!(
        "{}: there is no checkpoint yet, so the run starts from the beginning",
        out.display()
    ));
    Ok(())
}

/// Adds to an error about other data which files have changed.
fn which_files(error: Error, prepared: &Prepared, run: &Path) -> Error {
    match prepared.changes_since(run) {
        Some(changes) => DataError::Invalid(format!(
            "{error}. Changes since the run was started: {changes}"
        ))
        .into(),
        None => error,
    }
}

/// The model before the first update; what is to be known about its weights is told.
fn initial_model<M: Classifier>(
    session: &Session<'_, M>,
    notice: &mut dyn FnMut(&str),
) -> Result<M, Error> {
    let (model, notes) = session.model()?;
    notes.iter().for_each(|note| notice(note));
    Ok(model)
}

/// Notes in the run's recipe where its data and its teacher are now, if they were moved before a resume.
fn tell_place(run: &RunDir, recipe: &Recipe) -> Result<(), Error> {
    let mut kept = Recipe::read(&run.path().join("recipe.toml"))?;
    let places = |recipe: &Recipe| {
        let Recipe {
            dataset,
            data_dir,
            teacher,
            ..
        } = recipe.clone();
        (dataset, data_dir, teacher)
    };
    if places(&kept) != places(recipe) {
        (kept.dataset, kept.data_dir, kept.teacher) = places(recipe);
        run.write("recipe.toml", kept.to_toml()?.as_bytes())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use firebrick_core::state_dict::StateDict;
    use firebrick_core::update::UpdateState;
    use firebrick_train::{HookState, Progress};

    use super::*;
    use crate::warnings::warned_before;

    #[test]
    fn a_branch_is_not_blamed_for_what_its_parent_was_warned_of() {
        let temp = tempfile::tempdir().unwrap();
        let parent = temp.path().join("parent");
        let warned = HookState {
            data: "training diverges".into(),
            ..HookState::default()
        };
        let checkpoint = Checkpoint {
            identity: Identity::default(),
            progress: Progress {
                step: 7,
                ..Progress::default()
            },
            model: StateDict::default(),
            evaluated: None,
            optimizer: UpdateState::default(),
            hooks: [(Divergence::NAME.to_string(), warned)].into(),
        };
        checkpoint.save(&RunDir::create(&parent).unwrap()).unwrap();
        let device = firebrick_core::device("flex").unwrap().autodiff();
        let resumed = newest(&parent, None, &device, &mut |_| {}).unwrap();
        assert_eq!(warned_before(resumed.as_ref()), ["training diverges"]);
        let mut recipe = Recipe::default();
        let branch = branch_point(&parent, &mut recipe, &device, &mut |_| {}).unwrap();
        assert_eq!((branch.progress.step, recipe.schedule_start), (7, 7));
        assert!(warned_before(Some(&branch)).is_empty());
    }

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
