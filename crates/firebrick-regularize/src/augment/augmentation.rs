//! How an augmentation is described and built: [`Augmentation`], [`Build`].

use firebrick_core::ConfigError;
use firebrick_core::about::About;
use firebrick_core::data::SampleTransform;
use firebrick_core::registry::BuildOf;
use firebrick_core::spec::{Config, Spec};

/// An augmentation as plain data. A new one is one file with such a struct, and an entry of it in [`REGISTRY`](super::REGISTRY); a
/// crate outside hands the entry to its `register`.
pub trait Augmentation: Config + 'static {
    /// What the augmentation says about itself.
    const ABOUT: About;

    /// The transform, of fields that are in their ranges.
    ///
    /// # Errors
    /// [`ConfigError::Conflict`] for fields that do not go together.
    fn transform(&self) -> Result<Box<dyn SampleTransform>, ConfigError>;
}

/// How an augmentation is built from its spec.
#[derive(Debug, Clone, Copy)]
pub struct Build {
    /// Reads the spec, checks every field and builds the transform.
    pub transform: fn(&Spec) -> Result<Box<dyn SampleTransform>, ConfigError>,
}

impl<C: Augmentation> BuildOf<C> for Build {
    const ABOUT: &'static About = &C::ABOUT;
    const BUILD: Self = Self {
        transform: |spec| C::ABOUT.resolve::<C>(spec)?.transform(),
    };
}
