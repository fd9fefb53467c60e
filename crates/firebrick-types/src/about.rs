//! What every unit says about itself: its name, its fields and the values they can take. Validation, listings
//! and the contract tests of all families read it from here.

use std::fmt;

use crate::ConfigError;
use crate::spec::{Config, Spec, Value, values};

/// What a unit says about itself, whatever its family.
///
/// ```
/// use firebrick_types::about::{About, Field, Range};
/// const ABOUT: About = About::new(
///     "hflip",
///     "mirrors left and right with a probability",
///     &[Field::new("prob", Range::Within(0.0, 1.0))],
/// );
/// assert_eq!(ABOUT.fields[0].range.to_string(), "in [0, 1]");
/// ```
#[derive(Debug, Clone, Copy)]
pub struct About {
    /// The name in spec strings.
    pub name: &'static str,
    /// Other names that are understood.
    pub aliases: &'static [&'static str],
    /// One line on what it is.
    pub summary: &'static str,
    /// The paper or the reference implementation; empty where there is none.
    pub source: &'static str,
    /// Its fields, in the order of the struct.
    pub fields: &'static [Field],
    /// What it costs, in words; of an optimizer what a step costs: passes over the parameters, gradients,
    /// products of matrices. Empty where it costs next to nothing.
    pub cost: &'static str,
}

impl About {
    /// A unit with a name, a line on what it is, and its fields.
    #[must_use]
    pub const fn new(name: &'static str, summary: &'static str, fields: &'static [Field]) -> Self {
        Self {
            name,
            aliases: &[],
            summary,
            source: "",
            fields,
            cost: "",
        }
    }

    /// With the paper or the reference implementation.
    #[must_use]
    pub const fn source(self, source: &'static str) -> Self {
        Self { source, ..self }
    }

    /// Reads a configuration from a spec and checks every field: what builds a unit starts here.
    ///
    /// # Errors
    /// Those of [`Spec::resolve`] and [`Self::check`].
    pub fn resolve<C: Config>(&self, spec: &Spec) -> Result<C, ConfigError> {
        let config = spec.resolve()?;
        self.check(&config)?;
        Ok(config)
    }

    /// Checks that every field is in its range. Fields that are left out are not checked.
    ///
    /// # Errors
    /// [`ConfigError::OutOfRange`] naming the field, the value and the range.
    pub fn check<C: Config>(&self, config: &C) -> Result<(), ConfigError> {
        for (name, value) in values(config) {
            if let Some(field) = self.field(&name) {
                field.range.check(self.name, &name, &value)?;
            }
        }
        Ok(())
    }

    /// What is said of a field.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// The name and the aliases.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + use<> {
        std::iter::once(self.name).chain(self.aliases.iter().copied())
    }
}

/// A field of a unit: a hyper-parameter, an option.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// The values it can take.
    pub range: Range,
    /// The constant of the lecture "Training Neural Networks II", where it names one.
    pub lecture: Option<&'static str>,
    /// Whether this `momentum`, `beta1` or `weight_decay` ignores a schedule of the momentum or the weight
    /// decay.
    pub fixed: bool,
}

impl Field {
    /// A field without a word from the lecture.
    #[must_use]
    pub const fn new(name: &'static str, range: Range) -> Self {
        Self {
            name,
            range,
            lecture: None,
            fixed: false,
        }
    }

    /// A field that keeps its own value under a schedule of the momentum or the weight decay.
    #[must_use]
    pub const fn fixed(self) -> Self {
        Self {
            fixed: true,
            ..self
        }
    }

    /// With the lecture's constant.
    #[must_use]
    pub const fn lecture(self, constant: &'static str) -> Self {
        Self {
            lecture: Some(constant),
            ..self
        }
    }

    /// The learning rate: finite and at least 0.
    pub const LR: Self = Self::new("lr", Range::NotNegative);

    /// The weight decay: finite and at least 0.
    pub const WEIGHT_DECAY: Self = Self::new("weight_decay", Range::NotNegative);

    /// What keeps a divisor from zero: finite and greater than 0.
    pub const EPS: Self = Self::new("eps", Range::Positive);
}

