//! The foundation of Firebrick: what all crates that compute with tensors share.
//!
//! It has devices by name, layers with PyTorch's semantics, parameters by path, weights files and the gradient
//! check, and the traits through which the other crates work together: [`Classifier`], [`Schedule`],
//! [`update::Update`], [`data::BatchSource`], [`data::SampleTransform`], [`registry::Registry`]. Types that need no
//! tensors live in `firebrick-types` and are re-exported here.

pub mod classifier;
pub mod clip;
pub mod device;
pub mod freeze;
pub mod gradcheck;
pub mod graph;
pub mod independent_copy;
pub mod init;
pub mod kernels;
mod listed;
pub mod lora;
pub mod loss;
pub mod machine;
pub mod nn;
pub mod parameters;
pub mod penalty;
pub mod probe;
pub mod state_dict;
pub mod update;
pub mod variance_shift;
mod weights_error;
pub mod weights_file;

pub use classifier::{Classifier, TrainingScores};
pub use clip::Clipping;
pub use device::{DeviceError, DeviceInfo, computes_in_f64, device, devices, features};
#[cfg(feature = "testkit")]
pub use firebrick_types::testkit;
pub use firebrick_types::{
    ConfigError, GroupRule, Groups, Recipe, Schedule, about, checksum, confusion, contour, data,
    error, groups, image, json_number, length, metrics, number, random, recipe, registry, run,
    schedule, setting, spec,
};
pub use freeze::{freeze, unfreeze};
pub use independent_copy::independent_copy;
