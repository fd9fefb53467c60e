//! `auto_augment`: one of 25 pairs of operations, found by a search on ImageNet, CIFAR-10 or SVHN; torchvision's
//! `AutoAugment`.
//!
//! Paper: Cubuk et al. 2019, "AutoAugment: Learning Augmentation Strategies from Data",
//! <https://arxiv.org/abs/1805.09501>.

use firebrick_core::about::{About, Field, Range};
use firebrick_core::data::Subject;
use firebrick_core::image::{Image, Size};
use firebrick_core::random::HostRng;
use rand::RngExt;
use serde::{Deserialize, Serialize};

use super::augmentation::Augmentation;
use super::policy::Operation::{
    self, AutoContrast, Brightness, Color, Contrast, Equalize, Invert, Posterize, Rotate,
    Sharpness, ShearX, ShearY, Solarize, TranslateX, TranslateY,
};
use super::policy::{Change, Geometry, Scale};
use super::warp::{Interpolation, Warp};

/// What the policy was searched on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Policy {
    /// ImageNet: photographs.
    #[default]
    ImageNet,
    /// CIFAR-10: small photographs.
    Cifar10,
    /// SVHN: house numbers, or other images that must not be mirrored.
    Svhn,
}

/// Configuration of `auto_augment`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AutoAugment {
    /// What the policy was searched on.
    pub policy: Policy,
    /// How geometric operations interpolate.
    pub filter: Interpolation,
    /// What is shown where there is no image, a share of full intensity.
    pub fill: f64,
}

impl Default for AutoAugment {
    fn default() -> Self {
        Self {
            policy: Policy::ImageNet,
            filter: Interpolation::Nearest,
            fill: 0.0,
        }
    }
}

/// What [`AutoAugment`] drew: which of the 25 pairs, and the operations of it that are applied.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AutoAugmentParams {
    /// The number of the pair, from 0.
    pub pair: usize,
    /// None, one or both of its operations.
    pub changes: Vec<Change>,
}

impl Augmentation for AutoAugment {
    const ABOUT: About = About::new(
        "auto_augment",
        "applies one of 25 pairs of operations that were found by a search on a data set",
        &[
            Field::new("policy", Range::Choice(&["imagenet", "cifar10", "svhn"])),
            Field::new("filter", Range::Choice(Interpolation::NAMES)),
            Field::new("fill", Range::Within(0.0, 1.0)),
        ],
    )
    .source("Cubuk et al. 2019, AutoAugment, https://arxiv.org/abs/1805.09501; torchvision's AutoAugment");

    type Params = AutoAugmentParams;

    fn sample(&self, size: Size, _: &Subject, rng: &mut HostRng) -> AutoAugmentParams {
        let pairs = pairs(self.policy);
        let pair = rng.random_range(0..pairs.len());
        let mut changes = Vec::new();
        for (operation, prob, step) in pairs[pair] {
            if rng.random::<f64>() < prob {
                changes.push(Scale::AUTO.drawn(operation, step, size, rng));
            }
        }
        AutoAugmentParams { pair, changes }
    }

    fn apply(&self, image: Image, params: &AutoAugmentParams) -> Image {
        let geometry = Geometry::new(self.filter, self.fill);
        let changes = params.changes.iter();
        changes.fold(image, |image, change| change.apply(image, geometry))
    }

    fn warp(&self, size: Size, params: &AutoAugmentParams) -> Option<Warp> {
        Geometry::new(self.filter, self.fill).alone(size, &params.changes)
    }
}

/// An operation, its probability, and its step on the scale of ten; 0 where it has no magnitude.
type Part = (Operation, f64, f64);

pub(super) fn pairs(policy: Policy) -> &'static [[Part; 2]; 25] {
    match policy {
        Policy::ImageNet => &IMAGENET,
        Policy::Cifar10 => &CIFAR10,
        Policy::Svhn => &SVHN,
    }
}

const IMAGENET: [[Part; 2]; 25] = [
    [(Posterize, 0.4, 8.0), (Rotate, 0.6, 9.0)],
    [(Solarize, 0.6, 5.0), (AutoContrast, 0.6, 0.0)],
    [(Equalize, 0.8, 0.0), (Equalize, 0.6, 0.0)],
    [(Posterize, 0.6, 7.0), (Posterize, 0.6, 6.0)],
    [(Equalize, 0.4, 0.0), (Solarize, 0.2, 4.0)],
    [(Equalize, 0.4, 0.0), (Rotate, 0.8, 8.0)],
    [(Solarize, 0.6, 3.0), (Equalize, 0.6, 0.0)],
    [(Posterize, 0.8, 5.0), (Equalize, 1.0, 0.0)],
    [(Rotate, 0.2, 3.0), (Solarize, 0.6, 8.0)],
    [(Equalize, 0.6, 0.0), (Posterize, 0.4, 6.0)],
    [(Rotate, 0.8, 8.0), (Color, 0.4, 0.0)],
    [(Rotate, 0.4, 9.0), (Equalize, 0.6, 0.0)],
    [(Equalize, 0.0, 0.0), (Equalize, 0.8, 0.0)],
    [(Invert, 0.6, 0.0), (Equalize, 1.0, 0.0)],
    [(Color, 0.6, 4.0), (Contrast, 1.0, 8.0)],
    [(Rotate, 0.8, 8.0), (Color, 1.0, 2.0)],
    [(Color, 0.8, 8.0), (Solarize, 0.8, 7.0)],
    [(Sharpness, 0.4, 7.0), (Invert, 0.6, 0.0)],
    [(ShearX, 0.6, 5.0), (Equalize, 1.0, 0.0)],
    [(Color, 0.4, 0.0), (Equalize, 0.6, 0.0)],
    [(Equalize, 0.4, 0.0), (Solarize, 0.2, 4.0)],
    [(Solarize, 0.6, 5.0), (AutoContrast, 0.6, 0.0)],
    [(Invert, 0.6, 0.0), (Equalize, 1.0, 0.0)],
    [(Color, 0.6, 4.0), (Contrast, 1.0, 8.0)],
    [(Equalize, 0.8, 0.0), (Equalize, 0.6, 0.0)],
];

