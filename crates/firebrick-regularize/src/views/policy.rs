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
