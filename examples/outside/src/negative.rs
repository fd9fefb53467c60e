//! `negative`: turns an image into its negative with a probability.

use firebrick::core::ConfigError;
use firebrick::core::about::{About, Field, Range};
use firebrick::core::data::{Image, SampleTransform};
use firebrick::core::random::HostRng;
use firebrick::core::spec::Spec;
use firebrick::regularize::augment::Augmentation;
use rand::RngExt;
use serde::{Deserialize, Serialize};

/// The augmentation; see the [module](self).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Negative {
    /// Probability of the negative, in [0, 1].
    pub prob: f64,
}

impl Default for Negative {
    fn default() -> Self {
        Self { prob: 0.5 }
    }
}

impl Augmentation for Negative {
    const ABOUT: About = About::new(
        "negative",
        "light becomes dark with a probability",
        &[Field::new("prob", Range::Within(0.0, 1.0))],
    );

    fn transform(&self) -> Result<Box<dyn SampleTransform>, ConfigError> {
        Ok(Box::new(self.clone()))
    }
}

impl SampleTransform for Negative {
    fn apply(&self, mut image: Image, rng: &mut HostRng) -> Image {
        // One draw for each image, whatever the probability.
        if rng.random::<f64>() < self.prob {
            image.pixels.iter_mut().for_each(|value| *value = !*value);
        }
        image
    }

    fn spec(&self) -> Spec {
        Spec::canonical(Self::ABOUT.name, self)
    }
}
