//! `shuffle`: every image once, in a new random order each epoch.

use firebrick_types::about::About;
use firebrick_types::random::rng;
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};

use super::definition::{Sampler, SamplerConfig};

/// Every image once, in a new random order each epoch.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Shuffle {}

impl SamplerConfig for Shuffle {
    const ABOUT: About = About::new(
        "shuffle",
        "takes every image once, in a new random order each epoch",
        &[],
    );
}

impl Sampler for Shuffle {
    fn order(&self, labels: &[usize], _: usize, seed: u64, epoch: u64) -> Vec<usize> {
        let mut order: Vec<usize> = (0..labels.len()).collect();
        order.shuffle(&mut rng(seed, "shuffle", epoch, 0));
        order
    }
}
