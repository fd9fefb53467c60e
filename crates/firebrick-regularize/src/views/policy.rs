//! `policy`: draws of a training augmentation.

use firebrick_core::ConfigError;
use firebrick_core::about::{About, Field, Range};
use firebrick_core::data::{Preprocessing, SampleTransform, Subject};
use firebrick_core::image::{Image, Size, fit};
use firebrick_core::spec::{Pipeline, Spec};
use serde::{Deserialize, Serialize};

use super::definition::{Views, ViewsConfig};
use crate::augment::{self, Chain};

/// `n` draws of an augmentation, the same ones in every evaluation: view `i` of an image is drawn as in epoch `i`
/// of a run with the seed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// The augmentation, such as `hflip`.
    pub augment: Spec,
    /// The number of draws, at least 1.
    pub n: u64,
    /// The seed of the draws.
    pub seed: u64,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            augment: Spec::new("hflip"),
            n: 8,
            seed: 0,
        }
    }
}

impl ViewsConfig for Policy {
    const ABOUT: About = About::new(
        "policy",
        "averages over n random draws of an augmentation",
        &[
            Field::new("augment", Range::Unit("augmentation")),
            Field::new("n", Range::Whole(1, 1024)),
            Field::new("seed", Range::Count(0)),
        ],
    );

    fn views(&self) -> Result<Box<dyn Views>, ConfigError> {
        Ok(Box::new(Draws {
            chain: augment::build(&Pipeline(vec![self.augment.clone()]))?,
            policy: self.clone(),
        }))
    }
}

/// Draws of a chain.
struct Draws {
    chain: Chain,
    policy: Policy,
}

impl Views for Draws {
    fn count(&self) -> usize {
        self.policy.n as usize
    }

    fn view(
        &self,
        number: usize,
        image: Image,
        preprocessing: &Preprocessing,
        index: usize,
    ) -> Result<Image, ConfigError> {
        let target = Size {
            width: preprocessing.width,
            height: preprocessing.height,
        };
        let subject = Subject {
            seed: self.policy.seed,
            epoch: number as u64,
            index,
            position: index,
            share: 0.0,
            target,
        };
        let image = if self.chain.wants_original() {
            image.with_channels(preprocessing.channels)
        } else {
            fit(image, preprocessing)
        };
        let view = self
            .chain
            .transform(image, &subject, &mut subject.rng(), None)?;
        Ok(if view.size() == target {
            view
        } else {
            fit(view, preprocessing)
        })
    }

    fn spec(&self) -> Spec {
        let augment = self.chain.pipeline().0.remove(0);
        let config = Policy {
            augment,
            ..self.policy.clone()
        };
        Spec::canonical(Policy::ABOUT.name, &config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::views::tests::{image, preprocessing};

    fn draws(text: &str) -> Box<dyn Views> {
        crate::views::build(&text.parse().unwrap()).unwrap()
    }

    fn view(views: &dyn Views, number: usize, index: usize) -> Image {
        let view = views.view(number, image(40, 30), &preprocessing(16), index);
        view.unwrap()
    }

    #[test]
    fn view_i_is_what_epoch_i_of_a_run_with_the_seed_sees() {
        let views = draws("policy(pad_crop(4), n=6, seed=3)");
        assert_eq!(views.count(), 6);
        let chain = augment::build(&"pad_crop(4)".parse().unwrap()).unwrap();
        for number in 0..6 {
            for index in [0, 9] {
                let subject = Subject {
                    seed: 3,
                    epoch: number as u64,
                    index,
                    position: index,
                    share: 0.0,
                    target: Size::new(16, 16),
                };
                let fitted = fit(image(40, 30), &preprocessing(16));
                let seen = chain.transform(fitted, &subject, &mut subject.rng(), None);
                assert_eq!(view(&*views, number, index), seen.unwrap(), "{number}");
            }
        }
        let all = |views: &dyn Views, index| -> Vec<Image> {
            (0..6).map(|number| view(views, number, index)).collect()
        };
        let here = all(&*views, 9);
        assert!(here.iter().any(|one| *one != here[0]), "views differ");
        assert_ne!(here, all(&*views, 0), "each image has draws of its own");
        let other = draws("policy(pad_crop(4), n=6, seed=4)");
        assert_ne!(here, all(&*other, 9), "so has each seed");
    }

    #[test]
    fn a_crop_is_taken_from_the_image_as_decoded() {
        let views = draws("policy(random_crop, n=4)");
        let whole = image(40, 30);
        for number in 0..4 {
            let crop = view(&*views, number, 0);
            let found = (0..15).any(|top| {
                (0..25).any(|left| {
                    let rows = whole.pixels.chunks(40).skip(top).take(16);
                    rows.flat_map(|row| &row[left..left + 16])
                        .eq(crop.pixels.iter())
                })
            });
            assert!(found, "{number}");
        }
    }
}
