//! The command line as a person or a script meets it: real processes, real files.

mod bad_input;
mod interruption;
mod json;
mod predict;
mod runs;
mod support;
