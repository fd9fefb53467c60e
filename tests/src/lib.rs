//! Tests of Firebrick across its crates
