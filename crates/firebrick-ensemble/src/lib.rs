//! Ensembles: more accuracy from the models of one run or of several, and honest uncertainty.
//!
//! Three modules work on the weights of models in training: [`average`] has the averages of a run's weights, [`snapshot`]
//! saves members where a cycle of the schedule ends, and [`soup`] averages trained models. [`manifest`] is the file
//! that lists the members of an ensemble.
//!
//! The others work on what several models predict for the same images: it becomes one prediction, calibrated, with sets of
//! a coverage that is guaranteed, and with the figures that say whether it was worth it. [`Members`] borrows the logits that were predicted; [`LogProbabilities`] is one
//! prediction for each image.
//!
//! | module | what it does |
//! |---|---|
//! | [`combine`] | one prediction out of those of all members: `mean`, `logits`, `vote`, `weighted`, `stacking`, `rank` |
//! | [`calibrate`] | a prediction whose confidence fits its accuracy: `temperature`, `vector` |
//! | [`conformal`] | sets of classes that contain the right one with a given probability: `lac`, `aps`, `raps` |
//! | [`score`] | accuracy, calibration, disagreement, uncertainty, and how they grow with the members |
//! | [`select`] | the members that are worth keeping |
//! | [`class_names`] | columns of members that have the same classes in another order |
//! | [`table`] | predictions from a CSV file |
//!
//! ```
//! use firebrick_ensemble::{Member, Members, calibrate, combine, score};
//!
//! // Two members, three images, two classes.
//! let (a, b) = ([2.0, 0.0, 0.5, 0.0, 0.0, 1.0], [1.0, 0.0, 0.0, 0.2, 0.0, 3.0]);
//! let members = Members::new(vec![Member::new("a", &a, 2), Member::new("b", &b, 2)])?;
//! let labels = [0, 1, 1];
//! let pooled = combine::fit(&"mean".parse()?, &members, None)?.combine(&members)?;
//! let calibration = calibrate::fit(&"temperature".parse()?, &pooled, &labels)?;
//! let figures = score::ensemble_figures(&calibration.apply(&pooled)?, &labels)?;
//! assert!((figures.top1 - 2.0 / 3.0).abs() < 1e-12);
//! # Ok::<(), firebrick_ensemble::EnsembleError>(())
//! ```

pub mod average;
pub mod calibrate;
pub mod class_names;
pub mod combine;
pub mod conformal;
mod error;
mod log_probabilities;
pub mod manifest;
mod members;
mod non_finite;
pub mod score;
pub mod select;
pub mod snapshot;
pub mod soup;
pub mod table;

pub use error::EnsembleError;
pub use log_probabilities::LogProbabilities;
pub use members::{Member, Members};
pub use non_finite::NonFinite;
