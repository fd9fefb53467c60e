//! `sequential`: every image once, in the order of the data set.

use firebrick_types::about::About;
use serde::{Deserialize, Serialize};

use super::definition::{Sampler, SamplerConfig};

/// Every image once, in the order of the data set: for evaluation.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sequential {}

impl SamplerConfig for Sequential {
    const ABOUT: About = About::new(
        "sequential",
        "takes every image once, in the order of the data set",
        &[],
    );
}

impl Sampler for Sequential {
    fn order(&self, labels: &[usize], _: usize, _: u64, _: u64) -> Vec<usize> {
        (0..labels.len()).collect()
    }
}
