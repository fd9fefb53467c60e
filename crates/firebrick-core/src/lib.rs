//! The foundation of Firebrick: what all other crates share.
//!
//! Devices by name, layers with PyTorch's semantics, spec strings, parameters by path, the gradient
//! check, and the traits through which the other crates work together: [`Classifier`], [`Schedule`],
//! [`update::Update`], [`data::BatchSource`], [`data::SampleTransform`], [`registry::Registry`].

pub mod checksum;
pub mod classifier;
pub mod clip;
pub mod confusion;
pub mod contour;
pub mod data;
pub mod device;
pub mod error;
pub mod gradcheck;
pub mod groups;
pub mod init;
pub mod json_number;
pub mod kernels;
pub mod length;
pub mod loss;
pub mod machine;
pub mod nn;
pub mod parameters;
pub mod probe;
pub mod random;
pub mod recipe;
pub mod registry;
pub mod run;
pub mod schedule;
pub mod spec;
pub mod state_dict;
pub mod update;
pub mod weights_file;

pub use classifier::Classifier;
pub use clip::Clipping;
pub use device::{DeviceError, DeviceInfo, computes_in_f64, device, devices, features};
pub use error::ConfigError;
pub use groups::{GroupRule, Groups};
pub use recipe::Recipe;
pub use schedule::Schedule;
