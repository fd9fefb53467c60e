//! Tests across crates: the house itself, every unit of every family, parity between devices, units from outside, real data and real weights.

// Helpers of tests fail by panicking too, and say what they skip.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)]

mod corpus;
mod house;
mod outside;
mod parity;
mod real_data;
mod units;
