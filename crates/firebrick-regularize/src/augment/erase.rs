//! `erase`: erases a rectangle of random position, area and aspect ratio; torchvision's `RandomErasing`.
//!
//! Paper: Zhong et al. 2020, "Random Erasing Data Augmentation", <https://arxiv.org/abs/1708.04896>.
//!
//! As in torchvision, the first option is the probability: `erase(0.25)` changes a quarter of the images, and
//! `erase(share=0.25)` erases up to a quarter of an image.
//!
//! Differs from torchvision: it works on 8-bit images, so `random` gives all values alike often instead of normally
//! distributed ones, and `fill` is a share of full intensity.

use firebrick_core::ConfigError;
use firebrick_core::about::{About, Field, Range};
use firebrick_core::data::Subject;
use firebrick_core::image::{Image, Size};
use firebrick_core::random::HostRng;
use rand::RngExt;
use serde::{Deserialize, Serialize};

use super::augmentation::Augmentation;
use super::interval::Interval;
use super::rectangle::{Fill, RANDOM, Rectangle};

/// Configuration of `erase`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Erase {
    /// The area as a share of the image's: `[low, high]`; one number is the upper end, and 0.02 the lower.
    pub share: Interval,
    /// Height over width: `[low, high]`; one number `x` is 1/x … x.
    pub ratio: Interval,
    /// What the rectangle shows: a share of full intensity, or `random`.
    pub fill: Fill,
}

impl Default for Erase {
    fn default() -> Self {
        Self {
            share: Interval::between(LEAST_SHARE, 0.33),
            ratio: Interval::between(0.3, 3.3),
            fill: Fill::Value(0.0),
        }
    }
}

/// The lower end of the share where only the upper one is given.
const LEAST_SHARE: f64 = 0.02;
/// Rectangles that are tried until one fits into the image.
const TRIES: usize = 10;

/// What [`Erase`] drew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct EraseParams {
    /// The rectangle; without a width where none fitted into the image.
    #[serde(flatten)]
    pub rectangle: Rectangle,
    /// From which the values follow, if they are random.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u32>,
}

impl Augmentation for Erase {
    const ABOUT: About = About::new(
        "erase",
        "erases a rectangle of random position, area and aspect ratio with probability prob: erase(0.25) changes a quarter of the images",
        &[
            Field::new("share", Range::Within(0.0, 1.0)),
            Field::new("ratio", Range::Positive),
            Field::new("fill", Range::WithinOr(0.0, 1.0, RANDOM)),
        ],
    )
    .source("Zhong et al. 2020, Random Erasing, https://arxiv.org/abs/1708.04896; torchvision's RandomErasing");
    const PROB: f64 = 0.5;
    type Params = EraseParams;

    fn check(&self) -> Result<(), ConfigError> {
        self.share.check("erase", "share")?;
        self.ratio.check("erase", "ratio")
    }

    fn sample(&self, size: Size, _: &Subject, rng: &mut HostRng) -> EraseParams {
        let Size { width, height } = size;
        let share = self.share.ends(|x| [x.min(LEAST_SHARE), x]);
        let ratio = self.ratio.ends(|x| [x.min(1.0 / x), x.max(1.0 / x)]);
        let logarithms = ratio.ends().map(f64::ln);
        let logarithms = Interval::between(logarithms[0], logarithms[1]).fixed();
        let mut rectangle = Rectangle {
            left: 0,
            top: 0,
            width: 0,
            height: 0,
        };
        for _ in 0..TRIES {
            let area = (width * height) as f64 * share.draw(rng);
            let ratio = logarithms.draw(rng).exp();
            // Python rounds halves to even.
            let side = |area: f64| area.sqrt().round_ties_even() as usize;
            let (high, wide) = (side(area * ratio), side(area / ratio));
            if high < height && wide < width {
                rectangle = Rectangle {
                    top: rng.random_range(0..=height - high),
                    left: rng.random_range(0..=width - wide),
                    width: wide,
                    height: high,
                };
                break;
            }
        }
        EraseParams {
            rectangle,
            seed: (self.fill == Fill::Random).then(|| rng.random()),
        }
    }

    fn apply(&self, mut image: Image, params: &EraseParams) -> Image {
        self.fill.apply(&mut image, &params.rectangle, params.seed);
        image
    }
}

#[cfg(test)]
mod tests {
    use crate::augment::build;

    #[test]
    fn the_first_option_is_the_probability() {
        let canonical = |text: &str| {
            let chain = build(&text.parse().unwrap()).unwrap();
            chain.pipeline().to_string()
        };
        assert_eq!(canonical("erase(0.25)"), canonical("erase(prob=0.25)"));
        assert_eq!(
            canonical("erase(0.25, 0.1)"),
            "erase(prob=0.25, share=0.1, ratio=[0.3, 3.3], fill=0.0)"
        );
        assert_ne!(canonical("erase(0.25)"), canonical("erase(share=0.25)"));
    }
}
