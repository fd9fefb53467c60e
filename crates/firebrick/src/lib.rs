//! Firebrick trains convolutional networks for image classification.
//!
//! This crate is the one to depend on. It re-exports the other crates, and has everything that the command line does as
//! functions: train, evaluate, predict, search, find a learning rate.
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
//! [`train()`] trains as a [`Recipe`](core::Recipe) says and writes a run directory with checkpoints and a report. For
//! more control, [`Session::open`] turns a recipe into its data, model, optimizer and settings, open and checked, and
//! leaves the training to you. [`Sources`] and [`Models`] let recipes use images and models of your own.

mod classes;
pub mod coverage;
pub mod data_check;
pub mod ensembles;
mod error;
pub mod eval;
pub mod explain;
pub mod export;
mod families;
pub mod features;
mod fine_tuning;
mod finish;
mod first_batch;
mod insight;
mod lone_image;
mod lr_find;
mod members;
pub mod memory;
mod mistakes;
mod model_file;
mod models;
pub mod neighbours;
mod overview;
mod own_program;
mod per_class;
pub mod predict;
pub mod prelude;
mod prepared;
mod pretrained;
mod recipes;
mod runs;
pub mod search;
mod session;
mod start;
mod teacher;
mod train;
pub mod transfer;
pub mod tta;
mod warnings;
pub mod weights;
pub mod wise_ft;

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
pub use fine_tuning::{FineTuning, Phase};
pub use finish::{BestEpoch, TrainReport, TrainScores};
pub use lr_find::lr_find;
pub use members::AverageScores;
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
