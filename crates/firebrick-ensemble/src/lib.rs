//! Ensembles of Firebrick: more accuracy from the models of one run or of several.
//!
//! [`average`] holds the averages of a run's weights, by name: `ema(0.999) | swa(start=75%)`. [`snapshot`] saves members
//! where a cycle of the schedule ends, and [`manifest`] is the file that lists the members of an ensemble.

pub mod average;
pub mod manifest;
pub mod snapshot;
pub mod soup;
