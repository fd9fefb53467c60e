//! Losses for classification by name. A loss is a weighted mean over images.
//!
//! | name | file |
//! |---|---|
//! | `cross_entropy` | [`cross_entropy`] |
//! | `distillation` | [`distillation`] |

pub mod cross_entropy;
mod definition;
pub mod distillation;

use crate::ConfigError;
use crate::registry::{Entry, Registry};
use crate::spec::Spec;

pub use cross_entropy::CrossEntropy;
pub use definition::{Build, Loss, LossConfig, LossValue};
pub use distillation::Distillation;

/// All losses.
pub static REGISTRY: Registry<Build> = Registry::new(
    "loss",
    &[Entry::of::<CrossEntropy>(), Entry::of::<Distillation>()],
);

/// The loss that a spec names.
///
/// # Errors
/// [`ConfigError`] naming the loss, the field and the value.
pub fn build(spec: &Spec) -> Result<Box<dyn Loss>, ConfigError> {
    (REGISTRY.find(spec)?.build.loss)(spec)
}
