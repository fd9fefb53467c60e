//! Recipes: all settings of a training run, as one TOML file.
//!
//! Every flag of `firebrick train` is a key of a recipe, with `_` for `-`: both are rows of the table in
//! `recipe/settings.rs`. A run writes its recipe, with all defaults filled in, to its directory; that file repeats
//! the run.

mod settings;

pub use settings::{Recipe, SETTINGS, Setting};

use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde::Deserialize;

use crate::ConfigError;
use crate::error::{brief, excerpt, plain};
use crate::setting::{Form, Scope, Specs};
use crate::spec::{Spec, Value};

/// No recipe is nearly as large.
const MAX_BYTES: u64 = 4 << 20;

impl Recipe {
    /// Reads a recipe from TOML. `source` names it in messages.
    ///
    /// # Errors
    /// [`ConfigError`] naming the unknown key with the nearest one, or the value that does not fit.
    pub fn from_toml(text: &str, source: &str) -> Result<Self, ConfigError> {
        let mut table: toml::Table = text
            .parse()
            .map_err(|error: toml::de::Error| not_toml(&error, text, source))?;
        if let Some(key) = table.keys().find(|key| Setting::find(key).is_none()) {
            return Err(ConfigError::unknown_key(source, key, keys()));
        }
        table.retain(|key, value| !(value.as_str() == Some("none") && is_optional(key)));
        for (key, value) in &table {
            let alone = toml::Table::from_iter([(key.clone(), value.clone())]);
            if let Err(error) = Self::deserialize(alone) {
                let message = error.to_string();
                let message = message.lines().next().unwrap_or_default();
                return Err(ConfigError::Conflict(format!(
                    "{source}: {} = {} is not valid: {}",
                    excerpt(key),
                    excerpt(&value.to_string()),
                    brief(&plain(message))
                )));
            }
        }
        Self::deserialize(table).map_err(|error| {
            ConfigError::Conflict(format!("{source}: {}", brief(&error.to_string())))
        })
    }

    /// Reads a recipe file.
    ///
    /// # Errors
    /// [`ConfigError`] naming the file and what is wrong in it.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let cannot = |why: &dyn std::fmt::Display| {
            ConfigError::Conflict(format!("cannot read the recipe {}: {why}", path.display()))
        };
        let mut bytes = Vec::new();
        // A device file never ends.
        File::open(path)
            .and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes))
            .map_err(|error| cannot(&error))?;
        if bytes.len() as u64 > MAX_BYTES {
            let most = MAX_BYTES >> 20;
            return Err(cannot(&format!(
                "it is larger than {most} MiB, too large for a recipe"
            )));
        }
        let text = String::from_utf8(bytes).map_err(|_| cannot(&"it is not a UTF-8 text file"))?;
        Self::from_toml(&text, &path.display().to_string())
    }

    /// The recipe as TOML, every field that has a value. Equal recipes give equal text.
    ///
    /// # Errors
    /// [`ConfigError::Conflict`] for a number that TOML cannot hold.
    pub fn to_toml(&self) -> Result<String, ConfigError> {
        toml::to_string(self).map_err(|error| {
            ConfigError::Conflict(format!("this recipe cannot be written: {error}"))
        })
    }

    /// The recipe without what may differ between sessions of one run, as the scopes in the table say: where
    /// it runs, where its files lie (their content has a fingerprint, and checkpoints hold all weights), how
    /// it is fed, when it saves and when it is cut short.
    #[must_use]
    pub fn identity(&self) -> Self {
        let mut identity = self.without(|scope| !scope.in_identity());
        if self.dataset.trim().starts_with("folder:") {
            identity.dataset = "folder".into();
        }
        identity
    }

    /// The recipe without the limits that ended a session early.
    #[must_use]
    pub fn without_limits(&self) -> Self {
        self.without(|scope| scope == Scope::Limit)
    }

    /// The recipe with the limits that another one sets to a session.
    #[must_use]
    pub fn with_limits_of(&self, other: &Self) -> Self {
        self.with(other, |scope| scope == Scope::Limit)
    }

    /// The recipe with the defaults of all settings in these scopes.
    fn without(&self, scopes: impl Fn(Scope) -> bool) -> Self {
        self.with(&Self::default(), scopes)
    }

    /// The recipe with another one's settings in these scopes.
    fn with(&self, other: &Self, scopes: impl Fn(Scope) -> bool) -> Self {
        let mut recipe = self.clone();
        for setting in SETTINGS.iter().filter(|row| scopes(row.about.scope)) {
            setting.copy(other, &mut recipe);
        }
        recipe
    }

    /// Sets one value by its key: `batch_size`; `optimizer.momentum`, an argument of a spec by name;
    /// `schedule.then.min_lr`, one of a spec inside it; `augment.pad_crop.size`, one of a step.
    ///
    /// Whether a spec has such an argument is for its registry to say.
    ///
    /// # Errors
    /// [`ConfigError`] naming the key that is not there, or the value that does not fit; the recipe
    /// is left as it was.
    pub fn set(&mut self, key: &str, value: &Value) -> Result<(), ConfigError> {
        let Some((name, path)) = key.split_once('.') else {
            if Setting::find(key).is_none() {
                return Err(ConfigError::unknown_key("recipe", key, keys()));
            }
            let mut table = toml::Table::try_from(&*self)
                .map_err(|error| ConfigError::Conflict(format!("recipe: {error}")))?;
            table.remove(key);
            if !(is_optional(key) && *value == Value::Spec(Spec::new("none"))) {
                table.insert(key.into(), value.to_toml());
            }
            *self = Self::deserialize(table).map_err(|error| ConfigError::WrongType {
                unit: "recipe".into(),
                field: key.into(),
                value: value.to_string(),
                expected: error.to_string().lines().next().unwrap_or_default().into(),
            })?;
            return Ok(());
        };
        let absent = |what: &str| {
            ConfigError::Conflict(format!(
                "`{key}` cannot be set: the recipe has no `{what}` with arguments"
            ))
        };
        let setting = Setting::find(name).ok_or_else(|| absent(name))?;
        let (spec, path) = match setting.value_mut(self).specs() {
            Some(Specs::One(spec)) => (spec, path),
            Some(Specs::Steps(steps)) => {
                let (step, path) = path.split_once('.').ok_or_else(|| absent(key))?;
                let found = steps.iter_mut().find(|spec| spec.name == step);
                let missing = || absent(&format!("{name}.{step}"));
                (found.ok_or_else(missing)?, path)
            }
            None => return Err(absent(name)),
        };
        set_inside(spec, path, value)
            .ok_or_else(|| absent(key.rsplit_once('.').map_or(key, |(outer, _)| outer)))
    }
}

