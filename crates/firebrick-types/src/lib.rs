//! The types that all crates of Firebrick share and that need no tensors: errors, specs, lengths, the descriptions and
//! registries of units, reproducible random numbers, images and batches, scores of a classifier, a minimizer, schedules, recipes, parameter
//! groups, and the record of a run.
//!
//! It compiles without Burn. Crates that need tensors too depend on `firebrick-core`, which re-exports every module of
//! this one.

pub mod about;
pub mod checksum;
pub mod confusion;
pub mod contour;
pub mod data;
pub mod error;
pub mod groups;
pub mod image;
pub mod json_number;
pub mod length;
pub mod metrics;
pub mod newton;
pub mod number;
pub mod positioned;
pub mod random;
pub mod recipe;
pub mod registry;
pub mod run;
pub mod schedule;
pub mod setting;
pub mod spec;
#[cfg(any(test, feature = "testkit"))]
pub mod testkit;

pub use error::ConfigError;
pub use groups::{GroupRule, Groups};
pub use recipe::Recipe;
pub use schedule::Schedule;
