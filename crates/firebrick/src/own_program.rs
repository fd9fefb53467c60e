//! Runs that need a program other than `firebrick`, because that program registers a unit that they use.

use firebrick_core::{ConfigError, Recipe};

use crate::families::registered_in;

/// This program's name, where a recipe uses a unit which the library does not have.
pub(crate) fn needed(recipe: &Recipe, program: Option<String>) -> Option<String> {
    // A model that no registry knows comes from the program's own `Models`.
    let own_model = firebrick_zoo::REGISTRY.find(&recipe.model).is_err();
    let needed = own_model || registered_in(recipe).is_some();
    needed.then(|| program.unwrap_or_else(|| "a program of its own".into()))
}

/// Adds to an error about an unknown unit the name of the program that defines it, if the recipe has one.
pub(crate) fn explain(error: ConfigError, recipe: &Recipe) -> ConfigError {
    match (&error, &recipe.program) {
        (ConfigError::UnknownName { family, name, .. }, Some(program)) => {
            ConfigError::Conflict(format!(
                "unknown {family} `{name}`: this run was made with {program}, which defines it; use that program"
            ))
        }
        _ => error,
    }
}
