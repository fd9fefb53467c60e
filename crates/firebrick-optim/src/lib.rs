//! Optimizers and learning-rate schedules of Firebrick, by name.
//!
//! Start with [`Request::plan`], or its short form [`plan()`]: from the specs of an optimizer and a schedule and the
//! length of the run, it builds an [`Update`](firebrick_core::update::Update), which changes the parameters, and a
//! [`Schedule`](firebrick_core::Schedule), which gives the learning rate of each update.
//!
//! A new optimizer is one file in `optimizer/` that implements [`Rule`]: how one tensor changes, given its gradient
//! and state. [`PerTensor`] applies the rule to all parameters and adds groups, state by path, and resume.

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
