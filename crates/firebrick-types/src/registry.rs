//! Registries: the list of all units of one kind, such as all schedules. Names, listings and contract tests come
//! from it.

use crate::ConfigError;
use crate::spec::{Config, Spec, fields};

/// One unit of a family: its name, what it is, its fields, and how to build it.
pub struct Entry<B: 'static> {
    /// The name in spec strings.
    pub name: &'static str,
    /// One line on what it is.
    pub summary: &'static str,
    /// Its fields in positional order, each with its default.
    pub fields: fn() -> Vec<(String, serde_json::Value)>,
    /// Builds it from a spec with this name.
    pub build: B,
}

impl<B> Entry<B> {
    /// An entry whose fields are those of the configuration `T`.
    pub const fn new<T: Config>(name: &'static str, summary: &'static str, build: B) -> Self {
        Self {
            name,
            summary,
            fields: fields::<T>,
            build,
        }
    }

    /// `name(field=default, …)`, as listings show it; fields without a default are left out.
    #[must_use]
    pub fn signature(&self) -> String {
        signature(self.name, &(self.fields)())
    }
}

/// `name(field=default, …)`; fields without a default are left out.
#[must_use]
pub fn signature(name: &str, fields: &[(String, serde_json::Value)]) -> String {
    let shown: Vec<_> = fields
        .iter()
        .filter(|(_, v)| !v.is_null())
        .map(|(k, v)| format!("{k}={}", v.to_string().replace('"', "")))
        .collect();
    if shown.is_empty() {
        name.into()
    } else {
        format!("{name}({})", shown.join(", "))
    }
}

/// All units of one family, such as `optimizer`.
pub struct Registry<B: 'static> {
    /// What the units are, for messages.
    pub family: &'static str,
    /// The units.
    pub entries: &'static [Entry<B>],
}

impl<B> Registry<B> {
    /// The entry that `spec` names.
    ///
    /// # Errors
    /// [`ConfigError::UnknownName`] with the nearest name.
    pub fn find(&self, spec: &Spec) -> Result<&'static Entry<B>, ConfigError> {
        self.entries
            .iter()
            .find(|entry| entry.name == spec.name)
            .ok_or_else(|| {
                let names: Vec<_> = self.entries.iter().map(|entry| entry.name).collect();
                ConfigError::unknown_name(self.family, &spec.name, names)
            })
    }
}
