//! Evaluates a model on a split of a data set.

use std::path::PathBuf;
use std::sync::Arc;

use firebrick_core::data::Dataset;
use firebrick_core::loss::CrossEntropy;
use firebrick_core::{Classifier, ConfigError, Recipe};
use firebrick_datasets::Split;
use firebrick_datasets::registry::{folder_path, open_held_out};
use firebrick_train::Evaluation;
use firebrick_zoo::Model;

use crate::classes::matched;
use crate::prepared::{self, CHECKSUMS};
use crate::tta::{TestTime, TtaEvaluation, evaluate_views};
use crate::{Error, TrainedModel};

/// What a model is scored on.
pub struct EvalJob<'a, M = Model> {
    /// The model.
    pub model: &'a TrainedModel<M>,
    /// The images.
    pub images: EvalImages,
    /// Whether the weights came without names of classes, so that those of the images may be numbers.
    pub numbered: bool,
    /// Views of each image to average over, beside the plain scores.
    pub tta: Option<TestTime>,
}

/// The images that models are scored on.
#[derive(Debug, Clone)]
pub struct EvalImages {
    /// Names the data set, and how it is split and read. For the data of a run, the run's recipe.
    pub recipe: Recipe,
    /// Whether this is another data set than the one the model was trained on. A folder of classes is
    /// then scored as a whole, unless `split` asks for a part of it.
    pub held_out: bool,
    /// The split. Without one, the test split; where there is none, the validation split.
    pub split: Option<Split>,
    /// The run directory of the model, if it has one: it knows the images that it was started with.
    pub run: Option<PathBuf>,
    /// Where data sets lie when the recipe does not say.
    pub cache: PathBuf,
}

/// What an evaluation found.
pub struct Evaluated {
    /// Scores, confusion matrix and the worst mistakes; indices are those of the model's classes.
    pub evaluation: Evaluation,
    /// Scores of the mean predictions over several views, if that was asked for.
    pub tta: Option<TtaEvaluation>,
    /// The split that was taken.
    pub split: Split,
    /// Messages for the user: that another split was used, which images were left out.
    pub notes: Vec<String>,
}

/// Evaluates a model with its own preprocessing. `progress` is told the images done and their total.
///
/// # Errors
/// [`Error`] when the data cannot be read, the split is not there, or its classes are not the model's.
pub fn evaluate<M: Classifier>(
    job: EvalJob<'_, M>,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Evaluated, Error> {
    let Taken {
        split,
        dataset,
        mut notes,
    } = job.images.take(job.model.info.preprocessing.channels)?;
    let EvalJob {
        model,
        images: EvalImages { recipe, .. },
        numbered,
        tta,
    } = job;
    let (dataset, note) = matched(dataset, &model.info.classes, numbered)?;
    notes.extend(note);
    let total = dataset.len();
    let preprocessing = &model.info.preprocessing;
    let mut loader = prepared::evaluation_loader(&recipe, preprocessing, dataset.clone())?;
    let loss = CrossEntropy::default();
    let (evaluation, tta) = match &tta {
        None => {
            let mut told = |done| progress(done, total);
            let evaluated =
                firebrick_train::evaluate(&model.network, &mut loader, &loss, &mut told)?;
            (evaluated, None)
        }
        Some(tta) => {
            let plain = firebrick_train::predict(&model.network, &mut loader)?;
            let evaluated = firebrick_train::score(&plain, &loss, &model.device);
            let views = evaluate_views(model, &recipe, &dataset, &plain, tta, progress)?;
            (evaluated, Some(views))
        }
    };
    Ok(Evaluated {
        evaluation,
        tta,
        split,
        notes,
    })
}

/// The images to score.
pub(crate) struct Taken {
    pub(crate) split: Split,
    pub(crate) dataset: Arc<dyn Dataset>,
    pub(crate) notes: Vec<String>,
}

