//! Optimizers and learning-rate schedules of Firebrick, by name.
//!
//! Training programs start with [`Request::plan`], or its short form [`plan()`]: from the specs of an optimizer and a schedule and
//! the length of the run, it builds an [`Update`](firebrick_core::update::Update) and a [`Schedule`](firebrick_core::Schedule).
//!
//! A new optimizer is one file in `optimizer/` that implements [`Rule`], the change of one tensor;
//! [`PerTensor`] makes an update of all parameters of it, with groups, state by path, and resume.

pub mod about;
pub mod burn_optimizer;
pub mod grouped;
mod joint;
mod linear_algebra;
mod linear_system;
pub mod optimizer;
pub mod plan;
pub mod race;
pub mod rates;
pub mod rule;
pub mod schedule;
pub mod surface;
#[cfg(feature = "testkit")]
pub mod testkit;
mod values;
mod wrapper;

pub use about::{About, Configure, Entry, Field, Range};
pub use grouped::grouped;
pub use plan::{Listing, Plan, Request, optimizers, plan, schedules};
pub use rule::{Formula, Moment, Number, PerTensor, Real, Rule, StateNames, Stepping, elementwise};
