//! Errors about configuration, shared by every crate, and the checks that make them.

use std::borrow::Cow;
use std::fmt::Display;
use std::ops::{Bound, RangeBounds};

/// A name, key or value in a configuration that cannot be used.
///
/// Every message names the thing, the value and what would be right.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A number outside its range (NaN is outside every range).
    #[error("{unit}: {field} = {} is out of range: it must be {range}", excerpt(.value))]
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
    #[error("{unit}: {field} = {} is not valid: {}", excerpt(.value), brief(&plain(.expected)))]
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
    #[error("unknown {family} `{}`{}; known: {known}", excerpt(.name), did_you_mean(.suggestion))]
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
    #[error("{unit} has no key `{}`{}; its keys: {known}", excerpt(.key), did_you_mean(.suggestion))]
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
    #[error("cannot read `{}` at character {position}: {message}", around(.text, *.position))]
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

/// Characters of someone's input that a message repeats.
const EXCERPT: usize = 80;

/// The beginning of a text from outside, fit to stand in a message: on one line, never longer than
/// that, its control characters visible as `\u{1b}`.
///
/// ```
/// use firebrick_types::error::excerpt;
/// assert_eq!(excerpt("adam"), "adam");
/// assert_eq!(excerpt("a\u{1b}[2J\nb"), "a\\u{1b}[2J\\nb");
/// assert_eq!(excerpt(&"x".repeat(9000)).chars().count(), 81);
/// ```
#[must_use]
pub fn excerpt(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(EXCERPT) {
        None => visible(text),
        Some((end, _)) => Cow::Owned(visible(&text[..end]).into_owned() + "…"),
    }
}

/// A message from elsewhere on one line, without its middle where it is long: what was given usually
/// stands there.
#[must_use]
pub fn brief(message: &str) -> Cow<'_, str> {
    const HALF: usize = 200;
    let characters = message.chars().count();
    if characters <= 2 * HALF {
        return visible(message);
    }
    let start: String = message.chars().take(HALF).collect();
    let end: String = message.chars().skip(characters - HALF).collect();
    Cow::Owned(format!("{} … {}", visible(&start), visible(&end)))
}

/// What serde says of a value that does not fit, in the words of a user: what is expected, and what was given
/// instead. Any other message is left alone.
///
/// ```
/// use firebrick_types::error::plain;
/// assert_eq!(
///     plain("invalid type: string \"many\", expected u64"),
///     "expected a whole number, not the string \"many\""
/// );
/// assert_eq!(plain("unknown variant `x`, expected `a` or `b`"), "expected `a` or `b`");
/// ```
#[must_use]
pub fn plain(message: &str) -> Cow<'_, str> {
    let Some((given, expected)) = message.rsplit_once(", expected ") else {
        return Cow::Borrowed(message);
    };
    if given.starts_with("unknown variant ") {
        return Cow::Owned(format!("expected {expected}"));
    }
    let expected = match expected {
        "f32" | "f64" => "a number",
        "i8" | "i16" | "i32" | "i64" | "u8" | "u16" | "u32" | "u64" | "isize" | "usize" => {
            "a whole number"
        }
        "a boolean" => "true or false",
        "a sequence" => "a list",
        "a map" => "a table",
        other => other,
    };
    if let Some(length) = given.strip_prefix("invalid length ") {
        let expected = expected.replace("an array of length ", "a list of length ");
        return Cow::Owned(format!("expected {expected}, not of length {length}"));
    }
    let given = given
        .strip_prefix("invalid type: ")
        .or_else(|| given.strip_prefix("invalid value: "));
    match given {
        Some("sequence") => Cow::Owned(format!("expected {expected}, not a list")),
        Some("map") => Cow::Owned(format!("expected {expected}, not a table")),
        Some(given) => {
            let given = given.replacen("floating point", "number", 1);
            Cow::Owned(format!("expected {expected}, not the {given}"))
        }
        None => Cow::Borrowed(message),
    }
}

