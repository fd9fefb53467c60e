//! The description of an optimizer apart from its arithmetic: names, ranges, paper, memory, cost. Listings,
//! validation and contract tests use it.

use firebrick_core::ConfigError;
use firebrick_core::spec::{Config, Spec, Value, fields, values};
use firebrick_core::update::Update;

/// An optimizer as plain data: fields with the literature's defaults, and what is to be said of them.
///
/// A new optimizer is one file with such a struct that also is a [`Rule`](crate::Rule), or else
/// implements [`Optimize`] itself, and [`Entry::of`] it in the registry, or handed to
/// [`register`](crate::optimizer::register) by another crate.
pub trait Configure: Config {
    /// Names, ranges, paper and cost.
    const ABOUT: About;

    /// Checks fields that are in their ranges, but may not go together.
    ///
    /// # Errors
    /// [`ConfigError::Conflict`] naming the fields and their values.
    fn check(&self) -> Result<(), ConfigError> {
        Ok(())
    }
}

/// What a configuration is as an optimizer. Every [`Rule`](crate::Rule) is one.
pub trait Optimize: Configure {
    /// The optimizer, without state, of fields that were checked.
    ///
    /// # Errors
    /// [`ConfigError`] of another optimizer that it wraps.
    fn update(&self) -> Result<Box<dyn Update>, ConfigError>;

    /// Elements of state kept for a parameter of this shape once it was stepped, beside the count of
    /// its steps.
    fn memory(&self, shape: &[usize]) -> usize;

    /// The optimizer, without state. The one door: every field is checked.
    ///
    /// # Errors
    /// [`ConfigError::OutOfRange`] naming the field, [`ConfigError::Conflict`] for fields that do not
    /// go together.
    fn build(&self) -> Result<Box<dyn Update>, ConfigError> {
        let about = Self::ABOUT;
        for (name, value) in values(self) {
            if let Some(field) = about.fields.iter().find(|field| field.name == name) {
                field.range.check(about.name, &name, &value)?;
            }
        }
        self.check()?;
        self.update()
    }
}

/// What an optimizer says of itself.
#[derive(Debug, Clone, Copy)]
pub struct About {
    /// The name in spec strings.
    pub name: &'static str,
    /// Other names that are understood.
    pub aliases: &'static [&'static str],
    /// One line on what it is.
    pub summary: &'static str,
    /// The paper.
    pub source: &'static str,
    /// Its fields, in the order of the struct.
    pub fields: &'static [Field],
    /// What a step costs, in words: passes over the parameters, gradients, products of matrices.
    pub cost: &'static str,
}

/// A hyper-parameter.
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
    /// A share that is kept: [0, 1).
    Share,
    /// [low, high].
    Within(f64, f64),
    /// (low, high).
    Between(f64, f64),
    /// A whole number that is at least this.
    Count(u64),
    /// Any finite number.
    Finite,
    /// `true` or `false`.
    Flag,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// Another optimizer, checked by itself.
    Optimizer,
}

impl Range {
    fn check(self, unit: &str, field: &str, value: &Value) -> Result<(), ConfigError> {
        let good = match (self, value) {
            (_, Value::Number(number)) => self.contains(*number),
            (_, Value::Integer(number)) => self.contains(*number as f64),
            (Self::Choice(words), Value::Text(word)) => words.contains(&word.as_str()),
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
                Self::NotNegative => number >= 0.0,
                Self::Positive => number > 0.0,
                Self::Share => (0.0..1.0).contains(&number),
                Self::Within(low, high) => (low..=high).contains(&number),
                Self::Between(low, high) => low < number && number < high,
                Self::Count(least) => number >= least as f64,
                _ => true,
            }
    }
}

impl std::fmt::Display for Range {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotNegative => f.write_str("finite and at least 0"),
            Self::Positive => f.write_str("finite and greater than 0"),
            Self::Share => f.write_str("in [0, 1)"),
            Self::Within(low, high) => write!(f, "in [{low}, {high}]"),
            Self::Between(low, high) => write!(f, "in ({low}, {high})"),
            Self::Count(least) => write!(f, "a whole number of at least {least}"),
            Self::Finite => f.write_str("finite"),
            Self::Flag => f.write_str("true or false"),
            Self::Choice(words) => write!(f, "one of {}", words.join(", ")),
            Self::Optimizer => f.write_str("an optimizer"),
        }
    }
}

/// An optimizer with the canonical spec that builds it again.
pub struct Optimizer {
    /// The optimizer, without state.
    pub update: Box<dyn Update>,
    /// Every field by name.
    pub spec: Spec,
}

/// An optimizer in the registry.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// What it says of itself.
    pub about: &'static About,
    /// Its fields in positional order, each with its default.
    pub fields: fn() -> Vec<(String, serde_json::Value)>,
    /// Builds it from a spec with its name.
    pub update: fn(&Spec) -> Result<Box<dyn Update>, ConfigError>,
    /// The canonical form of a spec that `update` accepts: every field by name. An optimizer that it
    /// wraps is left as it is written.
    pub canonical: fn(&Spec) -> Result<Spec, ConfigError>,
    /// Elements of state that a spec keeps for a parameter of a shape.
    pub memory: fn(&Spec, &[usize]) -> Result<usize, ConfigError>,
}

impl Entry {
    /// The entry of `C`.
    #[must_use]
    pub const fn of<C: Optimize>() -> Self {
        Self {
            about: &C::ABOUT,
            fields: fields::<C>,
            update: |spec| spec.resolve::<C>()?.build(),
            canonical: |spec| Ok(Spec::canonical(C::ABOUT.name, &spec.resolve::<C>()?)),
            memory: |spec, shape| Ok(spec.resolve::<C>()?.memory(shape)),
        }
    }

    /// `name(field=default, …)`, as listings show it; fields without a default are left out.
    #[must_use]
    pub fn signature(&self) -> String {
        firebrick_core::registry::signature(self.about.name, &(self.fields)())
    }
}
