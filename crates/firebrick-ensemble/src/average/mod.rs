//! Averages of the weights of a run, by name, and the hook that keeps one.
//!
//! | name | file | the average |
//! |---|---|---|
//! | `ema` | [`ema`] | moves a little towards the weights after each update |
//! | `switch_ema` | [`switch_ema`] | the same, and each epoch begins from it |
//! | `swa` | [`swa`] | mean of the weights at the ends of the last epochs |
//! | `polyak` | [`polyak`] | mean of the weights after every update |
//! | `lawa` | [`lawa`] | mean of the weights at the ends of the latest k epochs |
//!
//! A pipeline of them is the `average` setting of a recipe: `ema(0.999) | swa(start=75%)`. Each averages on its own; the
//! last one is evaluated after each epoch, as soon as it has taken in weights, and competes for the best epoch.
//!
//! Averages are of parameters only. Batch norm statistics are recomputed from `recount` training batches before the
//! average is used.
//!
//! ```
//! use firebrick_core::length::RunLength;
//! use firebrick_ensemble::average;
//! let run = RunLength { updates: 400, updates_per_epoch: 100 };
//! let averages = average::build(&"ema(0.99) | swa(start=50%)".parse()?, run)?;
//! assert_eq!(average::spec(&averages).0[1].to_string(), "swa(start=200, every=100, recount=100)");
//! # Ok::<(), firebrick_core::ConfigError>(())
//! ```

mod definition;
pub mod ema;
mod hook;
pub mod lawa;
mod pace;
pub mod polyak;
mod running;
pub mod swa;
pub mod switch_ema;
#[cfg(test)]
mod tests;

use firebrick_core::ConfigError;
use firebrick_core::length::RunLength;
use firebrick_core::registry::{Entry, Registry};
use firebrick_core::spec::Pipeline;

pub use definition::{Average, AverageConfig, Build, NamedAverage, Weighting};
pub use hook::{AverageHook, Averaged};
pub use pace::Pace;

/// All averages.
pub static REGISTRY: Registry<Build> = Registry::new(
    "average",
    &[
        Entry::of::<ema::Ema>(),
        Entry::of::<switch_ema::SwitchEma>(),
        Entry::of::<swa::Swa>(),
        Entry::of::<polyak::Polyak>(),
        Entry::of::<lawa::Lawa>(),
    ],
);

/// Builds the averages of a pipeline for a run.
///
/// # Errors
/// [`ConfigError`] naming the first unit, key or value that cannot be used.
pub fn build(pipeline: &Pipeline, run: RunLength) -> Result<Vec<NamedAverage>, ConfigError> {
    let mut built: Vec<NamedAverage> = Vec::new();
    for spec in &pipeline.0 {
        let mut average = (REGISTRY.find(spec)?.build.average)(spec, run)?;
        let same = built
            .iter()
            .filter(|one| one.spec.name == average.spec.name);
        let before = same.count();
        if before > 0 {
            average.name = format!("{}-{}", average.name, before + 1);
        }
        built.push(average);
    }
    Ok(built)
}

/// The pipeline that builds these averages again.
#[must_use]
pub fn spec(averages: &[NamedAverage]) -> Pipeline {
    let specs = averages.iter().map(|one| one.spec.clone());
    Pipeline(specs.collect())
}
