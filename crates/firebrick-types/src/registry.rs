//! Registries: one list per family of units, from which names, listings, validation and contract tests come.
//! A crate outside this workspace adds its own units to them with [`Registry::register`].

use std::sync::{PoisonError, RwLock};

use crate::ConfigError;
use crate::about::About;
use crate::spec::{Config, Spec, Value, fields};

/// How a family builds the unit whose configuration is `C`.
///
/// Each family has one type for this, which holds what its registry keeps of every unit: usually a function
/// from a spec to what is built.
pub trait BuildOf<C: Config>: Sized + 'static {
    /// What the unit says about itself.
    const ABOUT: &'static About;
    /// How it is built.
    const BUILD: Self;
    /// Its fields in positional order, each with its default: those of `C`. A family that adds keys of its own to every
    /// unit says so here and in `CHECK`.
    const FIELDS: fn() -> Vec<(String, serde_json::Value)> = fields::<C>;
    /// Whether a spec has known keys, fitting types and values in their ranges.
    const CHECK: fn(&About, &Spec) -> Result<(), ConfigError> =
        |about, spec| about.resolve::<C>(spec).map(drop);
}

/// A unit in a registry.
#[derive(Debug, Clone, Copy)]
pub struct Entry<B> {
    /// What it says about itself.
    pub about: &'static About,
    /// Its fields in positional order, each with its default.
    pub fields: fn() -> Vec<(String, serde_json::Value)>,
    /// How it is built.
    pub build: B,
    /// Whether a spec with its name has known keys, fitting types and values in their ranges.
    check: fn(&About, &Spec) -> Result<(), ConfigError>,
}

impl<B> Entry<B> {
    /// The entry of the unit whose configuration is `C`.
    #[must_use]
    pub const fn of<C: Config>() -> Self
    where
        B: BuildOf<C>,
    {
        Self {
            about: B::ABOUT,
            fields: B::FIELDS,
            build: B::BUILD,
            check: B::CHECK,
        }
    }

    /// An entry with the fields of `C`, for configurations that several units share.
    #[must_use]
    pub const fn new<C: Config>(about: &'static About, build: B) -> Self {
        Self {
            about,
            fields: fields::<C>,
            build,
            check: |about, spec| about.resolve::<C>(spec).map(drop),
        }
    }

    /// Checks a spec with this name without building anything: keys, types and ranges.
    ///
    /// # Errors
    /// [`ConfigError`] naming the field and the value.
    pub fn check(&self, spec: &Spec) -> Result<(), ConfigError> {
        (self.check)(self.about, spec)
    }

    /// The entry without the way to build it: what listings of any family need.
    #[must_use]
    pub fn described(&self) -> Entry<()> {
        Entry {
            about: self.about,
            fields: self.fields,
            build: (),
            check: self.check,
        }
    }

    /// `name(field=default, …)`, as listings show it; fields without a default are left out.
    #[must_use]
    pub fn signature(&self) -> String {
        let fields = (self.fields)();
        let shown = fields.iter().filter(|(_, default)| !default.is_null());
        self.call(shown.map(|(field, default)| format!("{field}={}", plain(default))))
    }

    /// [`Self::signature`] with the fields that have no default as well.
    #[must_use]
    pub fn full_signature(&self) -> String {
        self.call((self.fields)().iter().map(|(field, default)| {
            if default.is_null() {
                field.clone()
            } else {
                format!("{field}={}", plain(default))
            }
        }))
    }

    fn call(&self, arguments: impl Iterator<Item = String>) -> String {
        let arguments: Vec<_> = arguments.collect();
        if arguments.is_empty() {
            self.about.name.into()
        } else {
            format!("{}({})", self.about.name, arguments.join(", "))
        }
    }

