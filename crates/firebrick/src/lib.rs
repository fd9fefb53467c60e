//! Firebrick: composable bricks for training convolutional networks.
//!
//! This crate is the facade: it re-exports the other crates, and has the jobs that the command line runs.
//!
//! ```no_run
//! use firebrick::prelude::*;
//!
//! let recipe = firebrick::recipe("glyphs")?;
//! let report = firebrick::train(Job::new(recipe, "runs/first"))?;
//! println!("{:.1} %", 100.0 * report.test.map_or(0.0, |test| test.top1));
//! # Ok::<(), firebrick::Error>(())
//! ```
//!
//! [`train()`] makes a run directory with checkpoints and a report. [`Session::open`] is what it starts from:
//! the data, the model, the optimizer and the settings of a recipe, open and checked, for programs that
//! train in their own way. [`Models`] and [`Sources`] bring models and images of your own.

mod error;
pub mod eval;
mod families;
mod finish;
mod first_batch;
mod lone_image;
mod lr_find;
pub mod memory;
mod mistakes;
mod model_file;
mod models;
mod overview;
mod own_program;
pub mod predict;
pub mod prelude;
mod prepared;
mod recipes;
mod runs;
pub mod search;
mod session;
mod start;
mod train;
pub mod tta;
mod warnings;

pub use firebrick_core as core;
pub use firebrick_datasets as datasets;
pub use firebrick_ensemble as ensemble;
pub use firebrick_optim as optim;
pub use firebrick_regularize as regularize;
pub use firebrick_report as report;
pub use firebrick_train as training;
pub use firebrick_zoo as zoo;

pub use error::Error;
pub use families::{Units, families};
pub use finish::{BestEpoch, TrainReport, TrainScores};
pub use lr_find::lr_find;
pub use model_file::{ModelInfo, TrainedModel};
pub use models::Models;
pub use overview::{DataOverview, Overview, SplitOverview};
pub use prepared::{CHECKSUMS, Prepared};
pub use recipes::{RECIPES, recipe, run_recipe};
pub use runs::{RunState, RunSummary, runs};
pub use search::{SearchJob, SearchReport};
pub use session::{Session, Sources};
pub use start::{RunPlace, Start};
pub use train::{Job, train};
