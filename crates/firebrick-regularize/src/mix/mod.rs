//! Mixing: random changes of whole batches that make one image out of two, and soft targets, by name.
//!
//! | name | file |
//! |---|---|
//! | `mixup` | [`mixup`] |
//! | `cutmix` | [`cutmix`] |
//! | `switch` | [`switch`] |
//!
//! Image `i` of a batch is mixed with image `i - 1`, the first with the last, as torchvision does; a batch of one
//! image stays as it is. Every unit has `until`: the share of the run's epochs after which it is off, so that the
//! last epochs see whole images.
//!
//! ```
//! use firebrick_regularize::mix;
//! let transforms = mix::build(&"switch(mixup(0.2), cutmix, until=0.8)".parse()?)?;
//! assert_eq!(
//!     mix::spec(&transforms).to_string(),
//!     "switch(first=mixup(alpha=0.2, prob=1.0, until=1.0), second=cutmix(alpha=1.0, prob=1.0, until=1.0), prob=0.5, until=0.8)"
//! );
//! # Ok::<(), firebrick_core::ConfigError>(())
//! ```

mod beta;
pub mod cutmix;
mod definition;
pub mod mixup;
pub mod switch;
mod targets;

use firebrick_core::ConfigError;
use firebrick_core::data::BatchTransform;
use firebrick_core::registry::{Entry, Registry};
use firebrick_core::spec::{Pipeline, Spec};

pub use definition::{Build, BuildMix, Built, MixConfig};

/// All changes of batches.
pub static REGISTRY: Registry<Build> = Registry::new(
    "mix",
    &[
        Entry::of::<mixup::Mixup>(),
        Entry::of::<cutmix::Cutmix>(),
        Entry::of::<switch::Switch>(),
    ],
);

/// Builds the changes of a pipeline, in order.
///
/// # Errors
/// [`ConfigError`] naming the first unit, key or value that cannot be used.
pub fn build(pipeline: &Pipeline) -> Result<Vec<Box<dyn BatchTransform>>, ConfigError> {
    pipeline.0.iter().map(one).collect()
}

/// Builds one of them.
fn one(spec: &Spec) -> Built {
    (REGISTRY.find(spec)?.build.transform)(spec, one)
}

/// The canonical pipeline that builds these transforms again.
#[must_use]
pub fn spec(transforms: &[Box<dyn BatchTransform>]) -> Pipeline {
    let specs = transforms.iter().map(|transform| transform.spec());
    Pipeline(specs.collect())
}

#[cfg(test)]
mod tests {
    use firebrick_core::data::{Batch, BatchMoment, Targets};
    use firebrick_core::random::rng;

    use super::*;

    /// Images of one channel, each value of which is the number of the image plus its place over 100.
    pub(super) fn batch(images: usize, [height, width]: [usize; 2]) -> Batch {
        let place =
            |at: usize| (at / (height * width)) as f32 + (at % (height * width)) as f32 / 100.0;
        Batch {
            images: (0..images * height * width).map(place).collect(),
            shape: [images, 1, height, width],
            targets: Targets::Classes((0..images).map(|at| at % 3).collect()),
            classes: 3,
            indices: (0..images).collect(),
        }
    }

    pub(super) fn moment(share: f64) -> BatchMoment {
        BatchMoment {
            epoch: 0,
            batch: 0,
            share,
        }
    }

    #[test]
    fn the_canonical_pipeline_builds_itself_again() {
        for entry in REGISTRY.entries() {
            let spec = one(&Spec::new(entry.about.name)).unwrap().spec();
            assert_eq!(one(&spec).unwrap().spec(), spec, "{spec}");
        }
    }

    #[test]
    fn one_image_and_a_switched_off_unit_change_nothing() {
        for text in [
            "mixup(0.4, until=0.5)",
            "cutmix(until=0.5)",
            "switch(mixup, cutmix, until=0.5)",
        ] {
            let mix = one(&text.parse().unwrap()).unwrap();
            for seed in 0..20 {
                let mut rng = rng(seed, "mix", 0, 0);
                let alone = mix.apply(batch(1, [4, 4]), &moment(0.0), &mut rng);
                assert_eq!(alone, batch(1, [4, 4]), "{text}");
                let late = mix.apply(batch(4, [4, 4]), &moment(0.5), &mut rng);
                assert_eq!(late, batch(4, [4, 4]), "{text}");
            }
            let mut draws = (0..20).map(|seed| rng(seed, "mix", 0, 0));
            let mixed =
                |mut rng| mix.apply(batch(4, [4, 4]), &moment(0.4), &mut rng) != batch(4, [4, 4]);
            assert!(draws.any(mixed), "{text}");
        }
    }

    #[test]
    fn mistakes_are_named() {
        for (text, needle) in [
            ("mixup(0)", "mixup: alpha = 0"),
            ("mixup(0.2, prob=1.2)", "mixup: prob = 1.2"),
            ("cutmix(until=2)", "cutmix: until = 2"),
            ("cutmixx", "did you mean `cutmix`"),
            ("switch(mixup(-1), cutmix)", "mixup: alpha = -1"),
            ("switch(mixup, hflip)", "unknown mix `hflip`"),
        ] {
            let error = build(&text.parse().unwrap()).err().unwrap().to_string();
            assert!(error.contains(needle), "{text}: {error}");
        }
    }
}
