//! Runs that need a program of someone's own, because it registers what they name.

use firebrick_core::{ConfigError, Recipe};
use firebrick_optim::optimizer;

/// Notes in a recipe whether it needs this program, or any that registers the same.
pub(crate) fn note(recipe: &mut Recipe, program: Option<String>) {
    let groups = recipe
        .groups
        .iter()
        .filter_map(|rule| rule.optimizer.as_ref());
    let needed = std::iter::once(&recipe.optimizer)
        .chain(groups)
        .any(|spec| optimizer::registered_in(spec).is_some());
    recipe.program = needed.then(|| program.unwrap_or_else(|| "a program of its own".into()));
}

/// An optimizer that is unknown here is one that another program registered: says which.
pub(crate) fn explain(error: ConfigError, recipe: &Recipe) -> ConfigError {
    match (&error, &recipe.program) {
        (ConfigError::UnknownName { family, name, .. }, Some(program)) if family == "optimizer" => {
            ConfigError::Conflict(format!(
                "unknown optimizer `{name}`: this run was made with {program}, which registers it; go on with that program"
            ))
        }
        _ => error,
    }
}
