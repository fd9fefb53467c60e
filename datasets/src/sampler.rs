//! The order in which an epoch visits the images: a function of (seed, epoch) alone.
//!
//! | name | an epoch |
//! |---|---|
//! | [`sequential`] | every image once, in the order of the data set |
//! | [`shuffle`] | every image once, in a new random order each epoch |
//! | [`balanced`] | draws images with replacement, from every class equally often |
//! | [`bootstrap`] | one sample of the images for the whole run, drawn with replacement |
//! | [`weighted`] | draws images with replacement, from each class in proportion to its weight |

pub mod balanced;
pub mod bootstrap;
mod definition;
mod draw;
pub mod sequential;
pub mod shuffle;
pub mod weighted;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use firebrick_types::ConfigError;
use firebrick_types::about::About;
use firebrick_types::registry::{BuildOf, Entry, Registry};
use firebrick_types::spec::Spec;
use serde::{Deserialize, Serialize};

use balanced::Balanced;
use bootstrap::Bootstrap;
pub use definition::{Sampler, SamplerConfig};
use sequential::Sequential;
use shuffle::Shuffle;
use weighted::Weighted;

/// How a sampler is built from its spec.
#[derive(Debug, Clone, Copy)]
pub struct Build {
    /// Reads the spec and checks every field.
    pub sampler: fn(&Spec) -> Result<Sampling, ConfigError>,
}

impl<C: SamplerConfig> BuildOf<C> for Build {
    const ABOUT: &'static About = &C::ABOUT;
    const BUILD: Self = Self {
        sampler: |spec| Ok(Sampling::new(C::ABOUT.resolve::<C>(spec)?)),
    };
}

/// All samplers.
pub static REGISTRY: Registry<Build> = Registry::new(
    "sampling",
    &[
        Entry::of::<Sequential>(),
        Entry::of::<Shuffle>(),
        Entry::of::<Balanced>(),
        Entry::of::<Weighted>(),
        Entry::of::<Bootstrap>(),
    ],
);

/// A [`Sampler`] with the spec that builds it again.
///
/// In spec strings and recipes: `sequential`, `shuffle`, `balanced`, `weighted([1, 2.5, 0])`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "Spec", into = "Spec")]
pub struct Sampling {
    spec: Spec,
    sampler: Arc<dyn Sampler>,
}

impl Sampling {
    /// A sampler whose fields are in their ranges.
    #[must_use]
    pub fn new<C: SamplerConfig>(config: C) -> Self {
        Self {
            spec: Spec::canonical(C::ABOUT.name, &config),
            sampler: Arc::new(config),
        }
    }

    /// `sequential`: for evaluation.
    #[must_use]
    pub fn sequential() -> Self {
        Self::new(Sequential {})
    }

    /// `shuffle`: for training.
    #[must_use]
    pub fn shuffle() -> Self {
        Self::new(Shuffle {})
    }

    /// As [`Sampler::validate`].
    ///
    /// # Errors
    /// Those of the sampler.
    pub fn validate(&self, labels: &[usize], classes: usize) -> Result<(), ConfigError> {
        self.sampler.validate(labels, classes)
    }

    /// As [`Sampler::order`].
    #[must_use]
    pub fn order(&self, labels: &[usize], classes: usize, seed: u64, epoch: u64) -> Vec<usize> {
        self.sampler.order(labels, classes, seed, epoch)
    }
}

impl Default for Sampling {
    fn default() -> Self {
        Self::shuffle()
    }
}

impl PartialEq for Sampling {
    fn eq(&self, other: &Self) -> bool {
        self.spec == other.spec
    }
}

impl TryFrom<Spec> for Sampling {
    type Error = ConfigError;

    fn try_from(spec: Spec) -> Result<Self, ConfigError> {
        (REGISTRY.find(&spec)?.build.sampler)(&spec)
    }
}

impl From<Sampling> for Spec {
    fn from(sampling: Sampling) -> Self {
        sampling.spec
    }
}

impl FromStr for Sampling {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        text.parse::<Spec>()?.try_into()
    }
}

impl fmt::Display for Sampling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.spec.fmt(f)
    }
}

#[cfg(test)]
mod tests;
