//! Transfer learning: a classifier from a few photos, by what a pretrained model has learned from many.
//!
//! This crate works on features, the numbers that a backbone puts out for images, and needs no model and no tensors itself.
//!
//! | module | what it does |
//! |---|---|
//! | [`cache`] | a file of features that can be read while it grows, and goes on where it was cut off |
//! | [`logistic`] | the linear classifier at its optimum, with the penalty by cross-validation |
//! | [`knn`], [`nearest_mean`] | classifiers without training, to compare with |
//! | [`head2toe`], [`group_lasso`] | a linear classifier on selected features of all stages |
//! | [`leep`], [`logme`], [`distance`] | how well a model fits new data, before it is trained on it |
//! | [`advisor`] | which way of transfer learning fits some data, and why |
//! | [`unfreezing`], [`wise_ft`] | which stages are trained when, and weights between two models |
//! | [`duplicates`] | images that are the same, or nearly, in two sets |
//! | [`mod@pca`], [`tsne`] | maps of features |
//!
//! ```
//! use firebrick_transfer::Features;
//! use firebrick_transfer::logistic::{Path, cross_validate};
//!
//! // Two features of 20 images of two classes.
//! let value = |image: usize| [(image % 2) as f32, (image * 7 % 5) as f32 / 5.0];
//! let classes = vec!["ant".to_string(), "bee".to_string()];
//! let labels = (0..20).map(|image| image % 2).collect();
//! let features = Features::new((0..20).flat_map(value).collect(), 2, labels, classes)?;
//! let found = cross_validate(&features, &Path::default())?;
//! assert_eq!(found.score().top1, 1.0);
//! assert_eq!(found.fitted.model.score(&features)?.top1, 1.0);
//! # Ok::<(), firebrick_transfer::TransferError>(())
//! ```

pub mod advisor;
pub mod cache;
mod design;
pub mod distance;
pub mod duplicates;
mod eigen;
mod error;
mod features;
pub mod folds;
pub mod group_lasso;
pub mod head2toe;
pub mod knn;
pub mod leep;
mod linear;
pub mod logistic;
pub mod logme;
pub mod nearest_mean;
pub mod pca;
pub mod tsne;
pub mod unfreezing;
mod unit_rows;
pub mod wise_ft;

pub use error::TransferError;
pub use features::Features;
pub use linear::{HeadScore, Linear};
