//! `three_augment`: grey, solarized or blurred, one of the three at random; the 3-Augment of DeiT III. Its recipe adds
//! `color_jitter(0.3, 0.3, 0.3)` and `hflip`.
//!
//! Paper: Touvron, Cord, Jégou 2022, "DeiT III: Revenge of the ViT", <https://arxiv.org/abs/2204.07118>; timm's policy `3a`.
//!
//! Differs from timm: the blur is a Gaussian, not Pillow's approximation by three box filters.

use firebrick_core::about::About;
use firebrick_core::data::Subject;
use firebrick_core::image::{Image, Size};
use firebrick_core::random::HostRng;
use rand::RngExt;
use serde::{Deserialize, Serialize};

use super::augmentation::Augmentation;
use super::blur::{blur, taps};
use super::grayscale::grayscale;
use super::solarize::solarize;

/// Configuration of `three_augment`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ThreeAugment {}

/// What [`ThreeAugment`] drew.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "operation", rename_all = "snake_case")]
pub enum ThreeAugmentParams {
    /// No colour.
    Grayscale,
    /// Values from 128 on inverted.
    Solarize,
    /// Blurred.
    Blur {
        /// Standard deviation in pixels, 0.1 to 2.
        sigma: f64,
    },
}

impl Augmentation for ThreeAugment {
    const ABOUT: About = About::new(
        "three_augment",
        "turns the image to grey, solarizes it or blurs it, one of the three at random",
        &[],
    )
    .source(
        "Touvron, Cord, Jégou 2022, DeiT III, https://arxiv.org/abs/2204.07118; timm's policy 3a",
    );

    type Params = ThreeAugmentParams;

    fn sample(&self, _: Size, _: &Subject, rng: &mut HostRng) -> ThreeAugmentParams {
        match rng.random_range(0..3) {
            0 => ThreeAugmentParams::Grayscale,
            1 => ThreeAugmentParams::Solarize,
            _ => ThreeAugmentParams::Blur {
                sigma: rng.random_range(0.1..=2.0),
            },
        }
    }

    fn apply(&self, mut image: Image, params: &ThreeAugmentParams) -> Image {
        match params {
            ThreeAugmentParams::Grayscale => grayscale(&mut image),
            ThreeAugmentParams::Solarize => solarize(&mut image, 128.0),
            ThreeAugmentParams::Blur { sigma } => blur(&mut image, *sigma, taps(*sigma)),
        }
        image
    }
}
