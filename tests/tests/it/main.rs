//! Tests across crates: dependencies between crates, the guide, every unit of every family, parity between devices,
//! units and a model from outside, real data and real weights.

// Helpers of tests fail by panicking too, and say what they skip.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)]

mod circles;
mod corpus;
mod ensemble_splits;
mod ensembles;
mod explain;
mod fine_tuning;
mod freezing;
mod guide;
mod house;
mod members;
mod models_page;
mod outside;
mod own_model;
mod parity;
mod penalties;
mod real_data;
mod units;
mod variance_shift;
