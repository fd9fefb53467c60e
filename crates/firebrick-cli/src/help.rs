//! The help of the flags that settings have: what they are, the names in a registry, and the default.

use firebrick::core::recipe::{Recipe, Setting};
use firebrick::core::setting::Family;
use firebrick::ensemble::average;
use firebrick::optim::{optimizer, schedule};
use firebrick::regularize::{augment, mix, penalty};
use firebrick::training::Monitor;
use firebrick::transfer::unfreezing;
use firebrick::{core::loss, datasets, datasets::sampler, zoo};

/// The help of the flag of a setting.
pub(crate) fn of(setting: &Setting) -> String {
    let mut text = setting.help();
    if let Some(family) = setting.about.family {
        text += &format!(". Available: {}", names(family).join(", "));
        if let Some(command) = family.command() {
            text += &format!(". `firebrick {command} describe NAME` explains one");
        }
    }
    let default = setting.value(&Recipe::default()).text();
    let none = || match setting.about.unset {
        Some(meaning) => format!("none ({meaning})"),
        None => "none".into(),
    };
    format!("{text} [default: {}]", default.unwrap_or_else(none))
}

/// The names of a family's units.
pub(crate) fn names(family: Family) -> Vec<&'static str> {
    match family {
        Family::Datasets => datasets::registry::REGISTRY.names(),
        Family::Models => zoo::REGISTRY.names(),
        Family::Optimizers => optimizer::REGISTRY.names(),
        Family::Schedules => schedule::REGISTRY.names(),
        Family::Augmentations => augment::REGISTRY.names(),
        Family::Averages => average::REGISTRY.names(),
        Family::Losses => loss::REGISTRY.names(),
        Family::Mixes => mix::REGISTRY.names(),
        Family::Penalties => penalty::REGISTRY.names(),
        Family::Samplers => sampler::REGISTRY.names(),
        Family::Strategies => unfreezing::REGISTRY.names(),
        Family::Normalizations => zoo::NORMALIZATIONS.map(|(name, ..)| name).to_vec(),
        Family::Monitors => Monitor::ALL.map(|(name, _)| name).to_vec(),
    }
}
