//! How a unit of the dropout family is described and built: [`DropoutUnit`], [`Build`].

use std::sync::Arc;

use firebrick_core::ConfigError;
use firebrick_core::about::About;
use firebrick_core::registry::BuildOf;
use firebrick_core::spec::{Config, Spec};

use super::layer::DropoutLayer;
use super::perturbation::Perturbation;

/// What a unit disturbs.
#[derive(Debug, Clone)]
pub enum What {
    /// Features, as a layer of its own.
    Features(Arc<dyn Perturbation>),
    /// The weights of another layer.
    Weights,
}

/// A unit of the family as plain data. A new one is one file with such a struct, and an entry of it in
/// [`REGISTRY`](super::REGISTRY); a crate outside hands the entry to its `register`.
pub trait DropoutUnit: Config + 'static {
    /// What the unit says about itself.
    const ABOUT: About;

    /// What is built, of fields that are in their ranges.
    ///
    /// # Errors
    /// [`ConfigError::Conflict`] for fields that do not go together.
    fn what(&self) -> Result<What, ConfigError>;

    /// The layer.
    ///
    /// # Errors
    /// [`ConfigError`] naming the field that is out of its range, or two that do not go together.
    fn layer(&self) -> Result<DropoutLayer, ConfigError> {
        Self::ABOUT.check(self)?;
        match self.what()? {
            What::Features(perturbation) => Ok(DropoutLayer::new(perturbation)),
            What::Weights => Err(ConfigError::Conflict(format!(
                "{} drops weights and is part of another layer",
                Self::ABOUT.name
            ))),
        }
    }
}

/// How a unit is built from its spec.
#[derive(Debug, Clone, Copy)]
pub struct Build {
    /// Reads the spec, checks every field and builds the unit.
    pub what: fn(&Spec) -> Result<What, ConfigError>,
}

impl<C: DropoutUnit> BuildOf<C> for Build {
    const ABOUT: &'static About = &C::ABOUT;
    const BUILD: Self = Self {
        what: |spec| C::ABOUT.resolve::<C>(spec)?.what(),
    };
}
