//! `balanced`: every class equally often.

use firebrick_types::about::About;
use serde::{Deserialize, Serialize};

use super::definition::{Sampler, SamplerConfig};
use super::draw::draw;

/// Draws with replacement: first a class, all being equally likely, then one of its images.
///
/// A rare class is seen as often as a frequent one, its images several times each; a frequent
/// class shows only a part of its images in one epoch. Classes without images are left out.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Balanced {}

impl SamplerConfig for Balanced {
    const ABOUT: About = About::new(
        "balanced",
        "draws images with replacement, from every class equally often",
        &[],
    );
}

impl Sampler for Balanced {
    fn order(&self, labels: &[usize], classes: usize, seed: u64, epoch: u64) -> Vec<usize> {
        draw(labels, &vec![1.0; classes], seed, epoch)
    }
}
