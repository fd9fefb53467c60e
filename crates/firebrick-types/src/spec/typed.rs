//! Converts specs to configuration structs and back, through serde.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::tree::{Pipeline, Spec, Value};
use crate::ConfigError;
use crate::error::excerpt;

/// A configuration struct that a spec can fill: plain data with a default for every field.
pub trait Config: Default + Serialize + DeserializeOwned {}

impl<T: Default + Serialize + DeserializeOwned> Config for T {}

/// The fields of a configuration in their declared order, each with its default.
#[must_use]
pub fn fields<T: Config>() -> Vec<(String, serde_json::Value)> {
    match serde_json::to_value(T::default()) {
        Ok(serde_json::Value::Object(object)) => object.into_iter().collect(),
        _ => Vec::new(),
    }
}

/// The fields of a configuration that have a value, in their declared order. Numbers that are not
/// finite are there too, for a range check to name.
#[must_use]
pub fn values<T: Config>(config: &T) -> Vec<(String, Value)> {
    match toml::Table::try_from(config) {
        Ok(table) => table
            .into_iter()
            .filter_map(|(name, value)| Some((name, Value::from_toml(value).ok()?)))
            .collect(),
        // A whole number beyond the 63 bits of TOML.
        Err(_) => Spec::canonical("", config).named,
    }
}

impl Spec {
    /// Fills `T` from the arguments; fields that are not given keep their defaults.
    ///
    /// # Errors
    /// [`ConfigError::UnknownKey`] with the nearest key, [`ConfigError::WrongType`], or
    /// [`ConfigError::Conflict`] for too many or doubled arguments.
    pub fn resolve<T: Config>(&self) -> Result<T, ConfigError> {
        let fields = fields::<T>();
        let names = || fields.iter().map(|(name, _)| name.as_str());
        if self.positional.len() > fields.len() {
            return Err(ConfigError::Conflict(format!(
                "{}: {} positional arguments, but {} takes at most {} ({})",
                excerpt(&self.to_string()),
                self.positional.len(),
                self.name,
                fields.len(),
                names().collect::<Vec<_>>().join(", "),
            )));
        }
        let mut table = toml::Table::new();
        for (value, name) in self.positional.iter().zip(names()) {
            table.insert(name.into(), value.to_toml());
        }
        for (key, value) in &self.named {
            if !names().any(|name| name == key) {
                return Err(ConfigError::unknown_key(
                    &self.name,
                    key,
                    names().collect::<Vec<_>>(),
                ));
            }
            if table.insert(key.clone(), value.to_toml()).is_some() {
                return Err(ConfigError::Conflict(format!(
                    "{}: `{key}` is given twice, by position and by name",
                    excerpt(&self.to_string())
                )));
            }
        }
        T::deserialize(table.clone()).map_err(|_| self.wrong_type::<T>(table))
    }

    /// Finds the field that does not fit, so that the message can name it.
    fn wrong_type<T: Config>(&self, table: toml::Table) -> ConfigError {
        for (field, value) in table {
            let alone = toml::Table::from_iter([(field.clone(), value.clone())]);
            if let Err(error) = T::deserialize(alone) {
                let message = error.to_string();
                return ConfigError::WrongType {
                    unit: self.name.clone(),
                    field,
                    value: value.to_string(),
                    expected: message.lines().next().unwrap_or_default().to_string(),
                };
            }
        }
        ConfigError::Conflict(format!("{} cannot be read", excerpt(&self.to_string())))
    }

    /// The canonical form of a configuration: every field that has a value, by name, in order.
    #[must_use]
    pub fn canonical<T: Config>(name: &str, config: &T) -> Self {
        let mut spec = Self::new(name);
        if let Ok(serde_json::Value::Object(object)) = serde_json::to_value(config) {
            spec.named = object
                .into_iter()
                .filter_map(|(key, value)| Some((key, Value::from_json(value)?)))
                .collect();
        }
        spec
    }
}

impl Value {
    pub(crate) fn to_toml(&self) -> toml::Value {
        match self {
            Self::Integer(value) => toml::Value::Integer(*value),
            Self::Number(value) => toml::Value::Float(*value),
            Self::Bool(value) => toml::Value::Boolean(*value),
            Self::Text(value) => toml::Value::String(value.clone()),
            Self::List(values) => toml::Value::Array(values.iter().map(Self::to_toml).collect()),
            Self::Spec(spec) => toml::Value::String(spec.to_string()),
        }
    }

    fn from_toml(value: toml::Value) -> Result<Self, ConfigError> {
        Ok(match value {
            toml::Value::Integer(value) => Self::Integer(value),
            toml::Value::Float(value) => Self::Number(value),
            toml::Value::Boolean(value) => Self::Bool(value),
            toml::Value::String(value) => Self::Text(value),
            toml::Value::Array(values) => Self::List(
                values
                    .into_iter()
                    .map(Self::from_toml)
                    .collect::<Result<_, _>>()?,
            ),
            toml::Value::Table(_) => Self::Spec(spec_from_toml(value)?),
            toml::Value::Datetime(value) => {
                return Err(ConfigError::Conflict(format!(
                    "{value}: no setting takes a date"
                )));
            }
        })
    }