/// What lies around a character of a text, whose position counts from 1.
fn around(text: &str, position: usize) -> Cow<'_, str> {
    if text.chars().nth(EXCERPT).is_none() {
        return visible(text);
    }
    let first = position.saturating_sub(EXCERPT / 2);
    let part: String = text.chars().skip(first).take(EXCERPT).collect();
    let more = text.chars().nth(first + EXCERPT).is_some();
    let (before, after) = (
        if first > 0 { "…" } else { "" },
        if more { "…" } else { "" },
    );
    Cow::Owned(format!("{before}{}{after}", visible(&part)))
}

/// A text with its control characters spelled out, those that change the direction of what follows
/// among them: a name printed so can neither command a terminal nor pass for another line.
///
/// ```
/// use firebrick_types::error::visible;
/// assert_eq!(visible("größe 3×3"), "größe 3×3");
/// assert_eq!(visible("cat\u{7}\u{202e}gnp"), "cat\\u{7}\\u{202e}gnp");
/// ```
#[must_use]
pub fn visible(text: &str) -> Cow<'_, str> {
    let hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}')
    };
    if !text.contains(hidden) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if hidden(c) {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
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
/// use firebrick_types::error::check;
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
    if let (Bound::Included(low), Bound::Unbounded) = (range.start_bound(), range.end_bound()) {
        let range = format!("at least {low}");
        return Err(ConfigError::out_of_range(unit, field, value, range));
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
    fn no_message_repeats_more_than_a_line_of_the_input() {
        let long = "x\u{1b}]0;gotcha\u{7}".repeat(10_000);
        let errors = [
            ConfigError::out_of_range("sgd", "lr", &long, "finite"),
            ConfigError::unknown_name("optimizer", &long, ["sgd", "adam"]),
            ConfigError::unknown_key("sgd", &long, ["lr"]),
            ConfigError::WrongType {
                unit: "sgd".into(),
                field: "lr".into(),
                value: long.clone(),
                expected: format!("invalid type: string {long}, expected f64"),
            },
            ConfigError::Syntax {
                text: long.clone(),
                position: 70_000,
                message: "expected a name".into(),
            },
        ];
        for error in errors {
            let message = error.to_string();
            assert!(message.chars().count() < 1_200, "{message}");
            assert!(!message.contains(char::is_control), "{message:?}");
        }
        let near = ConfigError::Syntax {
            text: "a".repeat(500) + "!" + &"b".repeat(500),
            position: 501,
            message: "expected the end".into(),
        };
        assert!(near.to_string().contains("aaa!bbb"), "{near}");
    }

    #[test]
    fn what_was_expected_is_said_in_plain_words() {
        for (message, words) in [
            (
                "invalid type: floating point `2.5`, expected usize",
                "expected a whole number, not the number `2.5`",
            ),
            (
                "invalid type: sequence, expected f64",
                "expected a number, not a list",
            ),
            (
                "invalid type: integer `1`, expected a sequence",
                "expected a list, not the integer `1`",
            ),
            (
                "invalid length 2, expected an array of length 3",
                "expected a list of length 3, not of length 2",
            ),
            (
                "invalid value: string \"a, b\", expected a length such as 500 (updates), or 10ep",
                "expected a length such as 500 (updates), or 10ep, not the string \"a, b\"",
            ),
            (
                "expected a number or `random`",
                "expected a number or `random`",
            ),
            (
                "unknown field `pth`, expected one of `path`, `lr`",
                "unknown field `pth`, expected one of `path`, `lr`",
            ),
        ] {
            assert_eq!(plain(message), words);
        }
    }

    #[test]
    fn ranges_name_their_bounds() {
        let error = check("adam", "beta1", 1.0, 0.0..1.0).unwrap_err();
        assert_eq!(
            error.to_string(),
            "adam: beta1 = 1 is out of range: it must be in [0, 1)"
        );
        let error = check("train", "keep", 0, 1..).unwrap_err();
        assert_eq!(
            error.to_string(),
            "train: keep = 0 is out of range: it must be at least 1"
        );
        assert!(check_positive("adam", "lr", f64::INFINITY).is_err());
        assert!(check_not_negative("adam", "lr", -0.1).is_err());
        assert!(check_not_negative("adam", "lr", 0.0).is_ok());
    }
}
