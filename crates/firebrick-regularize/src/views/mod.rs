//! Test-time views: fixed changes of an image whose predictions are averaged, by name.
//!
//! | name | file | views |
//! |---|---|---|
//! | `flip` | [`flip`] | the image, and mirrored |
//! | `five_crop` | [`crops`] | four corners and the centre |
//! | `ten_crop` | [`crops`] | these, and mirrored |
//! | `multiscale` | [`multiscale`] | the centre at several scales |
//! | `policy` | [`policy`] | draws of a training augmentation |
//!
//! What training sees at random, testing averages over a fixed set (Krizhevsky et al. 2012: four corners and the
//! centre with their mirror images). The first view of every unit but `policy` and the crops is the image as it is
//! evaluated without views.
//!
//! ```
//! use firebrick_regularize::views;
//! let views = views::build(&"ten_crop".parse()?)?;
//! assert_eq!((views.count(), views.spec().to_string()), (10, "ten_crop(crop=0.875)".into()));
//! # Ok::<(), firebrick_core::ConfigError>(())
//! ```

pub mod crops;
mod definition;
pub mod flip;
pub mod multiscale;
pub mod policy;

use firebrick_core::ConfigError;
use firebrick_core::registry::{Entry, Registry};
use firebrick_core::spec::Spec;

pub use definition::{Build, View, Views, ViewsConfig};

/// All test-time views.
pub static REGISTRY: Registry<Build> = Registry::new(
    "test-time view",
    &[
        Entry::of::<flip::Flip>(),
        Entry::of::<crops::FiveCrop>(),
        Entry::of::<crops::TenCrop>(),
        Entry::of::<multiscale::Multiscale>(),
        Entry::of::<policy::Policy>(),
    ],
);

/// The views that a spec names.
///
/// # Errors
/// [`ConfigError`] naming the unit, key or value that cannot be used.
pub fn build(spec: &Spec) -> Result<Box<dyn Views>, ConfigError> {
    (REGISTRY.find(spec)?.build.views)(spec)
}

#[cfg(test)]
mod tests {
    use firebrick_core::data::Preprocessing;
    use firebrick_core::image::{Filter, Fit, Image, Size};

    use super::*;

    pub(super) fn preprocessing(side: usize) -> Preprocessing {
        Preprocessing {
            channels: 1,
            height: side,
            width: side,
            fit: Fit::Crop,
            crop: 1.0,
            filter: Filter::Bilinear,
            mean: vec![0.5],
            std: vec![0.5],
        }
    }

    /// A grey image without a symmetry.
    pub(super) fn image(width: usize, height: usize) -> Image {
        let pixels = (0..width * height).map(|at| (at * 37 % 251) as u8);
        Image {
            width,
            height,
            channels: 1,
            pixels: pixels.collect(),
        }
    }

    #[test]
    fn every_view_has_the_models_size_and_is_the_same_again() {
        for entry in REGISTRY.entries() {
            let views = build(&Spec::new(entry.about.name)).unwrap();
            assert_eq!(build(&views.spec()).unwrap().spec(), views.spec());
            assert!(views.count() > 1);
            for (width, height) in [(40, 30), (9, 50), (16, 16), (1, 1), (1, 20)] {
                for number in 0..views.count() {
                    let view = || {
                        views
                            .view(number, image(width, height), &preprocessing(16), 7)
                            .unwrap()
                    };
                    let found = view();
                    assert_eq!(
                        found.size(),
                        Size {
                            width: 16,
                            height: 16
                        },
                        "{}",
                        entry.about.name
                    );
                    assert_eq!(found, view());
                }
            }
        }
    }

    #[test]
    fn an_image_of_a_part_has_the_views_of_its_place_in_the_data_set() {
        use std::sync::Arc;

        use firebrick_core::data::{SampleTransform, Subject};

        let views: Arc<dyn Views> =
            Arc::from(build(&"policy(pad_crop(4))".parse().unwrap()).unwrap());
        let view = View {
            views: views.clone(),
            number: 2,
            indices: Arc::from([5, 9]),
            preprocessing: preprocessing(16),
        };
        let subject = Subject {
            seed: 1,
            epoch: 4,
            index: 1,
            position: 0,
            share: 0.5,
            target: Size::new(16, 16),
        };
        let found = view.transform(image(40, 30), &subject, &mut subject.rng(), None);
        let expected = |index| {
            let view = views.view(2, image(40, 30), &preprocessing(16), index);
            view.unwrap()
        };
        assert_eq!(found.unwrap(), expected(9));
        assert_ne!(expected(9), expected(1));
        assert!(view.wants_original());
    }

    #[test]
    fn mistakes_are_named() {
        for (text, needle) in [
            ("flop", "unknown test-time view `flop`"),
            ("five_crop(1.5)", "five_crop: crop = 1.5"),
            ("multiscale([0.5])", "multiscale: scales[0] = 0.5"),
            ("multiscale([])", "at least one"),
            ("policy(hflip, n=0)", "policy: n = 0"),
            ("policy(hflop)", "hflop"),
        ] {
            let error = build(&text.parse().unwrap()).err().unwrap().to_string();
            assert!(error.contains(needle), "{text}: {error}");
        }
    }
}
