//! Where a job begins: fresh, from a checkpoint of its own, or from one of another run.

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use firebrick_core::data::DataError;
use firebrick_core::{ConfigError, Recipe};
use firebrick_train::{Checkpoint, Divergence, Identity, RunDir};
use firebrick_zoo::Model;

use crate::Error;
use crate::model_file;
use crate::prepared::Prepared;

/// Where a job begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// A new run.
    Fresh,
    /// The run directory `out`, from its newest sound checkpoint, exactly.
    Resume,
    /// A new run from the newest checkpoint of another one, with another schedule. The schedule
    /// begins at the branch: its update 0 is the first one after it, `100%` is what is left.
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
    /// Makes a new run directory, or opens that of the run to resume.
    pub(crate) fn take(&self, start: &Start) -> Result<RunDir, Error> {
        match (self, start) {
            (Self::At(path), Start::Resume) => Ok(RunDir::open(path)?),
            (Self::At(path), _) => Ok(RunDir::create(path)?),
            (Self::Next { .. }, Start::Resume) => {
                let text = "a run is resumed in its own directory: name that directory";
                Err(ConfigError::Conflict(text.into()).into())
            }
            (Self::Next { parent, name }, _) => Ok(RunDir::create_next(parent, name)?),
        }
    }
}

/// The newest sound checkpoint of a run; the damaged ones that were passed over are reported.
pub(crate) fn newest(
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

/// The parent's newest checkpoint as the start of a new run; the recipe is told where it branched off.
pub(crate) fn branch_point(
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
    // The parent's warning is about the parent's schedule.
    checkpoint.hooks.remove(Divergence::NAME);
    // The parent's best epoch lies in the parent's directory; what counts here begins here.
    let progress = &mut checkpoint.progress;
    progress.best = None;
    progress.lost_best = None;
    progress.stale_epochs = 0;
    progress.stopped = false;
    Ok(checkpoint)
}

/// Lets a run without a checkpoint start over, unless it began as a branch.
pub(crate) fn start_over(
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
pub(crate) fn which_files(error: Error, prepared: &Prepared, run: &Path) -> Error {
    match prepared.changes_since(run) {
        Some(changes) => DataError::Invalid(format!(
            "{error}. Changes since the run was started: {changes}"
        ))
        .into(),
        None => error,
    }
}

/// The model of a recipe as it is before any weights are loaded.
pub(crate) fn untrained_model(
    recipe: &Recipe,
    prepared: &Prepared,
    device: &Device,
) -> Result<Model, Error> {
    let model = firebrick_zoo::build(&recipe.model, &prepared.input(), recipe.seed, device)?;
    Ok(model)
}

/// The model as it is before the first update. Weights from a file may be for other classes.
pub(crate) fn initial_model(
    recipe: &Recipe,
    prepared: &Prepared,
    device: &Device,
    notice: &mut dyn FnMut(&str),
) -> Result<Model, Error> {
    let model = untrained_model(recipe, prepared, device)?;
    let Some(path) = &recipe.weights else {
        return Ok(model);
    };
    model_file::verify(Path::new(path))?;
    let head = firebrick_zoo::architecture(&recipe.model)?.head();
    let (model, notes) = firebrick_zoo::load_for_training(model, head, Path::new(path))?;
    notes
        .iter()
        .for_each(|note| notice(&format!("{path}: {note}")));
    Ok(model)
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
}
