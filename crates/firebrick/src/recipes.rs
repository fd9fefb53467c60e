//! The recipes that come with Firebrick.

use std::path::Path;

use firebrick_core::{ConfigError, Recipe};

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
