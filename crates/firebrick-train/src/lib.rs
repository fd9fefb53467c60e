//! The training loop of Firebrick.
//!
//! [`fit()`] trains any [`Classifier`](firebrick_core::Classifier) from any
//! [`BatchSource`](firebrick_core::data::BatchSource). [`Hook`]s see every step, epoch, cycle end,
//! evaluation and save, and may change the model, so averaging, snapshots and unfreezing need no
//! change to the loop; `examples/09_average_weights.rs` and `examples/10_gradual_unfreezing.rs` are two. [`lr_find()`] looks for a learning rate. A [`RunDir`] holds its checkpoints; a
//! run that was killed at any moment resumes bit for bit.

pub mod checkpoint;
pub mod config;
pub mod divergence;
pub mod error;
pub mod evaluate;
pub mod fit;
pub mod hook;
mod images_on;
pub mod lone_image;
pub mod lr_find;
pub mod non_finite;
pub mod predict;
pub mod progress;
pub mod recount;
pub mod run_dir;
pub mod search;

pub use checkpoint::{Checkpoint, Identity};
pub use config::{Monitor, OnNonFinite, TrainConfig};
pub use divergence::{Divergence, Guess};
pub use error::TrainError;
pub use evaluate::{Evaluation, evaluate, evaluate_unless, score};
pub use firebrick_core::metrics;
pub use fit::{Ended, Outcome, Training, fit};
pub use hook::{EvaluationModel, Flow, Hook, HookContext, HookState};
pub use lr_find::lr_find;
pub use predict::{Predictions, predict};
pub use progress::Progress;
pub use recount::recount_statistics;
pub use run_dir::{Clock, RunDir};
