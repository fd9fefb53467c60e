//! `cutout`: erases a square around a random pixel; the part of it that lies outside the image is lost.
//!
//! Paper: DeVries, Taylor 2017, "Improved Regularization of Convolutional Neural Networks with Cutout",
//! <https://arxiv.org/abs/1708.04552>.
//!
//! Differs from the paper: it erases to a mid grey where the paper has the mean of the data set, because it works before the
//! normalization; `fill` says otherwise.

use firebrick_core::about::{About, Field, Range};
use firebrick_core::data::Subject;
use firebrick_core::image::{Image, Size};
use firebrick_core::random::HostRng;
use rand::RngExt;
use serde::{Deserialize, Serialize};

use super::augmentation::Augmentation;
use super::erase::EraseParams;
use super::rectangle::{Fill, RANDOM, Rectangle};

/// Configuration of `cutout`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cutout {
    /// Side of the square in pixels. The paper has 16 for CIFAR-10, 8 for CIFAR-100.
    pub size: u64,
    /// What the square shows: a share of full intensity, or `random`.
    pub fill: Fill,
}

impl Default for Cutout {
    fn default() -> Self {
        Self {
            size: 16,
            fill: Fill::Value(0.5),
        }
    }
}

impl Augmentation for Cutout {
    const ABOUT: About = About::new(
        "cutout",
        "erases a square around a random pixel",
        &[
            Field::new("size", Range::Whole(1, 16_384)),
            Field::new("fill", Range::WithinOr(0.0, 1.0, RANDOM)),
        ],
    )
    .source("DeVries, Taylor 2017, Cutout, https://arxiv.org/abs/1708.04552");
    type Params = EraseParams;

    fn sample(&self, size: Size, _: &Subject, rng: &mut HostRng) -> EraseParams {
        let side = self.size as usize;
        let mut axis = |length: usize| {
            let middle = rng.random_range(0..length.max(1));
            let first = middle.saturating_sub(side / 2);
            let end = (middle + side - side / 2).min(length);
            (first, end - first.min(end))
        };
        let ((top, height), (left, width)) = (axis(size.height), axis(size.width));
        EraseParams {
            rectangle: Rectangle {
                left,
                top,
                width,
                height,
            },
            seed: (self.fill == Fill::Random).then(|| rng.random()),
        }
    }

    fn apply(&self, mut image: Image, params: &EraseParams) -> Image {
        self.fill.apply(&mut image, &params.rectangle, params.seed);
        image
    }
}