    fn from_json(value: serde_json::Value) -> Option<Self> {
        match value {
            serde_json::Value::Null | serde_json::Value::Object(_) => None,
            serde_json::Value::Bool(value) => Some(Self::Bool(value)),
            serde_json::Value::Number(value) => value
                .as_i64()
                .map(Self::Integer)
                .or(value.as_f64().map(Self::Number)),
            // A spec or a plain word inside a configuration prints without quotes.
            serde_json::Value::String(value) => {
                Some(value.parse().map_or(Self::Text(value), Self::Spec))
            }
            serde_json::Value::Array(values) => Some(Self::List(
                values.into_iter().filter_map(Self::from_json).collect(),
            )),
        }
    }
}

fn spec_from_toml(value: toml::Value) -> Result<Spec, ConfigError> {
    match value {
        toml::Value::String(text) => text.parse(),
        toml::Value::Table(mut table) => {
            let Some(toml::Value::String(name)) = table.remove("name") else {
                return Err(ConfigError::Conflict(format!(
                    "this table needs a key `name`, as in {{ name = \"sgd\", lr = 0.1 }}: {}",
                    excerpt(table.to_string().trim_end())
                )));
            };
            let named: Result<_, ConfigError> = table
                .into_iter()
                .map(|(key, value)| Ok((key, Value::from_toml(value)?)))
                .collect();
            let spec = Spec {
                named: named?,
                ..Spec::new(&name)
            };
            spec.check_depth()?;
            Ok(spec)
        }
        other => Err(ConfigError::Conflict(format!(
            "expected \"name(key=value, …)\" or a table, found {}",
            excerpt(&other.to_string())
        ))),
    }
}

impl Serialize for Spec {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for Pipeline {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Reads a spec string, or a table with the key `name` and one key per argument.
impl<'de> Deserialize<'de> for Spec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        spec_from_toml(toml::Value::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// Reads a pipeline string, or an array of spec strings and tables.
impl<'de> Deserialize<'de> for Pipeline {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match toml::Value::deserialize(deserializer)? {
            toml::Value::String(text) => text.parse().map_err(serde::de::Error::custom),
            toml::Value::Array(specs) => {
                let specs: Result<_, _> = specs.into_iter().map(spec_from_toml).collect();
                specs.map(Self).map_err(serde::de::Error::custom)
            }
            other => spec_from_toml(other)
                .map(|spec| Self(vec![spec]))
                .map_err(serde::de::Error::custom),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::length::Length;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Sgd {
        lr: f64,
        momentum: f64,
        steps: Option<Length>,
        mode: Spec,
    }

    impl Default for Sgd {
        fn default() -> Self {
            Self {
                lr: 0.001,
                momentum: 0.0,
                steps: None,
                mode: Spec::new("plain"),
            }
        }
    }

    fn resolve(text: &str) -> Result<Sgd, ConfigError> {
        text.parse::<Spec>()?.resolve()
    }

    #[test]
    fn arguments_fill_fields_by_position_and_name() {
        let sgd = resolve("sgd(1, 0.9, steps=10ep, mode=exp(k=2))").unwrap();
        assert_eq!(sgd.lr, 1.0);
        assert_eq!(sgd.momentum, 0.9);
        assert_eq!(sgd.steps, Some(Length::Epochs(10.0)));
        assert_eq!(sgd.mode, Spec::new("exp").with("k", 2u64));
        assert_eq!(
            resolve("sgd(steps=500)").unwrap().steps,
            Some(Length::Updates(500))
        );
    }

    #[test]
    fn the_canonical_form_reads_back_to_the_same_configuration() {
        for text in [
            "sgd",
            "sgd(0.1)",
            "sgd(1e-8, 0.9, steps=75%, mode=exp(k=2))",
        ] {
            let config = resolve(text).unwrap();
            let canonical = Spec::canonical("sgd", &config);
            assert_eq!(
                canonical
                    .to_string()
                    .parse::<Spec>()
                    .unwrap()
                    .resolve::<Sgd>()
                    .unwrap(),
                config
            );
        }
        assert_eq!(
            Spec::canonical("sgd", &resolve("sgd(0.1)").unwrap()).to_string(),
            "sgd(lr=0.1, momentum=0.0, mode=plain)"
        );
    }

    #[test]
    fn mistakes_are_named() {
        for (text, needle) in [
            (
                "sgd(momentm=0.9)",
                "sgd has no key `momentm` (did you mean `momentum`?)",
            ),
            (
                "sgd(lr=\"fast\")",
                "sgd: lr = \"fast\" is not valid: expected a number, not the string \"fast\"",
            ),
            ("sgd(0.1, lr=0.2)", "given twice"),
            ("sgd(1, 2, 3, four, 5)", "at most 4"),
            ("sgd(steps=-1)", "steps = -1"),
        ] {
            let error = resolve(text).unwrap_err().to_string();
            assert!(error.contains(needle), "{text}: {error}");
        }
    }
}
