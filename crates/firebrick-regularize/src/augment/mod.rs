//! Augmentation: random changes of training images, on the host, by name.
//!
//! | what it changes | augmentations |
//! |---|---|
//! | size | [`resize`], [`center_crop`], [`random_crop`], [`random_resized_crop`] |
//! | place | [`pad_crop`], [`translate`], [`hflip`], [`vflip`] |
//! | shape | [`scale`], [`rotate`], [`shear`], [`affine`], [`perspective`], [`lens`], [`elastic`] |
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
//! /// A struct, so that a log says what each number is.
//! #[derive(Serialize, Deserialize)]
//! struct GainParams {
//!     factor: f64,
//! }
//!
//! impl Augmentation for Gain {
//!     const ABOUT: About = About::new(
//!         "gain",
//!         "multiplies every value by a random factor",
//!         &[Field::new("factor", Range::NotNegative)],
//!     );
//!     type Params = GainParams;
//!
//!     fn check(&self) -> Result<(), firebrick_core::ConfigError> {
//!         self.factor.check("gain", "factor")
//!     }
//!
//!     fn sample(&self, _: Size, _: &Subject, rng: &mut HostRng) -> GainParams {
//!         GainParams { factor: self.factor.around_one().draw(rng) }
//!     }
//!
//!     fn apply(&self, mut image: Image, params: &GainParams) -> Image {
//!         for value in &mut image.pixels {
//!             *value = (f64::from(*value) * params.factor) as u8;
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
//!   resize that makes the image smaller is antialiased by itself. What a crop cuts off, a rotation after it in the same row
//!   may show in its corners. [`Chain::geometry`] moves masks ([`Geometry::mask`]) and boxes ([`Geometry::region`]) as a log
//!   says.
//!
//! The generator of an image is [`Subject::rng`](firebrick_core::data::Subject::rng), a function of the seed, the epoch and the
//! place in the epoch; steps draw from it in turn. Draws are pinned by tests.

pub mod affine;
mod augmentation;
pub mod augmix;
pub mod auto_augment;
pub mod autocontrast;
mod blend;
pub mod blur;
pub mod brightness;
pub mod center_crop;
mod chain;
pub mod color_jitter;
pub mod contrast;
pub mod crop;
pub mod cutout;
pub mod elastic;
pub mod equalize;
pub mod erase;
mod frame;
#[cfg(test)]
mod golden;
pub mod grayscale;
pub mod hflip;
pub mod hue;
mod interval;
pub mod invert;
pub mod lens;
pub mod noise;
pub mod pad_crop;
pub mod pca_noise;
pub mod perspective;
#[cfg(test)]
mod pixel_draws;
mod planes;
pub mod policy;
pub mod pose;
pub mod posterize;
pub mod rand_augment;
pub mod random_crop;
pub mod random_resized_crop;
pub mod rectangle;
pub mod resize;
pub mod rotate;
mod rounding;
pub mod saturation;
pub mod scale;
pub mod sharpness;
pub mod shear;
pub mod sides;
pub mod solarize;
mod step;
mod table;
pub mod three_augment;
pub mod translate;
pub mod trivial_augment;
pub mod vflip;
pub mod warp;

use firebrick_core::ConfigError;
use firebrick_core::registry::{Entry, Registry};
use firebrick_core::spec::Pipeline;

pub use augmentation::Augmentation;
pub use chain::Chain;
pub use frame::{Frame, Geometry};
pub use interval::Interval;
pub use step::{Build, Step};
pub use warp::Warp;

/// All transforms of single images.
pub static REGISTRY: Registry<Build> = Registry::new(
    "augmentation",
    &[
        Entry::of::<resize::Resize>(),
        Entry::of::<center_crop::CenterCrop>(),
        Entry::of::<random_crop::RandomCrop>(),
        Entry::of::<random_resized_crop::RandomResizedCrop>(),
        Entry::of::<pad_crop::PadCrop>(),
        Entry::of::<hflip::Hflip>(),
        Entry::of::<vflip::Vflip>(),
        Entry::of::<scale::Scale>(),
        Entry::of::<translate::Translate>(),
        Entry::of::<rotate::Rotate>(),
        Entry::of::<shear::Shear>(),
        Entry::of::<affine::Affine>(),
        Entry::of::<perspective::Perspective>(),
        Entry::of::<lens::Lens>(),
        Entry::of::<elastic::Elastic>(),
        Entry::of::<color_jitter::ColorJitter>(),
        Entry::of::<grayscale::Grayscale>(),
        Entry::of::<pca_noise::PcaNoise>(),
        Entry::of::<posterize::Posterize>(),
        Entry::of::<solarize::Solarize>(),
        Entry::of::<equalize::Equalize>(),
        Entry::of::<autocontrast::Autocontrast>(),
        Entry::of::<invert::Invert>(),
        Entry::of::<sharpness::Sharpness>(),
        Entry::of::<blur::Blur>(),
        Entry::of::<noise::Noise>(),
        Entry::of::<erase::Erase>(),
        Entry::of::<cutout::Cutout>(),
        Entry::of::<trivial_augment::TrivialAugment>(),
        Entry::of::<rand_augment::RandAugment>(),
        Entry::of::<auto_augment::AutoAugment>(),
        Entry::of::<augmix::AugMix>(),
        Entry::of::<three_augment::ThreeAugment>(),
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
