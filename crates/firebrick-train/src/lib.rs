//! The training loop of Firebrick.
//!
//! [`fit()`] trains any [`Classifier`](firebrick_core::Classifier) from any
//! [`BatchSource`](firebrick_core::data::BatchSource). [`Hook`]s are called at every update, epoch, end of a cycle,
//! evaluation and save, and may change the model. So weight averaging, snapshots and gradual unfreezing need no change
//! to the loop; `examples/09_average_weights.rs` and `examples/10_gradual_unfreezing.rs` show two of them.
//!
//! A [`RunDir`] holds the checkpoints of a run. A run that was killed at any moment can be resumed and then gives
//! bit for bit the same result. [`lr_find()`] is the learning-rate range test.

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
pub mod start_weights;

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
pub use start_weights::StartWeights;
