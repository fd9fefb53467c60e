//! The training loop, its checkpoints and its resume.

// Helpers of tests fail by panicking too, and say what they skip.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)]

mod checkpoints;
mod class_weights;
mod ends;
mod groups;
mod hooks;
mod lone_image;
mod looping;
mod lost_best;
mod lr_find;
mod members;
mod non_finite;
mod penalties;
mod plateau;
mod predictions;
mod recount;
mod reevaluation;
mod resume;
mod support;
