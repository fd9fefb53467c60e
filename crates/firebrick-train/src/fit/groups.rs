//! What a recipe's groups change of each parameter.

use std::collections::BTreeMap;

use burn::module::Module;
use firebrick_core::parameters::Parameters;
use firebrick_core::update::GroupFactors;
use firebrick_core::{ConfigError, Groups, freeze};

/// The model with the parameters frozen whose groups have a rate of 0.
pub(super) fn freeze_groups<M: Module>(groups: &Groups, model: M) -> M {
    if groups.rules.iter().all(|rule| rule.lr != 0.0) {
        return model;
    }
    freeze(model, |path| groups.freezes(path))
}

/// What the groups change for each parameter of the model, trained or frozen; empty without groups.
pub(super) fn group_factors<M: Module>(
    groups: &Groups,
    model: &M,
) -> Result<BTreeMap<String, GroupFactors>, ConfigError> {
    let parameters = Parameters::list_all(model);
    let paths = parameters.iter();
    let paths = paths.map(|(path, shape)| (path.as_str(), shape.as_slice()));
    let factors = groups.factors(&paths.collect::<Vec<_>>())?;
    let paths = parameters.iter().map(|(path, _)| path.clone());
    Ok(paths.zip(factors).collect())
}