/// All keys, in order.
fn keys() -> impl Iterator<Item = &'static str> + Clone {
    SETTINGS.iter().map(|setting| setting.key)
}

/// Whether `none` takes the value of this setting away.
fn is_optional(key: &str) -> bool {
    let setting = Setting::find(key);
    setting.is_some_and(|setting| setting.value(&Recipe::default()).form() == Form::Optional)
}

/// What is wrong with a text that is not TOML, on one line.
fn not_toml(error: &toml::de::Error, text: &str, source: &str) -> ConfigError {
    let start = error.span().map_or(0, |span| span.start);
    let before = text.get(..start).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before
        .rsplit('\n')
        .next()
        .unwrap_or_default()
        .chars()
        .count()
        + 1;
    let message = error.message().lines().collect::<Vec<_>>().join(", ");
    ConfigError::Conflict(format!(
        "{source}: TOML parse error at line {line}, column {column}: {}",
        brief(&message)
    ))
}

/// Sets an argument of a spec or of the specs inside it; `None` when one on the way is not there.
fn set_inside(spec: &mut Spec, path: &str, value: &Value) -> Option<()> {
    let Some((outer, rest)) = path.split_once('.') else {
        spec.set(path, value.clone());
        return Some(());
    };
    let mut inner = match spec.get(outer)? {
        Value::Spec(inner) => inner.clone(),
        Value::Text(text) => text.parse().ok()?,
        _ => return None,
    };
    set_inside(&mut inner, rest, value)?;
    spec.set(outer, inner.into());
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recipe_survives_a_round_trip() {
        let text = "dataset = \"cifar10\"\nmodel = \"resnet20(init=normal(std=0.1))\"\nlr = 0.1\naugment = \"pad_crop(4) | hflip\"\n\
                    [optimizer]\nname = \"sgd\"\nmomentum = 0.9\n[[groups]]\npath = \"*.bias\"\nweight_decay = 0.0\n";
        let recipe = Recipe::from_toml(text, "test").unwrap();
        assert_eq!(recipe.optimizer.to_string(), "sgd(momentum=0.9)");
        assert_eq!(recipe.groups[0].lr, 1.0);
        let again = recipe.to_toml().unwrap();
        assert_eq!(Recipe::from_toml(&again, "test").unwrap(), recipe);
        assert_eq!(Recipe::from_toml("", "test").unwrap(), Recipe::default());
    }

    #[test]
    fn places_are_no_part_of_the_identity() {
        let at = |folder: &str, weights: &str| Recipe {
            dataset: format!("folder:{folder}"),
            weights: Some(weights.into()),
            data_dir: Some(folder.into()),
            ..Recipe::default()
        };
        let identity = at("/a", "w.pth").identity();
        assert_eq!(identity, at("b/c", "/else/w.pth").identity());
        assert_eq!(identity, identity.identity(), "nothing more to take off");
        let named = Recipe {
            dataset: "mnist".into(),
            ..at("/a", "w.pth")
        };
        assert_ne!(identity, named.identity());
    }

    #[test]
    fn mistakes_are_named() {
        for (text, needle) in [
            (
                "epoch = 3",
                "r.toml has no key `epoch` (did you mean `epochs`?)",
            ),
            (
                "epochs = \"many\"",
                "r.toml: epochs = \"many\" is not valid: expected a whole number, not the string",
            ),
            ("epochs = ", "r.toml: TOML parse error"),
            ("augment = \"hflip |\"", "expected a name"),
        ] {
            let error = Recipe::from_toml(text, "r.toml").unwrap_err().to_string();
            assert!(error.contains(needle), "{text}: {error}");
        }
    }

    #[test]
    fn a_recipe_of_any_size_and_depth_is_read_or_refused_on_one_line() {
        let deep = "a(".repeat(9_000);
        let long = "x".repeat(1 << 20);
        for (text, needle) in [
            (
                format!("optimizer = \"{deep}\""),
                "nested more than 32 levels deep",
            ),
            (
                format!("augment = \"{deep}\""),
                "nested more than 32 levels deep",
            ),
            (
                format!("[[groups]]\npath = \"*\"\noptimizer = \"{deep}\""),
                "nested more than 32 levels deep",
            ),
            (format!("schedule = {}", "[".repeat(9_000)), "line 1"),
            (format!("epochs = 3\n{long} {long}"), "line 2"),
            (format!("{long} = 1"), "has no key `xxx"),
            (format!("epochs = \"{long}\""), "expected a whole number"),
            (format!("fit = \"{long}\""), "fit = "),
        ] {
            let error = Recipe::from_toml(&text, "r.toml").unwrap_err().to_string();
            let long = error.lines().map(str::len).max().unwrap_or(0);
            assert!(
                error.starts_with("r.toml") && error.contains(needle),
                "{error:.400}"
            );
            assert!(
                long < 1_600 && error.lines().count() == 1,
                "{long}: {error:.400}"
            );
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("r.toml");
        std::fs::write(&path, vec![b' '; 5 << 20]).unwrap();
        let error = Recipe::read(&path).unwrap_err().to_string();
        assert!(error.contains("larger than 4 MiB"), "{error}");
        std::fs::write(&path, [0xff, 0xfe]).unwrap();
        assert!(
            Recipe::read(&path)
                .unwrap_err()
                .to_string()
                .contains("not a UTF-8 text file")
        );
    }

    #[test]
    fn values_are_set_by_key() {
        let mut recipe = Recipe {
            optimizer: "sgd(momentum=0.9)".parse().unwrap(),
            schedule: "warmup(steps=1ep, then=cosine(min_lr=0))".parse().unwrap(),
            augment: "pad_crop(size=4) | hflip".parse().unwrap(),
            ..Recipe::default()
        };
        for (key, value) in [
            ("lr", Value::Number(0.25)),
            ("batch_size", Value::Integer(17)),
            ("optimizer.momentum", Value::Number(0.5)),
            ("schedule.then.min_lr", Value::Number(0.125)),
            ("augment.pad_crop.size", Value::Integer(2)),
            ("model", Value::Spec(Spec::new("lenet5"))),
        ] {
            recipe.set(key, &value).unwrap();
        }
        assert_eq!((recipe.lr, recipe.batch_size), (Some(0.25), 17));
        assert_eq!(recipe.optimizer.to_string(), "sgd(momentum=0.5)");
        assert_eq!(
            recipe.schedule.to_string(),
            "warmup(steps=1ep, then=cosine(min_lr=0.125))"
        );
        assert_eq!(recipe.augment.to_string(), "pad_crop(size=2) | hflip");
        assert_eq!(recipe.model.name, "lenet5");
        let before = recipe.clone();
        for (key, value, needle) in [
            ("bach_size", 1.0, "did you mean `batch_size`?"),
            (
                "batch_size",
                1.5,
                "recipe: batch_size = 1.5 is not valid: expected a whole number",
            ),
            ("batch_size.x", 1.0, "no `batch_size` with arguments"),
            ("schedule.base.lr", 1.0, "no `schedule.base` with arguments"),
            (
                "augment.cutout.size",
                1.0,
                "no `augment.cutout` with arguments",
            ),
        ] {
            let error = recipe.set(key, &Value::Number(value)).unwrap_err();
            assert!(error.to_string().contains(needle), "{key}: {error}");
        }
        assert_eq!(recipe, before);
    }
}
