//! Augmentation: random changes of training images, on the host, by name.
//!
//! | name | file |
//! |---|---|
//! | `pad_crop` | [`pad_crop`] |
//! | `hflip` | [`hflip`] |
//!
//! ```
//! use firebrick_regularize::augment;
//! let chain = augment::build(&"pad_crop(4) | hflip".parse()?)?;
//! assert_eq!(
//!     chain.pipeline().to_string(),
//!     "pad_crop(size=4, mode=constant, fill=0.0, prob=1.0) | hflip(prob=0.5, mode=random)"
//! );
//! # Ok::<(), firebrick_core::ConfigError>(())
//! ```
//!
//! # What an augmentation is
//!
//! A struct with its fields, and an implementation of [`Augmentation`]: `sample` draws its parameters and knows nothing of
//! pixels, `apply` changes an image as the parameters say and draws nothing.
//!
//! ```
//! use firebrick_core::about::{About, Field, Range};
//! use firebrick_core::data::{Image, Subject};
//! use firebrick_core::image::Size;
//! use firebrick_core::random::HostRng;
//! use firebrick_regularize::augment::{Augmentation, Interval};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Debug, Clone, Serialize, Deserialize)]
//! #[serde(default, deny_unknown_fields)]
//! struct Gain {
//!     /// Factor: `x` is 1 − x … 1 + x, `[low, high]` is explicit, `[x, x]` fixes it.
//!     factor: Interval,
//! }
//!
//! impl Default for Gain {
//!     fn default() -> Self {
//!         Self { factor: Interval::of(0.2) }
//!     }
//! }
//!
//! impl Augmentation for Gain {
//!     const ABOUT: About = About::new(
//!         "gain",
//!         "multiplies every value by a random factor",
//!         &[Field::new("factor", Range::NotNegative)],
//!     );
//!     type Params = f64;
//!
//!     fn check(&self) -> Result<(), firebrick_core::ConfigError> {
//!         self.factor.check("gain", "factor")
//!     }
//!
//!     fn sample(&self, _: Size, _: &Subject, rng: &mut HostRng) -> f64 {
//!         self.factor.around_one().draw(rng)
//!     }
//!
//!     fn apply(&self, mut image: Image, factor: &f64) -> Image {
//!         for value in &mut image.pixels {
//!             *value = (f64::from(*value) * factor) as u8;
//!         }
//!         image
//!     }
//! }
//! ```
//!
//! Its line in the registry, `Entry::of::<Gain>()`, gives it a name in specs, its listing, validation and contract tests, and
//! what is the same for all:
//!
//! - **`prob`**, the share of images that are changed: a key of every augmentation, 1 unless [`Augmentation::PROB`] says
//!   otherwise.
//! - **Logging.** [`SampleTransform::transform`](firebrick_core::data::SampleTransform::transform) with a log appends a
//!   [`Drawn`](firebrick_core::data::Drawn) for each step: its name, and the parameters as JSON (an object, or `null` where
//!   `prob` left the image alone). `replay` changes an image in the same way again. Without a log, nothing is noted.
//! - **Sizes.** `output` says what size comes out, so that a crop larger than the image is an error before training.
//! - **Geometry.** A geometric augmentation also says where each pixel of the result lies in the image: its `warp`. Two or
//!   more in a row become one warp, so that pixels are interpolated once; moves of whole pixels (flips, crops) stay exact. A
//!   resize that makes the image smaller is antialiased by itself. [`Chain::geometry`] gives the warp of all steps together:
//!   masks ([`Warp::mask`]) and boxes ([`Warp::region`]) move with it.
//!
//! The generator of an image is [`Subject::rng`](firebrick_core::data::Subject::rng), a function of the seed, the epoch and the
//! place in the epoch; steps draw from it in turn. Draws are pinned by tests.

mod augmentation;
mod chain;
mod frame;
pub mod hflip;
mod interval;
pub mod pad_crop;
mod step;
pub mod warp;

use firebrick_core::ConfigError;
use firebrick_core::registry::{Entry, Registry};
use firebrick_core::spec::Pipeline;

pub use augmentation::Augmentation;
pub use chain::Chain;
pub use frame::Frame;
pub use interval::Interval;
pub use step::{Build, Step};
pub use warp::Warp;

/// All transforms of single images.
pub static REGISTRY: Registry<Build> = Registry::new(
    "augmentation",
    &[
        Entry::of::<pad_crop::PadCrop>(),
        Entry::of::<hflip::Hflip>(),
    ],
);

/// Builds the steps of a pipeline, in order.
///
/// # Errors
/// [`ConfigError`] naming the first unit, key or value that cannot be used.
pub fn build(pipeline: &Pipeline) -> Result<Chain, ConfigError> {
    let one = |spec| (REGISTRY.find(spec)?.build.step)(spec);
    let steps: Result<_, _> = pipeline.0.iter().map(one).collect();
    Ok(Chain::new(steps?))
}

#[cfg(test)]
mod tests;
