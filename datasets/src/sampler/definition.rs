//! What a sampler is, and how it is described: [`Sampler`], [`SamplerConfig`].

use std::fmt;

use firebrick_types::ConfigError;
use firebrick_types::about::About;
use firebrick_types::spec::Config;

/// An order of the images of an epoch. An epoch always has as many draws as there are images.
pub trait Sampler: Send + Sync + fmt::Debug {
    /// Whether images with these labels, of `classes` classes, can be drawn this way.
    ///
    /// # Errors
    /// [`ConfigError`] naming what does not fit the data.
    fn validate(&self, labels: &[usize], classes: usize) -> Result<(), ConfigError> {
        let _ = (labels, classes);
        Ok(())
    }

    /// The images of epoch `epoch`, in order: `labels.len()` indices into `labels`, a function of the
    /// arguments alone.
    ///
    /// Empty when nothing can be drawn, which [`Self::validate`] tells beforehand. A class beyond
    /// `classes` is never drawn with replacement.
    fn order(&self, labels: &[usize], classes: usize, seed: u64, epoch: u64) -> Vec<usize>;
}

/// A sampler as plain data. A new one is one file with such a struct, and an entry of it in [`REGISTRY`](super::REGISTRY); a crate
/// outside hands the entry to its `register`.
pub trait SamplerConfig: Config + Sampler + 'static {
    /// What the sampler says about itself.
    const ABOUT: About;
}
