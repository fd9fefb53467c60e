//! Runs that need a program other than `firebrick`, because it registers their optimizer.

use firebrick_core::{ConfigError, Recipe};
use firebrick_optim::optimizer;

/// Notes this program's name in a recipe that uses an optimizer which the library does not have.
pub(crate) fn note(recipe: &mut Recipe, program: Option<String>) {
    let groups = recipe
        .groups
        .iter()
        .filter_map(|rule| rule.optimizer.as_ref());
    let needed = std::iter::once(&recipe.optimizer)
        .chain(groups)
        .find_map(optimizer::registered_in);
    recipe.program = needed.map(|_| program.unwrap_or_else(|| "a program of its own".into()));
}

/// Adds to an error about an unknown optimizer which program registers it, if the recipe says so.
pub(crate) fn explain(error: ConfigError, recipe: &Recipe) -> ConfigError {
    match (&error, &recipe.program) {
        (ConfigError::UnknownName { family, name, .. }, Some(program)) if family == "optimizer" => {
            ConfigError::Conflict(format!(
                "unknown optimizer `{name}`: this run was made with the program {program}, which defines it; use that program"
            ))
        }
        _ => error,
    }
}
