//! Runs that need another program than `firebrick`, because that program registers a unit that they use.

use firebrick_core::{ConfigError, Recipe};

use crate::families::registered_in;

/// Notes this program's name in a recipe that uses a unit which the library does not have.
pub(crate) fn note(recipe: &mut Recipe, program: Option<String>) {
    let needed = registered_in(recipe).is_some();
    recipe.program = needed.then(|| program.unwrap_or_else(|| "a program of its own".into()));
}

/// Adds to an error about an unknown unit which program registers it, if the recipe says so.
pub(crate) fn explain(error: ConfigError, recipe: &Recipe) -> ConfigError {
    match (&error, &recipe.program) {
        (ConfigError::UnknownName { family, name, .. }, Some(program)) => {
            ConfigError::Conflict(format!(
                "unknown {family} `{name}`: this run was made with {program}, which registers it; use that program"
            ))
        }
        _ => error,
    }
}
