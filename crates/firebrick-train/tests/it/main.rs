//! The training loop, its checkpoints and its resume.

mod checkpoints;
mod looping;
mod resume;
mod support;
