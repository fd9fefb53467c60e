//! Evaluating a model on a split of a data set.

use std::path::Path;
use std::sync::Arc;

use burn::tensor::Device;
use firebrick_core::data::Dataset;
use firebrick_core::loss::CrossEntropy;
use firebrick_core::{ConfigError, Recipe};
use firebrick_train::Evaluation;

use crate::prepared::Prepared;
use crate::{Error, ModelFile};

/// Evaluates a model on `split` (`train`, `valid` or `test`) of the recipe's data set, with the
/// model's own preprocessing. `progress` is told the images done and their total.
///
/// # Errors
/// [`Error`] when the data cannot be read, the split is not there, or its classes are not the model's.
pub fn evaluate(
    file: &ModelFile,
    recipe: &Recipe,
    split: &str,
    cache: &Path,
    device: &Device,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Evaluation, Error> {
    // The file knows how its images are preprocessed: nothing is to be measured on the data.
    let recipe = Recipe {
        normalize: "none".into(),
        channels: recipe.channels.or(Some(file.preprocessing.channels)),
        ..recipe.clone()
    };
    let mut prepared = Prepared::open(&recipe, cache)?;
    prepared.preprocessing = file.preprocessing.clone();
    let dataset = split_of(&prepared, split, &recipe.dataset)?;
    let classes = dataset.classes().len();
    if classes != file.classes.len() {
        let problem = format!(
            "{} has {classes} classes, but the model tells {} apart",
            recipe.dataset,
            file.classes.len()
        );
        return Err(ConfigError::Conflict(problem).into());
    }
    let total = dataset.len();
    let mut loader = prepared.evaluation_loader(&recipe, dataset)?;
    let model = file.build(device)?;
    Ok(firebrick_train::evaluate(
        &model,
        &mut loader,
        &CrossEntropy::default(),
        &mut |done| progress(done, total),
    )?)
}

fn split_of(
    prepared: &Prepared,
    split: &str,
    dataset: &str,
) -> Result<Arc<dyn Dataset>, ConfigError> {
    let splits = &prepared.splits;
    let found = match split {
        "train" => Some(splits.train.clone()),
        "valid" => splits.valid.clone(),
        "test" => splits.test.clone(),
        other => {
            return Err(ConfigError::unknown_name(
                "split",
                other,
                ["train", "valid", "test"],
            ));
        }
    };
    found.ok_or_else(|| ConfigError::Conflict(format!("{dataset} has no {split} split")))
}
