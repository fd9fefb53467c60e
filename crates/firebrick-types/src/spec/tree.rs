//! What a spec string says: a unit and its arguments, which may be units themselves.

use std::fmt;

use crate::length::Length;

/// A unit by name with its arguments, before a registry has looked at it.
#[derive(Debug, Clone, PartialEq)]
pub struct Spec {
    /// The unit's name.
    pub name: String,
    /// Arguments without a key, in order.
    pub positional: Vec<Value>,
    /// Arguments with a key, in the order given.
    pub named: Vec<(String, Value)>,
}

/// One argument of a [`Spec`].
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A whole number.
    Integer(i64),
    /// A number; `nan` and `inf` are read so that the range check can name them.
    Number(f64),
    /// `true` or `false`.
    Bool(bool),
    /// A quoted string, or a length such as `10ep`.
    Text(String),
    /// `[a, b]`.
    List(Vec<Value>),
    /// Another spec: `warmup(steps=1ep, then=cosine)`.
    Spec(Spec),
}

/// Specs in order: `pad_crop(4) | hflip`. `none` is the empty pipeline.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Pipeline(pub Vec<Spec>);

impl Spec {
    /// A spec without arguments.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            positional: Vec::new(),
            named: Vec::new(),
        }
    }

    /// Adds or replaces a named argument.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.set(key, value.into());
        self
    }

    /// The named argument `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.named
            .iter()
            .find(|(name, _)| name == key)
            .map(|(_, value)| value)
    }

    /// Sets the named argument `key`.
    pub fn set(&mut self, key: &str, value: Value) {
        match self.named.iter_mut().find(|(name, _)| name == key) {
            Some((_, old)) => *old = value,
            None => self.named.push((key.into(), value)),
        }
    }
}

impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if self.positional.is_empty() && self.named.is_empty() {
            return Ok(());
        }
        let positional = self.positional.iter().map(ToString::to_string);
        let named = self
            .named
            .iter()
            .map(|(key, value)| format!("{key}={value}"));
        write!(
            f,
            "({})",
            positional.chain(named).collect::<Vec<_>>().join(", ")
        )
    }
}

impl fmt::Display for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("none");
        }
        f.write_str(
            &self
                .0
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(" | "),
        )
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer(value) => write!(f, "{value}"),
            // Debug keeps the point of `1.0` and writes 1e-8 as such; it reads back to the same bits.
            Self::Number(value) if value.is_nan() => f.write_str("nan"),
            Self::Number(value) => write!(f, "{value:?}"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Text(value) if is_length(value) || is_path(value) => f.write_str(value),
            Self::Text(value) => write!(
                f,
                "\"{}\"",
                value.replace('\\', "\\\\").replace('"', "\\\"")
            ),
            Self::List(values) => {
                write!(
                    f,
                    "[{}]",
                    values
                        .iter()
                        .map(ToString::to_string)
                        .collect::<Vec<_>>()
                        .join(", ")
                )
            }
            Self::Spec(spec) => write!(f, "{spec}"),
        }
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Number(value)
    }
}

impl From<u64> for Value {
    fn from(value: u64) -> Self {
        i64::try_from(value).map_or(Self::Number(value as f64), Self::Integer)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.into())
    }
}

impl From<Spec> for Value {
    fn from(value: Spec) -> Self {
        Self::Spec(value)
    }
}

/// Whether the text is printed without quotes because it reads back as a path of parameters, such as `fc.*`.
pub(super) fn is_path(text: &str) -> bool {
    let begins = text.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '_' | '*'));
    begins && text.contains(['.', '*']) && text.chars().all(in_path)
}

/// Whether a path of parameters can have this character.
pub(super) fn in_path(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '*')
}

/// Whether the text is printed without quotes because it reads back as a length.
pub(super) fn is_length(text: &str) -> bool {
    let digits = text.strip_suffix("ep").or_else(|| text.strip_suffix('%'));
    digits.is_some_and(|digits| digits.chars().all(|c| c.is_ascii_digit() || c == '.'))
        && Length::parse(text).is_ok()
}
