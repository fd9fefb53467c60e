//! Tests across the crates of Firebrick; see `tests/it`.

pub mod parsers;
