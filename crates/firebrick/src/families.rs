//! The families of units: optimizers, schedules, models and everything else that a spec can name.

use firebrick_core::about::About;
use firebrick_core::registry::{Entry, Registry};
use firebrick_core::{Recipe, loss};
use firebrick_datasets::sampler;
use firebrick_ensemble::{average, calibrate, combine, conformal};
use firebrick_optim::{optimizer, schedule, surface};
use firebrick_regularize::{augment, dropout, mix, penalty, views};
use firebrick_transfer::unfreezing;

/// All units of one family, without the way to build them.
#[derive(Debug, Clone)]
pub struct Units {
    /// The name of the family, such as `optimizer`.
    pub name: &'static str,
    /// The units, those of other crates last.
    pub units: Vec<Entry<()>>,
}

impl Units {
    fn of<B: Copy>(registry: &Registry<B>) -> Self {
        let entries = registry.entries();
        Self {
            name: registry.family,
            units: entries.iter().map(Entry::described).collect(),
        }
    }

    /// What its units say about themselves.
    pub fn abouts(&self) -> impl Iterator<Item = &'static About> {
        self.units.iter().map(|unit| unit.about)
    }
}

/// Every family that has a registry, with all units that are known now.
///
/// ```
/// let families = firebrick::families();
/// let names: Vec<_> = families.iter().map(|family| family.name).collect();
/// assert!(names.contains(&"model") && names.contains(&"augmentation"));
/// ```
#[must_use]
pub fn families() -> Vec<Units> {
    vec![
        Units::of(&firebrick_zoo::REGISTRY),
        Units::of(&optimizer::REGISTRY),
        Units::of(&schedule::REGISTRY),
        Units::of(&augment::REGISTRY),
        Units::of(&dropout::REGISTRY),
        Units::of(&loss::REGISTRY),
        Units::of(&mix::REGISTRY),
        Units::of(&views::REGISTRY),
        Units::of(&penalty::REGISTRY),
        Units::of(&average::REGISTRY),
        Units::of(&sampler::REGISTRY),
        Units::of(&unfreezing::REGISTRY),
        Units::of(&firebrick_datasets::registry::REGISTRY),
        Units::of(&surface::REGISTRY),
        Units::of(&combine::REGISTRY),
        Units::of(&calibrate::REGISTRY),
        Units::of(&conformal::REGISTRY),
    ]
}

/// The first unit of another crate that a recipe names, for itself or inside another unit.
pub(crate) fn registered_in(recipe: &Recipe) -> Option<&'static str> {
    let groups = recipe.groups.iter();
    let optimizers = groups.filter_map(|rule| rule.optimizer.as_ref());
    let mut optimizers = optimizers.chain([&recipe.optimizer]);
    let others = [&recipe.momentum_schedule, &recipe.weight_decay_schedule];
    let mut schedules = others.into_iter().flatten().chain([&recipe.schedule]);
    firebrick_zoo::REGISTRY
        .registered_in(&recipe.model)
        .or_else(|| optimizers.find_map(|spec| optimizer::REGISTRY.registered_in(spec)))
        .or_else(|| schedules.find_map(|spec| schedule::REGISTRY.registered_in(spec)))
        .or_else(|| {
            let mut steps = recipe.augment.0.iter();
            steps.find_map(|spec| augment::REGISTRY.registered_in(spec))
        })
        .or_else(|| loss::REGISTRY.registered_in(&recipe.loss))
        .or_else(|| {
            let mut steps = recipe.mix.0.iter();
            steps.find_map(|spec| mix::REGISTRY.registered_in(spec))
        })
        .or_else(|| {
            let mut rules = recipe.penalize.0.iter();
            rules.find_map(|spec| penalty::REGISTRY.registered_in(spec))
        })
        .or_else(|| {
            let mut averages = recipe.average.0.iter();
            averages.find_map(|spec| average::REGISTRY.registered_in(spec))
        })
        .or_else(|| sampler::REGISTRY.registered_in(&recipe.sampling))
        .or_else(|| {
            let strategy = recipe.fine_tune.as_ref();
            strategy.and_then(|spec| unfreezing::REGISTRY.registered_in(spec))
        })
        .or_else(|| combine::REGISTRY.registered_in(&recipe.teacher_combine))
}