/// The values that a field can take. NaN and infinity are outside all of them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Range {
    /// Finite and at least 0.
    NotNegative,
    /// Finite and greater than 0.
    Positive,
    /// Finite and at least this.
    AtLeast(f64),
    /// A share that is kept: [0, 1).
    Share,
    /// A factor that shrinks or keeps: (0, 1].
    Factor,
    /// [low, high].
    Within(f64, f64),
    /// [low, high], or this word.
    WithinOr(f64, f64, &'static str),
    /// (low, high).
    Between(f64, f64),
    /// [0, another field]. The unit checks the upper end itself, because that field may be left out.
    UpTo(&'static str),
    /// A whole number that is at least this.
    Count(u64),
    /// A whole number in [low, high].
    Whole(u64, u64),
    /// Any finite number.
    Finite,
    /// `true` or `false`.
    Flag,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A number of updates, or a length such as `10ep` or `75%`.
    Length,
    /// The path of a parameter as in weights files, with `*` for any run of characters.
    Path,
    /// A unit of this family, which is checked by itself.
    Unit(&'static str),
    /// A list, each entry of which is in this range.
    Each(&'static Range),
}

impl Range {
    fn check(self, unit: &str, field: &str, value: &Value) -> Result<(), ConfigError> {
        if let Value::List(entries) = value {
            let range = match self {
                Self::Each(range) => *range,
                other => other,
            };
            for (index, entry) in entries.iter().enumerate() {
                range.check(unit, &format!("{field}[{index}]"), entry)?;
            }
            return Ok(());
        }
        let good = match (self, value) {
            (_, Value::Number(number)) => self.contains(*number),
            (_, Value::Integer(number)) => self.contains(*number as f64),
            (Self::Choice(words), Value::Text(word)) => words.contains(&word.as_str()),
            (Self::WithinOr(_, _, known), Value::Text(word)) => known == word,
            // Their type says it all.
            _ => true,
        };
        if good {
            return Ok(());
        }
        // Numbers are written as such.
        let written = match value {
            Value::Number(number) => number.to_string(),
            other => other.to_string(),
        };
        Err(ConfigError::out_of_range(
            unit,
            field,
            written,
            self.to_string(),
        ))
    }

    fn contains(self, number: f64) -> bool {
        number.is_finite()
            && match self {
                Self::NotNegative | Self::UpTo(_) => number >= 0.0,
                Self::Positive => number > 0.0,
                Self::AtLeast(least) => number >= least,
                Self::Share => (0.0..1.0).contains(&number),
                Self::Factor => number > 0.0 && number <= 1.0,
                Self::Within(low, high) | Self::WithinOr(low, high, _) => {
                    (low..=high).contains(&number)
                }
                Self::Between(low, high) => low < number && number < high,
                Self::Count(least) => number >= least as f64,
                Self::Whole(low, high) => (low as f64..=high as f64).contains(&number),
                _ => true,
            }
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotNegative => f.write_str("finite and at least 0"),
            Self::Positive => f.write_str("finite and greater than 0"),
            Self::AtLeast(least) => write!(f, "finite and at least {least}"),
            Self::Share => f.write_str("in [0, 1)"),
            Self::Factor => f.write_str("in (0, 1]"),
            Self::Within(low, high) => write!(f, "in [{low}, {high}]"),
            Self::WithinOr(low, high, word) => write!(f, "in [{low}, {high}], or {word}"),
            Self::Between(low, high) => write!(f, "in ({low}, {high})"),
            Self::UpTo(field) => write!(f, "in [0, {field}]"),
            Self::Count(least) => write!(f, "a whole number of at least {least}"),
            Self::Whole(low, high) => write!(f, "a whole number in [{low}, {high}]"),
            Self::Finite => f.write_str("finite"),
            Self::Flag => f.write_str("true or false"),
            Self::Choice(words) => write!(f, "one of {}", words.join(", ")),
            Self::Length => f.write_str("a number of updates, or a length such as 10ep or 75%"),
            Self::Path => {
                f.write_str("a parameter path as in weights files; * stands for any text")
            }
            Self::Unit(family) => {
                let article = if family.starts_with(['a', 'e', 'i', 'o', 'u']) {
                    "an"
                } else {
                    "a"
                };
                write!(f, "{article} {family}")
            }
            Self::Each(range) => write!(f, "a list; each entry {range}"),
        }
    }
}
