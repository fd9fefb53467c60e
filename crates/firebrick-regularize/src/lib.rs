//! The dropout family and image augmentation of Firebrick.
//!
//! [`dropout`] holds the layers that disturb features and weights in training, by name: `dropout(0.5)`,
//! `dropblock(0.1, block=7)`; [`augment`] holds the random changes of training images, by name:
//! `pad_crop(4) | hflip`.

pub mod augment;
pub mod dropout;
pub mod mix;
pub mod penalty;
pub mod views;

pub use dropout::{Dropout, DropoutConfig};
