//! Models of one kind whose weights are combined into one model, and the images to score it on.

use std::path::{Path, PathBuf};

use firebrick_core::ConfigError;
use firebrick_core::loss::CrossEntropy;
use firebrick_core::run::Scores;
use firebrick_core::state_dict::StateDict;
use firebrick_datasets::Loader;
use firebrick_train::recount_statistics;
use firebrick_train::run_dir::write_whole;

use crate::session::{Session, Sources};
use crate::{Error, ModelInfo, Models, TrainedModel, run_recipe};

/// What models of one kind have in common, and the images of the run in which the first of them lies.
pub(crate) struct Ingredients {
    session: Session<'static>,
    info: ModelInfo,
    valid: Loader,
}

impl Ingredients {
    /// Reads models from files, at least one, and gives the weights of each.
    pub(crate) fn read(
        files: &[PathBuf],
        sources: Sources,
    ) -> Result<(Self, Vec<StateDict>), Error> {
        let refused = |problem: String| Error::from(ConfigError::Conflict(problem));
        let recipe = run_recipe(&run_of(&files[0])?)?;
        let session = Session::open_with(&recipe, sources)?;
        let device = session.device.clone().inner();
        let mut weights = Vec::new();
        let mut first: Option<ModelInfo> = None;
        for file in files {
            let TrainedModel { info, network, .. } =
                TrainedModel::read_with(file, &Models::default(), &device)?;
            let first = first.get_or_insert_with(|| info.clone());
            if *first != info {
                return Err(refused(format!(
                    "{}: this is another model than {}, or has other classes or another preprocessing; only models of one kind can be averaged",
                    file.display(),
                    files[0].display()
                )));
            }
            weights.push(StateDict::of(&network));
        }
        let Some(valid) = session.valid_loader()? else {
            return Err(refused(format!(
                "{} has no validation images to score the average on",
                recipe.dataset
            )));
        };
        let all = Self {
            info: first.unwrap_or_else(|| session.info()),
            session,
            valid,
        };
        Ok((all, weights))
    }

    /// Weights with their batch norm statistics recomputed from so many training batches, or as they are, and their scores on validation images.
    pub(crate) fn scored(
        &mut self,
        dict: StateDict,
        recount: Option<usize>,
    ) -> Result<(StateDict, Scores), Error> {
        let device = self.session.device.clone().inner();
        let undrawn = self
            .session
            .architecture
            .undrawn(&self.info.input(), &device)?;
        let mut model = dict.load_into(undrawn)?;
        if let Some(batches) = recount {
            model = recount_statistics(&model, &mut self.session.train, Some(batches))?;
        }
        let loss = CrossEntropy::default();
        let evaluation = firebrick_train::evaluate(&model, &mut self.valid, &loss, &mut |_| {})?;
        Ok((StateDict::of(&model), evaluation.scores))
    }

    /// Writes weights as a model file.
    pub(crate) fn write(&self, dict: &StateDict, out: &Path) -> Result<(), Error> {
        let bytes = self.info.to_bytes(dict)?;
        let parent = out.parent().filter(|parent| !parent.as_os_str().is_empty());
        let made = parent.map_or(Ok(()), std::fs::create_dir_all);
        made.and_then(|()| write_whole(out, &bytes))
            .map_err(|error| Error::ModelFile {
                path: out.display().to_string(),
                problem: format!("cannot be written: {error}"),
            })
    }
}

/// The run directory in which a model file lies, itself or in `averages` or `members`.
fn run_of(file: &Path) -> Result<PathBuf, Error> {
    let above = file.ancestors().skip(1).take(2);
    let mut runs = above.filter(|directory| directory.join("recipe.toml").is_file());
    let run = runs.next().map(Path::to_path_buf);
    run.ok_or_else(|| Error::ModelFile {
        path: file.display().to_string(),
        problem: "this file lies in no run directory, whose recipe would name the images to score the average on: give a run or one of its files first".into(),
    })
}
