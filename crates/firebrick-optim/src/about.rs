//! How optimizers are described and built; [`About`], [`Field`] and [`Range`] are those of every family.

use firebrick_core::ConfigError;
pub use firebrick_core::about::{About, Field, Range};
use firebrick_core::registry::{self, BuildOf};
use firebrick_core::spec::{Config, Spec};
use firebrick_core::update::Update;

/// An optimizer as plain data: fields with the literature's defaults, and what is to be said of them.
///
/// A new optimizer is one file with such a struct that also is a [`Rule`](crate::Rule), or else
/// implements [`Optimize`] itself, and [`Entry::of`] it in the registry, or handed to
/// [`Registry::register`](firebrick_core::registry::Registry::register) by another crate.
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
        Self::ABOUT.check(self)?;
        self.check()?;
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
    /// The canonical form of a spec that `update` accepts: every field by name. An optimizer that it
    /// wraps is left as it is written.
    pub canonical: fn(&Spec) -> Result<Spec, ConfigError>,
    /// Elements of state that a spec keeps for a parameter of a shape.
    pub memory: fn(&Spec, &[usize]) -> Result<usize, ConfigError>,
}

impl<C: Optimize> BuildOf<C> for Build {
    const ABOUT: &'static About = &C::ABOUT;
    const BUILD: Self = Self {
        update: |spec| spec.resolve::<C>()?.build(),
        canonical: |spec| Ok(Spec::canonical(C::ABOUT.name, &spec.resolve::<C>()?)),
        memory: |spec, shape| Ok(spec.resolve::<C>()?.memory(shape)),
    };
}
