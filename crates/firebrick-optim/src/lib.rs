//! Optimizers and learning-rate schedules of Firebrick, by name.
//!
//! Training programs start with [`Request::plan`], or its short form [`plan()`]: from the specs of an optimizer and a schedule and
//! the length of the run, it builds an [`Update`](firebrick_core::update::Update) and a [`Schedule`](firebrick_core::Schedule).
//!
//! A new optimizer is one file in `optimizer/` that implements [`Rule`], the change of one tensor;
//! [`PerTensor`] makes an update of all parameters of it, with groups, state by path, and resume.

pub mod about;
mod arguments;
#[cfg(feature = "burn-optim")]
pub mod burn_optimizer;
pub mod grouped;
mod hyperparameter_schedules;
mod linear_algebra;
mod linear_system;
pub mod optimizer;
pub mod per_tensor;
pub mod plan;
pub mod race;
pub mod rates;
pub mod rule;
pub mod schedule;
pub mod surface;
#[cfg(feature = "testkit")]
pub mod testkit;
pub mod weight_decay;
mod whole_model;
mod wrapper;

pub use about::{About, Configure, Entry, Field, Optimize, Range};
pub use grouped::grouped;
pub use per_tensor::PerTensor;
pub use plan::{Plan, Request, plan};
pub use rule::{Formula, Moment, Number, Real, Rule, StateNames, Stepping, elementwise};
pub use weight_decay::WeightDecay;
