//! Tests across crates: the house itself, parity between devices, real data and real weights.

mod house;
mod parity;
mod real_data;
