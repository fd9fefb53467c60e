//! Dropout and image augmentation of Firebrick.
//!
//! [`Dropout`] is a layer for any burn model; [`augment`] holds the random changes of training
//! images, by name: `pad_crop(4) | hflip`.

pub mod augment;
pub mod dropout;
pub mod mix;
pub mod penalty;
pub mod views;

pub use dropout::{Dropout, DropoutConfig};
