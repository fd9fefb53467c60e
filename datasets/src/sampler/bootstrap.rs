//! `bootstrap`: one sample of the images for the whole run, drawn with replacement.

use firebrick_types::about::About;
use firebrick_types::random::rng;
use rand::RngExt;
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};

use super::definition::{Sampler, SamplerConfig};

/// Draws as many images as there are with replacement, once for the run, and shuffles them anew for each epoch: bagging.
///
/// About 63 % of the images are in the sample, some of them several times. Another seed draws another sample.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Bootstrap {}

impl SamplerConfig for Bootstrap {
    const ABOUT: About = About::new(
        "bootstrap",
        "trains on one sample of the images, drawn with replacement by the seed, in a new random order each epoch",
        &[],
    )
    .source("Breiman 1996, Bagging predictors");
}

impl Sampler for Bootstrap {
    fn order(&self, labels: &[usize], _classes: usize, seed: u64, epoch: u64) -> Vec<usize> {
        let count = labels.len();
        let mut draws = rng(seed, "bootstrap", 0, 0);
        let mut sample: Vec<usize> = (0..count).map(|_| draws.random_range(0..count)).collect();
        sample.shuffle(&mut rng(seed, "shuffle", epoch, 0));
        sample
    }
}
