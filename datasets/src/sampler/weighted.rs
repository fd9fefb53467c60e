//! `weighted`: each class in proportion to its weight.

use firebrick_types::ConfigError;
use firebrick_types::about::{About, Field, Range};
use serde::{Deserialize, Serialize};

use super::definition::{Sampler, SamplerConfig};
use super::draw::draw;

/// Draws with replacement: first a class, with a probability proportional to its weight, then
/// one of its images. A class of weight 0 is never drawn; classes without images are left out.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Weighted {
    /// One weight for each class, finite and at least 0, not all 0.
    pub weights: Vec<f64>,
}

impl SamplerConfig for Weighted {
    const ABOUT: About = About::new(
        "weighted",
        "draws images with replacement, from each class in proportion to its weight",
        &[Field::new("weights", Range::Each(&Range::NotNegative))],
    );
}

impl Sampler for Weighted {
    fn validate(&self, labels: &[usize], classes: usize) -> Result<(), ConfigError> {
        Self::ABOUT.check(self)?;
        let weights = &self.weights;
        if weights.len() != classes {
            return Err(ConfigError::Conflict(format!(
                "weighted: {} weights are given, but the data set has {classes} classes: give one \
                 for each class",
                weights.len()
            )));
        }
        let drawable = |label: &usize| weights.get(*label).is_some_and(|weight| *weight > 0.0);
        if !labels.is_empty() && !labels.iter().any(drawable) {
            return Err(ConfigError::Conflict(
                "weighted: no image has a class whose weight is greater than 0: raise the weight \
                 of a class that has images"
                    .into(),
            ));
        }
        Ok(())
    }

    fn order(&self, labels: &[usize], _: usize, seed: u64, epoch: u64) -> Vec<usize> {
        draw(labels, &self.weights, seed, epoch)
    }
}
