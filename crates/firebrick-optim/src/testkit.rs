//! Contract tests that every optimizer must pass (cargo feature `testkit`).
//!
//! An optimizer of another crate runs them all in one line:
//!
//! ```no_run
//! # use firebrick_optim::optimizer::sgd::Sgd;
//! firebrick_optim::testkit::contracts::<Sgd>();
//! ```
//!
//! They panic with the optimizer, the contract and the values. Devices that the program was not
//! built with, or that the machine lacks, are left out and named on stderr.

// These are tests.
#![allow(clippy::missing_panics_doc, clippy::unwrap_used, clippy::print_stderr)]

mod convergence;
mod descent;
mod devices;
mod fields;
mod kit;
mod objectives;
mod scheduled;
mod states;
mod steps;

use firebrick_core::spec::Spec;

use crate::about::{Entry, Optimize};
pub use descent::{Descent, Evaluate, parameters, tensor, values};
pub use fields::{every_field_matters, fields_out_of_range_are_named};
use kit::Kit;
pub use objectives::{Objective, bowl, coupled, rosenbrock};

/// All contracts for the defaults of an optimizer, and the ranges of its fields.
pub fn contracts<C: Optimize>() {
    let entry = Entry::of::<C>();
    fields_out_of_range_are_named(entry);
    every_field_matters(entry);
    every_contract(entry, &Spec::new(entry.about.name));
}

/// All contracts for one spec.
pub fn every_contract(entry: Entry, spec: &Spec) {
    let kit = Kit { entry, spec };
    kit.canonical_specs_build_themselves_again();
    kit.rate_zero_is_the_identity();
    kit.steps_are_finite_for_every_finite_gradient();
    kit.a_resumed_run_is_the_uninterrupted_one();
    kit.states_of_others_are_refused();
    kit.groups_scale_the_rate();
    kit.what_is_scheduled_stands_in_for_its_own();
    kit.parameters_without_gradient_are_left_alone();
    kit.every_device_steps_alike();
    kit.memory_is_what_the_registry_says();
    kit.it_converges();
}
