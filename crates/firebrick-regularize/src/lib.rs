//! Regularization in Firebrick: dropout, augmentation, mixing of images, penalties, and test-time augmentation.
//!
//! Each module is a family of units that specs name:
//!
//! | module | holds | such as |
//! |---|---|---|
//! | [`dropout`] | layers that drop or disturb features and weights in training | `dropblock(0.1, block=7)` |
//! | [`augment`] | random changes to the training images | `pad_crop(4) \| hflip` |
//! | [`mix`] | mixing of the images of a batch and their targets | `mixup(0.2)` |
//! | [`penalty`] | penalties added to the loss, and constraints on weights | `l1(1e-5) \| max_norm(3)` |
//! | [`views`] | the views of an image that test-time augmentation averages over | `ten_crop` |

pub mod augment;
pub mod dropout;
pub mod mix;
pub mod penalty;
pub mod views;

pub use dropout::{Dropout, DropoutConfig};
