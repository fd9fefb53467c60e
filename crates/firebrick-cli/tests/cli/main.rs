//! Tests of the command line with real processes and real files.

// Helpers of tests fail by panicking too, and say what they skip.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)]

mod augment;
mod bad_input;
mod damage;
mod ensemble;
mod eval;
mod export;
mod fine_tuning;
mod first_hour;
mod folders;
mod guide;
mod hostile;
#[cfg(unix)]
mod interruption;
mod json;
#[cfg(target_os = "linux")]
mod lost_output;
mod lr_find;
#[cfg(target_os = "linux")]
mod memory;
mod optim;
mod pack;
mod predict;
mod runs;
mod schedule;
mod search;
mod serve;
#[cfg(unix)]
mod served_page;
mod shell_blocks;
mod shells;
mod support;
mod terminal;
mod tta;
mod verbs;
mod weights;
