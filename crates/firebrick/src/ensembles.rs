//! Ensembles: directories whose members predict together. One member at a time is in memory.

mod calibrate;
mod details;
mod distill;
mod evaluate;
pub(crate) mod ingredients;
mod line;
mod predict;
mod prune;
mod record;
mod soup;
mod train;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use burn::tensor::Device;
use firebrick_core::data::Dataset;
use firebrick_core::{Classifier, Recipe};
use firebrick_ensemble::class_names::{columns, reordered};
use firebrick_ensemble::manifest::{Kind, Manifest, ManifestError};
use firebrick_ensemble::{EnsembleError, Member, Members};
use firebrick_train::Predictions;
use firebrick_zoo::Model;

use crate::classes::matched;
use crate::tta::{TestTime, predict_views};
use crate::{Error, ModelInfo, Models, TrainedModel, prepared};

pub use calibrate::Calibrate;
pub use details::{Details, Differing};
pub use distill::{Distilled, compare, like_a_member, same_images, student, student_start};
pub use evaluate::{EnsembleEval, EnsembleEvaluated, evaluate};
pub use predict::{EnsemblePredict, predict};
pub use prune::prune;
pub use record::record;
pub use soup::{How, Soup, model_files, soup};
pub use train::{EnsemblePlan, MemberState, status};

/// An ensemble: its members are checked, but not in memory.
pub struct Ensemble<M = Model> {
    /// The directory.
    pub directory: PathBuf,
    /// How the members came about.
    pub kind: Kind,
    /// The members that can be used, at least one.
    pub members: Vec<EnsembleMember>,
    /// What was left out, and why.
    pub notes: Vec<String>,
    models: Models<M>,
    device: Device,
}

/// A member of an ensemble.
#[derive(Debug, Clone)]
pub struct EnsembleMember {
    /// Its name.
    pub name: String,
    /// Its model file.
    pub file: PathBuf,
    /// What it tells apart, and what it reads.
    pub info: ModelInfo,
    /// Where it has the classes of the ensemble, if in another order.
    columns: Option<Vec<usize>>,
}

impl<M: Classifier> Ensemble<M> {
    /// Opens the ensemble in a directory. A member that cannot be read is an error, or, with `allow_missing`, a note.
    ///
    /// # Errors
    /// [`Error::Ensemble`] for a directory that is no ensemble, members of other classes, and where no member is left;
    /// [`Error::ModelFile`] and [`Error::Weights`] for a member that cannot be read.
    pub fn open(
        directory: &Path,
        models: Models<M>,
        device: Device,
        allow_missing: bool,
    ) -> Result<Self, Error> {
        let manifest = Manifest::read(directory)?;
        let mut members: Vec<EnsembleMember> = Vec::new();
        let mut notes = Vec::new();
        for member in manifest.members {
            let file = directory.join(&member.file);
            let info = match ModelInfo::open_with(&file, &models) {
                Ok((info, _)) => info,
                Err(error) if allow_missing => {
                    notes.push(format!("going on without {}: {error}", member.name));
                    continue;
                }
                Err(error) => {
                    let problem = format!(
                        "member {}: {error}; --allow-missing goes on without it",
                        member.name
                    );
                    let path = directory.into();
                    return Err(ManifestError { path, problem }.into());
                }
            };
            let columns = match members.first() {
                Some(first) => columns(&first.info.classes, &member.name, &info.classes)?,
                None => None,
            };
            members.push(EnsembleMember {
                name: member.name,
                file,
                info,
                columns,
            });
        }
        if members.is_empty() {
            return Err(EnsembleError::NoMembers.into());
        }
        Ok(Self {
            directory: directory.into(),
            kind: manifest.kind,
            members,
            notes,
            models,
            device,
        })
    }

    /// Opens the ensemble in a directory, or a run or a model file as an ensemble of one member.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn of(path: &Path, models: Models<M>, device: Device) -> Result<Self, Error> {
        if Manifest::is_in(path) {
            return Self::open(path, models, device, false);
        }
        let (info, _) = ModelInfo::open_with(path, &models)?;
        let name = path.file_name().unwrap_or_default();
        let file = match path.is_dir() {
            true => path.join("model.safetensors"),
            false => path.into(),
        };
        let member = EnsembleMember {
            name: name.to_string_lossy().into_owned(),
            file,
            info,
            columns: None,
        };
        Ok(Self {
            directory: path.into(),
            kind: Kind::Independent,
            members: vec![member],
            notes: Vec::new(),
            models,
            device,
        })
    }

    /// The run directory whose recipe names the images: that of the snapshots, else that of the first member.
    #[must_use]
    pub fn run(&self) -> Option<PathBuf> {
        let beside = self.members.first()?.file.parent().map(Path::to_path_buf);
        let mut runs = std::iter::once(self.directory.clone()).chain(beside);
        runs.find(|run| run.join("recipe.toml").is_file())
    }

    /// The classes; an output of the ensemble indexes them.
    #[must_use]
    pub fn classes(&self) -> &[String] {
        // There is a first one.
        self.members
            .first()
            .map_or(&[], |first| &first.info.classes)
    }

    /// Reads a member with its weights.
    pub(crate) fn load(&self, member: &EnsembleMember) -> Result<TrainedModel<M>, Error> {
        TrainedModel::read_with(&member.file, &self.models, &self.device)
    }

    /// What each member predicts for the images of a data set, each with its own preprocessing. `progress` is told the
    /// images done, over all members, and their total. With `tta`, each is the mean over the views of an image.
    pub(crate) fn predictions(
        &self,
        recipe: &Recipe,
        dataset: &Arc<dyn Dataset>,
        tta: Option<&TestTime>,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Vec<Predicted>, Error> {
        let (dataset, _) = matched(dataset.clone(), self.classes(), false)?;
        let total = self.members.len() * dataset.len();
        let mut all = Vec::new();
        for (at, member) in self.members.iter().enumerate() {
            let clock = Instant::now();
            let model = self.load(member)?;
            let preprocessing = &member.info.preprocessing;
            let mut loader = prepared::evaluation_loader(recipe, preprocessing, dataset.clone())?;
            let mut predictions = firebrick_train::predict(&model.network, &mut loader)?;
            if let Some(tta) = tta {
                (predictions, _) =
                    predict_views(&model, recipe, &dataset, &predictions, tta, &mut |_, _| {})?;
            }
            if let Some(columns) = &member.columns {
                predictions.logits = reordered(&predictions.logits, columns);
            }
            all.push(Predicted {
                name: member.name.clone(),
                predictions,
                seconds: clock.elapsed().as_secs_f64(),
            });
            progress((at + 1) * dataset.len(), total);
        }
        Ok(all)
    }
}

/// What a member predicts.
pub(crate) struct Predicted {
    pub(crate) name: String,
    pub(crate) predictions: Predictions,
    /// The seconds that it took, reading the model and the images included.
    pub(crate) seconds: f64,
}

/// The predictions of all members, as what combines them reads them.
pub(crate) fn members(predicted: &[Predicted]) -> Result<Members<'_>, EnsembleError> {
    let members = predicted.iter().map(|one| {
        let Predictions {
            logits, classes, ..
        } = &one.predictions;
        Member::new(&one.name, logits, *classes)
    });
    Members::new(members.collect())
}
