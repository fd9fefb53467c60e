//! Several members in one network: the option `members` of residual networks and `small_cnn`, see [`Members`].

mod batches;
mod definition;
mod graph;
mod layers;

pub use definition::{BatchEnsemble, Members, Mimo, Packed};
pub(crate) use definition::{MEMBERS, without_idle_options};
pub(crate) use layers::Place;

#[cfg(test)]
mod tests;
