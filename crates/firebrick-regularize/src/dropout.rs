//! The dropout family: layers that disturb features or weights in training, by name.
//!
//! | name | file | what it does in training | in evaluation |
//! |---|---|---|---|
//! | `dropout` | [`inverted`] | drops values, scales up the others | nothing |
//! | `vanilla_dropout` | [`vanilla`] | drops values | scales all values down |
//! | `spatial_dropout` | [`spatial`] | drops whole channels | nothing |
//! | `alpha_dropout` | [`alpha`] | drops values, keeps mean and variance (SELU) | nothing |
//! | `gaussian_dropout` | [`gaussian`] | multiplies by normal noise around 1 | nothing |
//! | `dropblock` | [`dropblock`] | drops squares of each channel | nothing |
//! | `drop_path` | [`drop_path`] | drops the residual branch of an image, or of the batch | nothing |
//! | `shake_drop` | [`shake_drop`] | disturbs the residual branch, forward and backward differently | scales |
//! | `feature_cutout` | [`feature_cutout`] | zeroes one square of all channels | nothing |
//! | `fractional_max_pool` | [`fractional_max_pool`] | pools over random windows | pools over fixed windows |
//! | `dropconnect` | [`dropconnect`] | drops weights of a linear layer | averages over masks |
//!
//! `p` is always the probability of dropping, `keep` its complement: `dropout(0.2)` and
//! `dropout(keep=0.8)` are the same. `p = 0` changes nothing, and `p = 1` leaves zeros.
//!
//! ```
//! use firebrick_regularize::dropout;
//! let layer = dropout::build(&"dropblock(0.1, block=5)".parse()?)?;
//! # let device = firebrick_core::device("flex").unwrap();
//! let features = burn::tensor::Tensor::<4>::ones([2, 8, 14, 14], &device);
//! let same = layer.forward(features); // nothing is dropped without autodiff
//! # assert_eq!(same.into_data().iter::<f32>().sum::<f32>(), 2.0 * 8.0 * 14.0 * 14.0);
//! # Ok::<(), firebrick_core::ConfigError>(())
//! ```
//!
//! Each unit draws with one function on the host, which knows nothing of tensors, and applies what was
//! drawn with another. Inside a [`StepScope`](firebrick_core::random::StepScope), which the trainer
//! enters, a draw is a function of (seed, update, micro-batch, place of the layer in the forward pass):
//! equal on every device, and after a resume. Outside one it comes from burn's generator of the device.

pub mod alpha;
mod definition;
pub mod drop_path;
pub mod dropblock;
pub mod dropconnect;
pub mod feature_cutout;
pub mod fractional_max_pool;
pub mod gaussian;
pub mod inverted;
mod layer;
mod mask;
pub mod monte_carlo;
mod perturbation;
mod probability;
pub mod shake_drop;
pub mod spatial;
pub mod vanilla;

use firebrick_core::ConfigError;
use firebrick_core::registry::{Entry, Registry};
use firebrick_core::spec::Spec;

pub use definition::{Build, DropoutUnit, What};
pub use drop_path::{DropPath, DropPathConfig, drop_path_rates};
pub use dropconnect::{DropConnect, DropConnectConfig};
pub use inverted::{Dropout, DropoutConfig};
pub use layer::DropoutLayer;
pub use perturbation::Perturbation;

/// All units of the family.
pub static REGISTRY: Registry<Build> = Registry::new(
    "dropout",
    &[
        Entry::of::<inverted::DropoutConfig>(),
        Entry::of::<vanilla::VanillaDropoutConfig>(),
        Entry::of::<spatial::SpatialDropoutConfig>(),
        Entry::of::<alpha::AlphaDropoutConfig>(),
        Entry::of::<gaussian::GaussianDropoutConfig>(),
        Entry::of::<dropblock::DropBlockConfig>(),
        Entry::of::<drop_path::DropPathConfig>(),
        Entry::of::<shake_drop::ShakeDropConfig>(),
        Entry::of::<feature_cutout::FeatureCutoutConfig>(),
        Entry::of::<fractional_max_pool::FractionalMaxPoolConfig>(),
        Entry::of::<dropconnect::DropConnectConfig>(),
    ],
);

/// Checks a spec of the family without building anything.
///
/// # Errors
/// [`ConfigError`] naming the unknown unit, the key or the value that cannot be used.
pub fn check(spec: &Spec) -> Result<(), ConfigError> {
    (REGISTRY.find(spec)?.build.what)(spec).map(drop)
}

/// The layer that a spec names, for features of any rank from 2 on.
///
/// # Errors
/// [`ConfigError`] naming the unknown unit, the key or the value that cannot be used, and
/// [`ConfigError::Conflict`] for `dropconnect`, which belongs to a linear layer.
pub fn build(spec: &Spec) -> Result<DropoutLayer, ConfigError> {
    match (REGISTRY.find(spec)?.build.what)(spec)? {
        What::Features(perturbation) => Ok(DropoutLayer::new(perturbation)),
        What::Weights => Err(ConfigError::Conflict(format!(
            "{spec} drops weights, not features: it is part of a linear layer, see `DropConnect::linear`"
        ))),
    }
}

#[cfg(test)]
mod tests;
