//! How a change of batches is described and built: [`MixConfig`], [`Build`].

use firebrick_core::ConfigError;
use firebrick_core::about::{About, Field, Range};
use firebrick_core::data::BatchTransform;
use firebrick_core::registry::BuildOf;
use firebrick_core::spec::{Config, Spec};

/// A change of batches, or why it cannot be built.
pub type Built = Result<Box<dyn BatchTransform>, ConfigError>;

/// Builds the change that a spec names, for units that have others in them.
pub type BuildMix = fn(&Spec) -> Built;

/// A change of batches as plain data. A new one is one file with such a struct, and an entry of it in
/// [`REGISTRY`](super::REGISTRY); a crate outside hands the entry to its `register`.
pub trait MixConfig: Config + 'static {
    /// What it says about itself.
    const ABOUT: About;

    /// The transform, of fields that are in their ranges. `build` makes those that specs among them name.
    ///
    /// # Errors
    /// [`ConfigError`] for fields that do not go together, or for a unit in them.
    fn transform(&self, build: BuildMix) -> Built;
}

/// How a change of batches is built from its spec.
#[derive(Debug, Clone, Copy)]
pub struct Build {
    /// Reads the spec, checks every field and builds the transform.
    pub transform: fn(&Spec, BuildMix) -> Built,
}

impl<C: MixConfig> BuildOf<C> for Build {
    const ABOUT: &'static About = &C::ABOUT;
    const BUILD: Self = Self {
        transform: |spec, build| C::ABOUT.resolve::<C>(spec)?.transform(build),
    };
}

/// The parameter of the Beta distribution.
pub(super) const ALPHA: Field = Field::new("alpha", Range::Within(1e-3, 1e3));
/// The share of batches that are mixed.
pub(super) const PROB: Field = Field::new("prob", Range::Within(0.0, 1.0));
/// The share of the run's epochs after which it is off.
pub(super) const UNTIL: Field = Field::new("until", Range::Within(0.0, 1.0));
