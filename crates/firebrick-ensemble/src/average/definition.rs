//! How an average is described and built: [`Average`], [`AverageConfig`], [`Build`].

use firebrick_core::ConfigError;
use firebrick_core::about::{About, Field, Range};
use firebrick_core::length::RunLength;
use firebrick_core::registry::BuildOf;
use firebrick_core::spec::{Config, Spec};

use super::pace::Pace;

/// When an average takes in the weights of the model in training, and with what share.
pub struct Average {
    /// The updates after which it takes in the weights.
    pub pace: Pace,
    /// How it weighs them.
    pub weighting: Weighting,
    /// The number of training batches from which the batch norm statistics of the average are recomputed; 0
    /// keeps those of the model in training.
    pub recount: usize,
    /// Whether each epoch begins with the average in place of the weights that the last one ended with.
    pub begins_epochs: bool,
}

/// How an average weighs what it takes in.
pub enum Weighting {
    /// The mean of all.
    Mean,
    /// The mean of so many latest ones, each of which is kept in memory.
    Latest(usize),
    /// The average moves towards the weights after an update, the first of which is number 1, by the share that
    /// this function gives for the update. The first weights are copied without asking.
    Share(Box<dyn Fn(u64) -> f64>),
}

/// An average of a pipeline.
pub struct NamedAverage {
    /// The name of its unit; `ema-2` for the second of this name.
    pub name: String,
    /// The spec that builds it again, with lengths in updates.
    pub spec: Spec,
    /// What it does.
    pub average: Average,
}

/// An average as plain data. A new one is one file with such a struct, and an entry of it in
/// [`REGISTRY`](super::REGISTRY); a crate outside hands the entry to its `register`.
pub trait AverageConfig: Config + 'static {
    /// What it says about itself.
    const ABOUT: About;

    /// The average for a run, of fields that are in their ranges. Lengths among the fields are resolved to updates.
    ///
    /// # Errors
    /// [`ConfigError`] for an average that would take in no weights in a run of this length.
    fn average(&mut self, run: RunLength) -> Result<Average, ConfigError>;
}

/// How an average is built from its spec.
#[derive(Debug, Clone, Copy)]
pub struct Build {
    /// Reads the spec, checks every field and builds the average for a run of this length.
    pub average: fn(&Spec, RunLength) -> Result<NamedAverage, ConfigError>,
}

impl<C: AverageConfig> BuildOf<C> for Build {
    const ABOUT: &'static About = &C::ABOUT;
    const BUILD: Self = Self {
        average: |spec, run| {
            let mut config = C::ABOUT.resolve::<C>(spec)?;
            let average = config.average(run)?;
            Ok(NamedAverage {
                name: C::ABOUT.name.into(),
                spec: Spec::canonical(C::ABOUT.name, &config),
                average,
            })
        },
    };
}

/// The updates before it begins.
pub(super) const START: Field = Field::new("start", Range::Length);
/// The updates from one time to the next.
pub(super) const EVERY: Field = Field::new("every", Range::Length);
/// The training batches for batch norm.
pub(super) const RECOUNT: Field = Field::new("recount", Range::Count(0));
/// The training batches for batch norm where nothing else is said.
pub(super) const RECOUNT_BATCHES: usize = 100;
