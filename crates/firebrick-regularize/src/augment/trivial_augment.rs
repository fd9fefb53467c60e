//! `trivial_augment`: one random operation at a random strength; torchvision's `TrivialAugmentWide`.
//!
//! Paper: Müller, Hutter 2021, "TrivialAugment: Tuning-free Yet State-of-the-Art Data Augmentation",
//! <https://arxiv.org/abs/2103.10158>.

use firebrick_core::about::{About, Field, Range};
use firebrick_core::data::Subject;
use firebrick_core::image::{Image, Size};
use firebrick_core::random::HostRng;
use rand::RngExt;
use serde::{Deserialize, Serialize};

use super::augmentation::Augmentation;
use super::policy::{Change, Geometry, Operation, Scale};
use super::warp::{Interpolation, Warp};

/// Configuration of `trivial_augment`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrivialAugment {
    /// How geometric operations interpolate.
    pub filter: Interpolation,
    /// What is shown where there is no image, a share of full intensity.
    pub fill: f64,
}

impl Default for TrivialAugment {
    fn default() -> Self {
        Self {
            filter: Interpolation::Nearest,
            fill: 0.0,
        }
    }
}

impl Augmentation for TrivialAugment {
    const ABOUT: About = About::new(
        "trivial_augment",
        "applies one random operation at a random strength",
        &[
            Field::new("filter", Range::Choice(Interpolation::NAMES)),
            Field::new("fill", Range::Within(0.0, 1.0)),
        ],
    )
    .source("Müller, Hutter 2021, TrivialAugment, https://arxiv.org/abs/2103.10158; torchvision's TrivialAugmentWide");

    type Params = Change;

    fn sample(&self, size: Size, _: &Subject, rng: &mut HostRng) -> Change {
        let operation = Operation::ALL_BUT_INVERT[rng.random_range(0..14)];
        let step = rng.random_range(0..Scale::WIDE.steps);
        Scale::WIDE.drawn(operation, step as f64, size, rng)
    }

    fn apply(&self, image: Image, params: &Change) -> Image {
        params.apply(image, Geometry::new(self.filter, self.fill))
    }

    fn warp(&self, size: Size, params: &Change) -> Option<Warp> {
        Geometry::new(self.filter, self.fill).alone(size, std::slice::from_ref(params))
    }
}