const CIFAR10: [[Part; 2]; 25] = [
    [(Invert, 0.1, 0.0), (Contrast, 0.2, 6.0)],
    [(Rotate, 0.7, 2.0), (TranslateX, 0.3, 9.0)],
    [(Sharpness, 0.8, 1.0), (Sharpness, 0.9, 3.0)],
    [(ShearY, 0.5, 8.0), (TranslateY, 0.7, 9.0)],
    [(AutoContrast, 0.5, 0.0), (Equalize, 0.9, 0.0)],
    [(ShearY, 0.2, 7.0), (Posterize, 0.3, 7.0)],
    [(Color, 0.4, 3.0), (Brightness, 0.6, 7.0)],
    [(Sharpness, 0.3, 9.0), (Brightness, 0.7, 9.0)],
    [(Equalize, 0.6, 0.0), (Equalize, 0.5, 0.0)],
    [(Contrast, 0.6, 7.0), (Sharpness, 0.6, 5.0)],
    [(Color, 0.7, 7.0), (TranslateX, 0.5, 8.0)],
    [(Equalize, 0.3, 0.0), (AutoContrast, 0.4, 0.0)],
    [(TranslateY, 0.4, 3.0), (Sharpness, 0.2, 6.0)],
    [(Brightness, 0.9, 6.0), (Color, 0.2, 8.0)],
    [(Solarize, 0.5, 2.0), (Invert, 0.0, 0.0)],
    [(Equalize, 0.2, 0.0), (AutoContrast, 0.6, 0.0)],
    [(Equalize, 0.2, 0.0), (Equalize, 0.6, 0.0)],
    [(Color, 0.9, 9.0), (Equalize, 0.6, 0.0)],
    [(AutoContrast, 0.8, 0.0), (Solarize, 0.2, 8.0)],
    [(Brightness, 0.1, 3.0), (Color, 0.7, 0.0)],
    [(Solarize, 0.4, 5.0), (AutoContrast, 0.9, 0.0)],
    [(TranslateY, 0.9, 9.0), (TranslateY, 0.7, 9.0)],
    [(AutoContrast, 0.9, 0.0), (Solarize, 0.8, 3.0)],
    [(Equalize, 0.8, 0.0), (Invert, 0.1, 0.0)],
    [(TranslateY, 0.7, 9.0), (AutoContrast, 0.9, 0.0)],
];

const SVHN: [[Part; 2]; 25] = [
    [(ShearX, 0.9, 4.0), (Invert, 0.2, 0.0)],
    [(ShearY, 0.9, 8.0), (Invert, 0.7, 0.0)],
    [(Equalize, 0.6, 0.0), (Solarize, 0.6, 6.0)],
    [(Invert, 0.9, 0.0), (Equalize, 0.6, 0.0)],
    [(Equalize, 0.6, 0.0), (Rotate, 0.9, 3.0)],
    [(ShearX, 0.9, 4.0), (AutoContrast, 0.8, 0.0)],
    [(ShearY, 0.9, 8.0), (Invert, 0.4, 0.0)],
    [(ShearY, 0.9, 5.0), (Solarize, 0.2, 6.0)],
    [(Invert, 0.9, 0.0), (AutoContrast, 0.8, 0.0)],
    [(Equalize, 0.6, 0.0), (Rotate, 0.9, 3.0)],
    [(ShearX, 0.9, 4.0), (Solarize, 0.3, 3.0)],
    [(ShearY, 0.8, 8.0), (Invert, 0.7, 0.0)],
    [(Equalize, 0.9, 0.0), (TranslateY, 0.6, 6.0)],
    [(Invert, 0.9, 0.0), (Equalize, 0.6, 0.0)],
    [(Contrast, 0.3, 3.0), (Rotate, 0.8, 4.0)],
    [(Invert, 0.8, 0.0), (TranslateY, 0.0, 2.0)],
    [(ShearY, 0.7, 6.0), (Solarize, 0.4, 8.0)],
    [(Invert, 0.6, 0.0), (Rotate, 0.8, 4.0)],
    [(ShearY, 0.3, 7.0), (TranslateX, 0.9, 3.0)],
    [(ShearX, 0.1, 6.0), (Invert, 0.6, 0.0)],
    [(Solarize, 0.7, 2.0), (TranslateY, 0.6, 7.0)],
    [(ShearY, 0.8, 4.0), (Invert, 0.8, 0.0)],
    [(ShearX, 0.7, 9.0), (TranslateY, 0.8, 3.0)],
    [(ShearY, 0.8, 5.0), (AutoContrast, 0.7, 0.0)],
    [(ShearX, 0.7, 2.0), (Invert, 0.1, 0.0)],
];
