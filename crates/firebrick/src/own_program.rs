//! Runs that need a program other than `firebrick`, because it registers their optimizer or model.

use firebrick_core::{ConfigError, Recipe};
use firebrick_optim::optimizer;

/// This program's name, where a recipe uses an optimizer or a model which the library does not have.
pub(crate) fn needed(recipe: &Recipe, program: Option<String>) -> Option<String> {
    let groups = recipe
        .groups
        .iter()
        .filter_map(|rule| rule.optimizer.as_ref());
    let own_optimizer = std::iter::once(&recipe.optimizer)
        .chain(groups)
        .any(|spec| optimizer::registered_in(spec).is_some());
    let own_model = firebrick_zoo::REGISTRY.find(&recipe.model).is_err();
    (own_optimizer || own_model).then(|| program.unwrap_or_else(|| "a program of its own".into()))
}

/// Adds to an error about an unknown optimizer or model which program has it, if the recipe says so.
pub(crate) fn explain(error: ConfigError, recipe: &Recipe) -> ConfigError {
    match (&error, &recipe.program) {
        (ConfigError::UnknownName { family, name, .. }, Some(program))
            if family == "optimizer" || family == "model" =>
        {
            ConfigError::Conflict(format!(
                "unknown {family} `{name}`: this run was made with {program}, which defines it; use that program"
            ))
        }
        _ => error,
    }
}
