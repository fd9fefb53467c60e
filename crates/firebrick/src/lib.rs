//! Firebrick: composable bricks for training convolutional networks.
//!
//! This crate is the facade: the bricks under one roof, and the jobs that the command line runs.
//!
//! ```no_run
//! use firebrick::prelude::*;
//!
//! let recipe = firebrick::recipe("glyphs")?;
//! let report = firebrick::train(Job::new(recipe, "runs/first"))?;
//! println!("{:.1} %", 100.0 * report.test.map_or(0.0, |test| test.top1));
//! # Ok::<(), firebrick::Error>(())
//! ```

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
mod overview;
mod own_program;
pub mod predict;
pub mod prelude;
mod prepared;
mod recipes;
mod runs;
pub mod search;
mod settings;
mod start;
mod train;
mod warnings;

pub use firebrick_core as core;
pub use firebrick_datasets as datasets;
pub use firebrick_optim as optim;
pub use firebrick_regularize as regularize;
pub use firebrick_report as report;
pub use firebrick_train as training;
pub use firebrick_zoo as zoo;

pub use error::Error;
pub use families::{Family, families};
pub use finish::{BestEpoch, TrainReport, TrainScores};
pub use lr_find::lr_find;
pub use model_file::ModelFile;
pub use overview::{DataOverview, Overview, SplitOverview};
pub use prepared::{CHECKSUMS, Prepared};
pub use recipes::{RECIPES, recipe, run_recipe};
pub use runs::{RunState, RunSummary, runs};
pub use search::{SearchJob, SearchReport};
pub use start::{RunPlace, Start};
pub use train::{Job, train};
