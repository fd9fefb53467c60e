//! The recipe of a trial: a point of the search space over the recipe that the search is around.

use firebrick_core::ConfigError;
use firebrick_core::recipe::{Recipe, Setting};
use firebrick_core::setting::{Family, Specs};
use firebrick_core::spec::{Spec, Value};
use firebrick_optim::rates::{self, is_rate, optimizer_has_rate, schedule_has_rate};
use firebrick_train::search::Point;
use firebrick_transfer::unfreezing;

/// The recipe of a trial: the values of a point over those of a recipe. A rate in the point takes
/// the place of those in the recipe.
///
/// # Errors
/// [`ConfigError`] naming the key or value that does not fit.
pub fn at(recipe: &Recipe, point: &Point) -> Result<Recipe, ConfigError> {
    let mut recipe = recipe.clone();
    let is_rate = |(key, value): &(String, Value)| match (key.as_str(), value) {
        ("optimizer", Value::Spec(spec)) => optimizer_has_rate(spec),
        ("schedule", Value::Spec(spec)) => schedule_has_rate(spec),
        (key, _) => Ok(is_rate(key)),
    };
    let rates: Result<Vec<bool>, ConfigError> = point.0.iter().map(is_rate).collect();
    if rates?.contains(&true) {
        rates::clear(&mut recipe)?;
    }
    // A whole spec before its arguments.
    let mut values: Vec<&(String, Value)> = point.0.iter().collect();
    values.sort_by_key(|(key, _)| key.matches('.').count());
    for (key, value) in values {
        if let Some(why) = Setting::find(key).and_then(|setting| setting.about.fixed) {
            let text = format!("search space: `{key}` cannot be searched: {why}");
            return Err(ConfigError::Conflict(text));
        }
        name_arguments(&mut recipe, key)?;
        recipe.set(key, value)?;
    }
    Ok(recipe)
}

/// Turns positional arguments of the spec that `key` lies in into named ones.
fn name_arguments(recipe: &mut Recipe, key: &str) -> Result<(), ConfigError> {
    let Some((name, path)) = key.split_once('.') else {
        return Ok(());
    };
    let Some(setting) = Setting::find(name) else {
        return Ok(());
    };
    let spec = match setting.value_mut(recipe).specs() {
        Some(Specs::One(spec)) => Some(spec),
        Some(Specs::Steps(steps)) => {
            let step = path.split('.').next().unwrap_or_default();
            steps.iter_mut().find(|spec| spec.name == step)
        }
        None => None,
    };
    let (Some(spec), Some(family)) = (spec, setting.about.family) else {
        return Ok(());
    };
    let fields = arguments(family, spec)?;
    // Too many arguments are named when the unit is built.
    if spec.positional.len() <= fields.len() {
        let positional = std::mem::take(&mut spec.positional);
        let given = std::mem::take(&mut spec.named);
        spec.named = fields.into_iter().zip(positional).chain(given).collect();
    }
    Ok(())
}

/// The names of the arguments that the unit of a family takes, in order.
fn arguments(family: Family, spec: &Spec) -> Result<Vec<String>, ConfigError> {
    let fields = match family {
        Family::Models => match firebrick_zoo::REGISTRY.find(spec) {
            Ok(entry) => entry.fields,
            // What a model of one's own calls its arguments is not known here.
            Err(_) => return Ok(Vec::new()),
        },
        Family::Optimizers => firebrick_optim::optimizer::REGISTRY.find(spec)?.fields,
        Family::Schedules => firebrick_optim::schedule::REGISTRY.find(spec)?.fields,
        Family::Augmentations => firebrick_regularize::augment::REGISTRY.find(spec)?.fields,
        Family::Averages => firebrick_ensemble::average::REGISTRY.find(spec)?.fields,
        Family::Losses => firebrick_core::loss::REGISTRY.find(spec)?.fields,
        Family::Mixes => firebrick_regularize::mix::REGISTRY.find(spec)?.fields,
        Family::Penalties => firebrick_regularize::penalty::REGISTRY.find(spec)?.fields,
        Family::Samplers => firebrick_datasets::sampler::REGISTRY.find(spec)?.fields,
        Family::Strategies => unfreezing::REGISTRY.find(spec)?.fields,
        Family::Datasets | Family::Normalizations | Family::Monitors => return Ok(Vec::new()),
    };
    Ok(fields().into_iter().map(|(name, _)| name).collect())
}

#[cfg(test)]
mod tests {
    use firebrick_train::search::{Dimension, Space};

    use super::*;

    fn recipe_at(recipe: &Recipe, space: &str) -> Result<Recipe, ConfigError> {
        let space: Space = space.parse()?;
        let first = |Dimension { key, range }: &Dimension| (key.clone(), range.corners().remove(0));
        at(recipe, &Point(space.0.iter().map(first).collect()))
    }

    #[test]
    fn values_go_over_the_recipe_and_rates_take_the_place_of_rates() {
        let recipe = Recipe {
            optimizer: "sgd(0.1, 0.9)".parse().unwrap(),
            schedule: "warmup(1ep, then=one_cycle(max_lr=0.2))".parse().unwrap(),
            augment: "pad_crop(4) | hflip".parse().unwrap(),
            lr: Some(0.1),
            ..Recipe::default()
        };
        let space = "optimizer.momentum=uniform(0.5, 0.9), lr=log(1e-3, 1), augment.pad_crop.size=int(1, 4), batch_size=choice(16)";
        let trial = recipe_at(&recipe, space).unwrap();
        assert_eq!(trial.optimizer.to_string(), "sgd(momentum=0.5)");
        assert_eq!(
            trial.schedule.to_string(),
            "warmup(steps=1ep, then=one_cycle)"
        );
        assert_eq!(trial.augment.to_string(), "pad_crop(size=1) | hflip");
        assert_eq!((trial.lr, trial.batch_size), (Some(1e-3), 16));
        // The rate of `linear` is called `from`.
        let line = Recipe {
            schedule: "linear(from=0.2, to=0)".parse().unwrap(),
            ..recipe.clone()
        };
        let trial = recipe_at(&line, "schedule.from=log(1e-3, 1)").unwrap();
        assert_eq!(
            (
                trial.optimizer.to_string(),
                trial.schedule.to_string(),
                trial.lr
            ),
            (
                "sgd(momentum=0.9)".into(),
                "linear(to=0, from=0.001)".into(),
                None
            )
        );
        let kept = recipe_at(&recipe, "optimizer.momentum=uniform(0.5, 0.9)").unwrap();
        assert_eq!(kept.optimizer.to_string(), "sgd(lr=0.1, momentum=0.5)");
        assert_eq!(kept.lr, Some(0.1));
        let whole = "optimizer.momentum=choice(0.3), optimizer=choice(sgd(lr=0.5))";
        let whole = recipe_at(&recipe, whole).unwrap();
        assert_eq!(whole.optimizer.to_string(), "sgd(lr=0.5, momentum=0.3)");
        assert_eq!(whole.lr, None);
        for (space, needle) in [
            (
                "epochs=int(1, 5)",
                "`epochs` cannot be searched: its rounds set the number of epochs",
            ),
            ("momentum=uniform(0, 1)", "recipe has no key `momentum`"),
            ("optimizer=choice(sgdd)", "did you mean `sgd`?"),
        ] {
            let error = recipe_at(&recipe, space).unwrap_err().to_string();
            assert!(error.contains(needle), "{space}: {error}");
        }
    }
}
