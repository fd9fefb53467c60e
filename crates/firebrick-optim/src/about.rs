//! How optimizers are described and built; [`About`], [`Field`] and [`Range`] are those of every family.

use firebrick_core::ConfigError;
use firebrick_core::spec::{Config, Spec, Value};
use firebrick_core::update::Update;

pub use firebrick_core::about::{About, Field, Range};
use firebrick_core::registry::{self, BuildOf};

/// An optimizer as plain data: fields with the literature's defaults that build an [`Update`].
///
/// A new optimizer is one file with such a struct and [`Entry::of`] it in the registry, or handed to
/// [`register`](crate::optimizer::register) by another crate.
pub trait Configure: Config {
    /// Names, ranges, paper and cost.
    const ABOUT: About;

    /// The optimizer, without state, of fields that are in their ranges.
    ///
    /// # Errors
    /// [`ConfigError::Conflict`] for fields that do not go together.
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
        Self::ABOUT.check(self)?;
        self.update()
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
pub type Entry = registry::Entry<Build>;

/// How an optimizer is built from its spec.
#[derive(Debug, Clone, Copy)]
pub struct Build {
    /// Builds it from a spec with its name.
    pub update: fn(&Spec) -> Result<Box<dyn Update>, ConfigError>,
    /// The canonical form of a spec that `update` accepts: every field by name, also in the optimizer
    /// that it wraps.
    pub canonical: fn(&Spec) -> Result<Spec, ConfigError>,
    /// Elements of state that a spec keeps for a parameter of a shape.
    pub memory: fn(&Spec, &[usize]) -> Result<usize, ConfigError>,
}

impl<C: Configure> BuildOf<C> for Build {
    const ABOUT: &'static About = &C::ABOUT;
    const BUILD: Self = Self {
        update: |spec| spec.resolve::<C>()?.build(),
        canonical: |spec| {
            let config: C = spec.resolve()?;
            let mut spec = Spec::canonical(C::ABOUT.name, &config);
            for field in C::ABOUT.fields {
                if let (Range::Unit(_), Some(Value::Spec(inside))) =
                    (field.range, spec.get(field.name))
                {
                    // Building it again here would double the work at every level.
                    let inside = (crate::optimizer::find(inside)?.build.canonical)(inside)?;
                    spec.set(field.name, inside.into());
                }
            }
            Ok(spec)
        },
        memory: |spec, shape| Ok(spec.resolve::<C>()?.memory(shape)),
    };
}

impl Build {
    /// Builds the optimizer of a spec with its name, and that spec's canonical form.
    ///
    /// # Errors
    /// [`ConfigError`] naming the field and the value.
    pub fn optimizer(&self, spec: &Spec) -> Result<Optimizer, ConfigError> {
        let update = (self.update)(spec)?;
        let spec = (self.canonical)(spec)?;
        // Defaults that are filled in can nest one level deeper than what was given, and the canonical
        // form must parse again.
        spec.check_depth()?;
        Ok(Optimizer { update, spec })
    }
}
