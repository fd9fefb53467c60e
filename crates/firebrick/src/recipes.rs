//! The built-in recipes.

use std::path::Path;

use firebrick_core::error::excerpt;
use firebrick_core::run::RunRecord;
use firebrick_core::{ConfigError, Recipe};
use firebrick_train::{Checkpoint, TrainError};

use crate::Error;

/// Name and text of every recipe in `recipes/`.
pub const RECIPES: [(&str, &str); 5] = [
    ("glyphs", include_str!("../../../recipes/glyphs.toml")),
    (
        "mnist-lenet5",
        include_str!("../../../recipes/mnist-lenet5.toml"),
    ),
    ("mnist-cnn", include_str!("../../../recipes/mnist-cnn.toml")),
    (
        "cifar10-resnet20",
        include_str!("../../../recipes/cifar10-resnet20.toml"),
    ),
    (
        "cifar10-resnet20-subset",
        include_str!("../../../recipes/cifar10-resnet20-subset.toml"),
    ),
];

/// The recipe with this name, or in this file.
///
/// # Errors
/// [`ConfigError`] when there is neither, or the file cannot be used.
pub fn recipe(name: &str) -> Result<Recipe, ConfigError> {
    if let Some((name, text)) = RECIPES.iter().find(|(known, _)| *known == name) {
        return Recipe::from_toml(text, &format!("recipe {name}"));
    }
    let path = Path::new(name);
    if path.exists() || name.ends_with(".toml") || name.contains(std::path::MAIN_SEPARATOR) {
        return Recipe::read(path);
    }
    Err(ConfigError::unknown_name(
        "recipe",
        name,
        RECIPES.map(|(name, _)| name),
    ))
}

/// The recipe that a run was made with: its `recipe.toml`, held against what the run itself says in
/// `run.json`, or in its newest checkpoint before it has ended. What may differ between sessions of a
/// run, such as `device` or `workers`, may have been edited.
///
/// # Errors
/// [`Error`] when the file cannot be read, or is not the recipe of this run.
pub fn run_recipe(run: &Path) -> Result<Recipe, Error> {
    let path = run.join("recipe.toml");
    let recipe = Recipe::read(&path)?;
    let (witness, name) = match RunRecord::read(run) {
        Ok(record) => (
            Recipe::from_toml(&record.recipe, "run.json").ok(),
            "run.json",
        ),
        Err(_) => {
            let identity = Checkpoint::identity(run);
            let recipe = identity.and_then(|one| Recipe::from_toml(&one.recipe, "").ok());
            (recipe, "its newest checkpoint")
        }
    };
    // A run from before its first checkpoint has nothing else to go by.
    let Some(witness) = witness else {
        return Ok(recipe);
    };
    let (found, expected) = (recipe.identity().to_toml()?, witness.identity().to_toml()?);
    let differs = |(found, expected): &(&str, &str)| found != expected;
    let mut lines = found.lines().zip(expected.lines());
    let problem = match lines.find(differs) {
        None if found.len() == expected.len() => return Ok(recipe),
        None => format!("it is not the recipe of this run, which is in {name}"),
        Some((found, expected)) => format!(
            "it is damaged or was changed after the run began: it has `{}`, but {name} has `{}`",
            excerpt(found),
            excerpt(expected)
        ),
    };
    let problem = format!("{problem}. Restore it, or start a new run from it with --recipe");
    Err(Error::Train(TrainError::RunDir { path, problem }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_recipe_reads_and_every_file_is_embedded() {
        for (name, _) in RECIPES {
            recipe(name).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
        let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../../recipes");
        let files = std::fs::read_dir(directory).unwrap().flatten().count();
        assert_eq!(files, RECIPES.len(), "recipes/ and RECIPES differ");
        assert!(
            recipe("mnist-lenet")
                .unwrap_err()
                .to_string()
                .contains("did you mean `mnist-lenet5`?")
        );
        assert!(
            recipe("no/such.toml")
                .unwrap_err()
                .to_string()
                .contains("cannot read the recipe no/such.toml")
        );
    }
}
