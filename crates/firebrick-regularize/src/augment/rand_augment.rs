//! `rand_augment`: a number of operations at random, all of one strength; torchvision's `RandAugment`.
//!
//! Paper: Cubuk et al. 2020, "RandAugment: Practical Automated Data Augmentation with a Reduced Search Space",
//! <https://arxiv.org/abs/1909.13719>.
//!
//! Differs from torchvision: `std` makes the strength vary, as timm's `mstd` does.

use firebrick_core::about::{About, Field, Range};
use firebrick_core::data::Subject;
use firebrick_core::image::{Image, Size};
use firebrick_core::random::HostRng;
use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};

use super::augmentation::Augmentation;
use super::policy::{Change, Geometry, Operation, Scale};
use super::warp::{Interpolation, Warp};

/// Configuration of `rand_augment`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RandAugment {
    /// The number of operations for an image.
    pub n: u64,
    /// How strong they are, 0 to 30.
    pub magnitude: f64,
    /// Standard deviation of the strength, which is drawn anew for each operation and cut off at 0 and 30.
    pub std: f64,
    /// How geometric operations interpolate.
    pub filter: Interpolation,
    /// What is shown where there is no image, a share of full intensity.
    pub fill: f64,
}

impl Default for RandAugment {
    fn default() -> Self {
        Self {
            n: 2,
            magnitude: 9.0,
            std: 0.0,
            filter: Interpolation::Nearest,
            fill: 0.0,
        }
    }
}

/// What was drawn: the operations in order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Changes {
    /// The operations, the first one first.
    pub changes: Vec<Change>,
}

impl Augmentation for RandAugment {
    const ABOUT: About = About::new(
        "rand_augment",
        "applies n random operations, all at the same strength",
        &[
            Field::new("n", Range::Whole(0, 16)),
            Field::new("magnitude", Range::Within(0.0, 30.0)),
            Field::new("std", Range::NotNegative),
            Field::new("filter", Range::Choice(Interpolation::NAMES)),
            Field::new("fill", Range::Within(0.0, 1.0)),
        ],
    )
    .source("Cubuk et al. 2020, RandAugment, https://arxiv.org/abs/1909.13719; torchvision's RandAugment");

    type Params = Changes;

    fn sample(&self, size: Size, _: &Subject, rng: &mut HostRng) -> Changes {
        let change = |_| {
            let operation = Operation::ALL_BUT_INVERT[rng.random_range(0..14)];
            let mut step = self.magnitude;
            if self.std > 0.0 {
                let normal: f64 = StandardNormal.sample(rng);
                step = (step + self.std * normal).clamp(0.0, 30.0);
            }
            Scale::RAND.drawn(operation, step, size, rng)
        };
        Changes {
            changes: (0..self.n).map(change).collect(),
        }
    }

    fn apply(&self, image: Image, params: &Changes) -> Image {
        let geometry = Geometry::new(self.filter, self.fill);
        let changes = params.changes.iter();
        changes.fold(image, |image, change| change.apply(image, geometry))
    }

    fn warp(&self, size: Size, params: &Changes) -> Option<Warp> {
        Geometry::new(self.filter, self.fill).alone(size, &params.changes)
    }
}
