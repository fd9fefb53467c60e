//! Augmentation: random changes of training images, on the host, by name.
//!
//! | name | file |
//! |---|---|
//! | `pad_crop` | [`pad_crop`] |
//! | `hflip` | [`hflip`] |
//!
//! Each transform draws its parameters with one function, `sample(rng)`, which knows nothing of
//! pixels, and applies them with another, `apply(image, params)`, which draws nothing. Draws are
//! pinned by tests, and the same parameters can be applied to an image and to its mask.
//!
//! ```
//! use firebrick_regularize::augment;
//! let transforms = augment::build(&"pad_crop(4) | hflip".parse()?)?;
//! assert_eq!(
//!     augment::spec(&transforms).to_string(),
//!     "pad_crop(size=4, mode=constant, fill=0.0) | hflip(prob=0.5)"
//! );
//! # Ok::<(), firebrick_core::ConfigError>(())
//! ```

mod augmentation;
pub mod hflip;
pub mod pad_crop;

use firebrick_core::ConfigError;
use firebrick_core::data::SampleTransform;
use firebrick_core::registry::{Entry, Registry};
use firebrick_core::spec::Pipeline;

pub use augmentation::{Augmentation, Build};

/// All transforms of single images.
pub static REGISTRY: Registry<Build> = Registry::new(
    "augmentation",
    &[
        Entry::of::<pad_crop::PadCropConfig>(),
        Entry::of::<hflip::HflipConfig>(),
    ],
);

/// Builds the transforms of a pipeline, in order.
///
/// # Errors
/// [`ConfigError`] naming the first unit, key or value that cannot be used.
pub fn build(pipeline: &Pipeline) -> Result<Vec<Box<dyn SampleTransform>>, ConfigError> {
    let one = |spec| (REGISTRY.find(spec)?.build.transform)(spec);
    pipeline.0.iter().map(one).collect()
}

/// The canonical pipeline that builds these transforms again.
#[must_use]
pub fn spec(transforms: &[Box<dyn SampleTransform>]) -> Pipeline {
    Pipeline(
        transforms
            .iter()
            .map(|transform| transform.spec())
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use firebrick_core::data::Image;
    use firebrick_core::random::rng;
    use firebrick_core::spec::Spec;
    use proptest::prelude::*;

    use super::*;

    pub(super) fn image() -> impl Strategy<Value = Image> {
        (1_usize..7, 1_usize..7, prop_oneof![Just(1_usize), Just(3)]).prop_flat_map(
            |(width, height, channels)| {
                prop::collection::vec(any::<u8>(), width * height * channels).prop_map(
                    move |pixels| Image {
                        width,
                        height,
                        channels,
                        pixels,
                    },
                )
            },
        )
    }

    proptest! {
        #[test]
        fn every_transform_keeps_the_shape_and_repeats_its_draws(image in image(), seed in any::<u64>()) {
            for entry in REGISTRY.entries() {
                let transform = (entry.build.transform)(&Spec::new(entry.about.name)).unwrap();
                let apply = || transform.apply(image.clone(), &mut rng(seed, "augment", 0, 0));
                let changed = apply();
                prop_assert_eq!(
                    (changed.width, changed.height, changed.channels, changed.pixels.len()),
                    (image.width, image.height, image.channels, image.pixels.len())
                );
                prop_assert_eq!(changed, apply());
            }
        }
    }

    #[test]
    fn the_canonical_pipeline_builds_itself_again() {
        for entry in REGISTRY.entries() {
            let spec = (entry.build.transform)(&Spec::new(entry.about.name))
                .unwrap()
                .spec();
            assert_eq!(spec.to_string(), entry.signature());
            assert_eq!((entry.build.transform)(&spec).unwrap().spec(), spec);
        }
        assert!(build(&Pipeline::default()).unwrap().is_empty());
    }

    #[test]
    fn mistakes_are_named() {
        for (text, needle) in [
            ("pad_crop(4) | hflop", "did you mean `hflip`"),
            ("hflip(p=0.3)", "hflip has no key `p`"),
            ("hflip(1.5)", "hflip: prob = 1.5"),
            ("hflip(nan)", "hflip: prob = NaN"),
            ("pad_crop(-1)", "pad_crop: size = -1"),
            ("pad_crop(100000)", "pad_crop: size = 100000"),
            ("pad_crop(4, mode=mirror)", "pad_crop: mode"),
            ("pad_crop(4, fill=2)", "pad_crop: fill = 2"),
            ("pad_crop(4, mode=edge, fill=0.5)", "fill"),
        ] {
            let error = build(&text.parse().unwrap()).err().unwrap().to_string();
            assert!(error.contains(needle), "{text}: {error}");
        }
    }
}