    /// Refuses a unit whose description does not name the fields of its configuration, in their order.
    fn check_description(&self) -> Result<(), ConfigError> {
        let described: Vec<_> = self.about.fields.iter().map(|field| field.name).collect();
        let fields = (self.fields)();
        let fields: Vec<_> = fields.iter().map(|(field, _)| field.as_str()).collect();
        if described == fields {
            return Ok(());
        }
        Err(ConfigError::Conflict(format!(
            "`{}` describes the fields [{}], but its configuration has [{}]: list the same fields in `ABOUT`, \
             in the same order",
            self.about.name,
            described.join(", "),
            fields.join(", ")
        )))
    }

    fn is_named(&self, name: &str) -> bool {
        self.about.names().any(|own| own == name)
    }
}

/// A default as it is written in a spec.
fn plain(default: &serde_json::Value) -> String {
    match default {
        serde_json::Value::Array(values) => {
            let values: Vec<_> = values.iter().map(plain).collect();
            format!("[{}]", values.join(", "))
        }
        other => other.to_string().replace('"', ""),
    }
}

/// All units of one family.
#[derive(Debug)]
pub struct Registry<B: 'static> {
    /// What the units are, for messages: `optimizer`.
    pub family: &'static str,
    built_in: &'static [Entry<B>],
    /// Those of other crates.
    registered: RwLock<Vec<Entry<B>>>,
}

impl<B: Copy> Registry<B> {
    /// The registry of a family, with the units of its own crate.
    #[must_use]
    pub const fn new(family: &'static str, built_in: &'static [Entry<B>]) -> Self {
        Self {
            family,
            built_in,
            registered: RwLock::new(Vec::new()),
        }
    }

    /// All units: those of this crate, then those that were registered, in order.
    #[must_use]
    pub fn entries(&self) -> Vec<Entry<B>> {
        let registered = self
            .registered
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        self.built_in.iter().chain(&*registered).copied().collect()
    }

    /// The names of all units, without their aliases.
    #[must_use]
    pub fn names(&self) -> Vec<&'static str> {
        let entries = self.entries();
        entries.iter().map(|entry| entry.about.name).collect()
    }

    /// The unit that a spec names, by its name or an alias.
    ///
    /// # Errors
    /// [`ConfigError::UnknownName`] with the nearest name.
    pub fn find(&self, spec: &Spec) -> Result<Entry<B>, ConfigError> {
        let mut entries = self.entries().into_iter();
        let found = entries.find(|entry| entry.is_named(&spec.name));
        found.ok_or_else(|| ConfigError::unknown_name(self.family, &spec.name, self.names()))
    }

    /// Makes a unit of another crate known by name: to spec strings, recipes, listings and the command
    /// line. Call it when a program starts.
    ///
    /// # Errors
    /// [`ConfigError::Conflict`] when the name or an alias is taken, or when the unit does not describe
    /// the fields that it has.
    pub fn register(&self, entry: Entry<B>) -> Result<(), ConfigError> {
        entry.check_description()?;
        let mut registered = self
            .registered
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let is_taken = |name: &&str| {
            let mut known = self.built_in.iter().chain(&*registered);
            known.any(|other| other.is_named(name))
        };
        if let Some(name) = entry.about.names().find(is_taken) {
            return Err(ConfigError::Conflict(format!(
                "the {} `{}` cannot be registered: the name `{name}` is taken",
                self.family, entry.about.name
            )));
        }
        registered.push(entry);
        Ok(())
    }

    /// The first unit of another crate that a spec names, for itself or inside it.
    #[must_use]
    pub fn registered_in(&self, spec: &Spec) -> Option<&'static str> {
        let registered = self
            .registered
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        if registered.is_empty() {
            return None;
        }
        let own = registered.iter().find(|entry| entry.is_named(&spec.name));
        let own = own.map(|entry| entry.about.name);
        drop(registered);
        let named = spec.named.iter().map(|(_, value)| value);
        let mut inside = spec.positional.iter().chain(named);
        own.or_else(|| inside.find_map(|value| self.registered_in_value(value)))
    }

    fn registered_in_value(&self, value: &Value) -> Option<&'static str> {
        match value {
            Value::Spec(spec) => self.registered_in(spec),
            Value::List(values) => values
                .iter()
                .find_map(|value| self.registered_in_value(value)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
