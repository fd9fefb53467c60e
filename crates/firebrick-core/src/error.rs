//! Errors about configuration, shared by every crate, and the checks that make them.

use std::fmt::Display;
use std::ops::{Bound, RangeBounds};

/// A name, key or value in a configuration that cannot be used.
///
/// Every message names the thing, the value and what would be right.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A number outside its range (NaN is outside every range).
    #[error("{unit}: {field} = {value} is out of range: it must be {range}")]
    OutOfRange {
        /// The unit that was configured, such as `sgd`.
        unit: String,
        /// The field.
        field: String,
        /// The value that was given.
        value: String,
        /// The allowed range in words or interval notation.
        range: String,
    },
    /// A value of the wrong kind.
    #[error("{unit}: {field} = {value} has the wrong type: {expected}")]
    WrongType {
        /// The unit that was configured.
        unit: String,
        /// The field.
        field: String,
        /// The value that was given.
        value: String,
        /// What was expected.
        expected: String,
    },
    /// A name that is in no registry of its family.
    #[error("unknown {family} `{name}`{}; known: {known}", did_you_mean(.suggestion))]
    UnknownName {
        /// What was looked up, such as `optimizer`.
        family: String,
        /// The name that was given.
        name: String,
        /// The nearest known name.
        suggestion: Option<String>,
        /// All known names.
        known: String,
    },
    /// A key that the unit does not have.
    #[error("{unit} has no key `{key}`{}; its keys: {known}", did_you_mean(.suggestion))]
    UnknownKey {
        /// The unit that was configured.
        unit: String,
        /// The key that was given.
        key: String,
        /// The nearest known key.
        suggestion: Option<String>,
        /// All keys of the unit.
        known: String,
    },
    /// Text that is not a spec string.
    #[error("cannot read `{text}` at character {position}: {message}")]
    Syntax {
        /// The whole text.
        text: String,
        /// Position in characters, from 1.
        position: usize,
        /// What was expected there.
        message: String,
    },
    /// Settings that contradict each other, or that are not possible together.
    #[error("{0}")]
    Conflict(String),
}

fn did_you_mean(suggestion: &Option<String>) -> String {
    suggestion
        .as_ref()
        .map_or(String::new(), |name| format!(" (did you mean `{name}`?)"))
}

impl ConfigError {
    /// A number outside its range.
    pub fn out_of_range(
        unit: &str,
        field: &str,
        value: impl Display,
        range: impl Into<String>,
    ) -> Self {
        Self::OutOfRange {
            unit: unit.into(),
            field: field.into(),
            value: value.to_string(),
            range: range.into(),
        }
    }

    /// A name that is not in `known`, with the nearest one suggested.
    pub fn unknown_name<'a>(
        family: &str,
        name: &str,
        known: impl IntoIterator<Item = &'a str> + Clone,
    ) -> Self {
        Self::UnknownName {
            family: family.into(),
            name: name.into(),
            suggestion: nearest(name, known.clone()),
            known: join(known),
        }
    }

    /// A key that is not in `known`, with the nearest one suggested.
    pub fn unknown_key<'a>(
        unit: &str,
        key: &str,
        known: impl IntoIterator<Item = &'a str> + Clone,
    ) -> Self {
        let all = join(known.clone());
        Self::UnknownKey {
            unit: unit.into(),
            key: key.into(),
            suggestion: nearest(key, known),
            known: if all.is_empty() { "none".into() } else { all },
        }
    }
}

fn join<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().collect::<Vec<_>>().join(", ")
}

/// The candidate nearest to `name`, the first of several, if one is near enough to be a slip of the
/// hand.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let name = name.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| {
            let contained =
                name.len() >= 3 && (candidate.contains(&name) || name.contains(candidate));
            let score =
                strsim::jaro_winkler(&name, candidate).max(if contained { 0.9 } else { 0.0 });
            (score, candidate)
        })
        .filter(|(score, _)| *score >= 0.75)
        .min_by(|a, b| b.0.total_cmp(&a.0))
        .map(|(_, candidate)| candidate.to_string())
}

/// `Ok` when `value` lies in `range`; NaN never does.
///
/// ```
/// use firebrick_core::error::check;
/// assert!(check("sgd", "momentum", 0.9, 0.0..1.0).is_ok());
/// let error = check("sgd", "momentum", f64::NAN, 0.0..1.0).unwrap_err();
/// assert_eq!(error.to_string(), "sgd: momentum = NaN is out of range: it must be in [0, 1)");
/// ```
///
/// # Errors
/// [`ConfigError::OutOfRange`].
pub fn check<T: PartialOrd + Display>(
    unit: &str,
    field: &str,
    value: T,
    range: impl RangeBounds<T>,
) -> Result<(), ConfigError> {
    if range.contains(&value) {
        return Ok(());
    }
    let low = match range.start_bound() {
        Bound::Included(low) => format!("[{low}"),
        Bound::Excluded(low) => format!("({low}"),
        Bound::Unbounded => "(-∞".to_string(),
    };
    let high = match range.end_bound() {
        Bound::Included(high) => format!("{high}]"),
        Bound::Excluded(high) => format!("{high})"),
        Bound::Unbounded => "∞)".to_string(),
    };
    Err(ConfigError::out_of_range(
        unit,
        field,
        value,
        format!("in {low}, {high}"),
    ))
}

/// `Ok` when `value` is finite and greater than zero.
///
/// # Errors
/// [`ConfigError::OutOfRange`].
pub fn check_positive(unit: &str, field: &str, value: f64) -> Result<(), ConfigError> {
    check_where(
        unit,
        field,
        value,
        value.is_finite() && value > 0.0,
        "finite and greater than 0",
    )
}

/// `Ok` when `value` is finite and not negative.
///
/// # Errors
/// [`ConfigError::OutOfRange`].
pub fn check_not_negative(unit: &str, field: &str, value: f64) -> Result<(), ConfigError> {
    check_where(
        unit,
        field,
        value,
        value.is_finite() && value >= 0.0,
        "finite and at least 0",
    )
}

fn check_where(
    unit: &str,
    field: &str,
    value: f64,
    good: bool,
    range: &str,
) -> Result<(), ConfigError> {
    if good {
        Ok(())
    } else {
        Err(ConfigError::out_of_range(unit, field, value, range))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggestions_are_near_names_only() {
        let names = ["sgd", "adam", "adamw"];
        assert_eq!(nearest("adm", names), Some("adam".into()));
        assert_eq!(nearest("adamW", names), Some("adamw".into()));
        assert_eq!(nearest("quux", names), None);
        assert_eq!(nearest("beta", ["beta1", "beta2"]), Some("beta1".into()));
    }

    #[test]
    fn ranges_name_their_bounds() {
        let error = check("adam", "beta1", 1.0, 0.0..1.0).unwrap_err();
        assert_eq!(
            error.to_string(),
            "adam: beta1 = 1 is out of range: it must be in [0, 1)"
        );
        assert!(check_positive("adam", "lr", f64::INFINITY).is_err());
        assert!(check_not_negative("adam", "lr", -0.1).is_err());
        assert!(check_not_negative("adam", "lr", 0.0).is_ok());
    }
}