impl EvalImages {
    /// Opens the images, for a model that reads so many channels.
    pub(crate) fn take(&self, channels: usize) -> Result<Taken, Error> {
        // The model knows how its images are preprocessed: nothing is to be measured on the data.
        let recipe = Recipe {
            channels: self.recipe.channels.or(Some(channels)),
            ..self.recipe.clone()
        };
        let whole = matches!(self.split, None | Some(Split::Test | Split::All));
        match folder_path(&recipe.dataset) {
            Some(path) if whole && self.held_out => held_out(path, &recipe, self),
            _ => of_split(&recipe, self),
        }
    }
}

/// A split of a data set.
fn of_split(recipe: &Recipe, job: &EvalImages) -> Result<Taken, Error> {
    let options = prepared::open_options(recipe, &job.cache)?;
    let splits = firebrick_datasets::open(&recipe.dataset, &options)?;
    let there = |split: Split| match split {
        Split::Train => Some(splits.train.clone()),
        Split::Valid => splits.valid.clone(),
        Split::Test => splits.test.clone(),
        Split::All => None,
    };
    let mut notes = splits.notes.clone();
    notes.extend(unreadable(&splits.skipped));
    let preference: &[Split] = match &job.split {
        Some(split) => std::slice::from_ref(split),
        None => &[Split::Test, Split::Valid],
    };
    let found = preference
        .iter()
        .find_map(|split| Some((*split, there(*split)?)));
    let Some((split, dataset)) = found else {
        let names: Vec<&str> = [Split::Train, Split::Valid, Split::Test]
            .into_iter()
            .filter(|split| there(*split).is_some())
            .map(Split::name)
            .collect();
        let wanted = preference.iter().map(|split| split.name());
        return Err(ConfigError::Conflict(format!(
            "{} has no {} split; it has: {}. Choose one with --split, or score other images with \
             --dataset",
            recipe.dataset,
            wanted.collect::<Vec<_>>().join(" and no "),
            names.join(", ")
        ))
        .into());
    };
    if job.split.is_none() && split != Split::Test {
        notes.push(fallback(&recipe.dataset));
    }
    Ok(Taken {
        split,
        dataset,
        notes,
    })
}

/// The first few images that cannot be read, and how many more there are.
#[must_use]
pub fn unreadable(skipped: &[String]) -> Vec<String> {
    const SHOWN: usize = 10;
    let shown = skipped.iter().take(SHOWN);
    let mut notes: Vec<String> = shown.map(|image| format!("left out: {image}")).collect();
    if skipped.len() > SHOWN {
        let more = skipped.len() - SHOWN;
        notes.push(format!(
            "{more} more images cannot be read and were left out"
        ));
    }
    notes
}

fn fallback(dataset: &str) -> String {
    format!("{dataset} has no test split: these are the scores on the validation split")
}

/// A folder of images that the model has not been trained on.
fn held_out(path: &str, recipe: &Recipe, job: &EvalImages) -> Result<Taken, Error> {
    let held_out = open_held_out(path, &prepared::open_options(recipe, &job.cache)?)?;
    let mut notes = held_out.notes;
    notes.extend(unreadable(&held_out.skipped));
    let checksums = job.run.as_ref().map(|run| run.join(CHECKSUMS));
    if let Some(Ok(checksums)) = checksums.map(std::fs::read_to_string) {
        let known = held_out.images.known(&checksums);
        if known > 0 {
            notes.push(format!(
                "{known} of the {} images belong to the data that the run was started with; scores on images that a model was trained on are too good",
                held_out.images.len()
            ));
        }
    }
    match (job.split, held_out.split) {
        (None, Split::Valid) => notes.push(fallback(&recipe.dataset)),
        (Some(wanted), found)
            if found == Split::Valid || (wanted == Split::All && found != wanted) =>
        {
            return Err(ConfigError::Conflict(format!(
                "{} has no {wanted} split, only a {found} split: choose that with --split {found}",
                recipe.dataset
            ))
            .into());
        }
        _ => {}
    }
    Ok(Taken {
        split: held_out.split,
        dataset: Arc::new(held_out.images),
        notes,
    })
}
