//! `color_jitter`: changes brightness, contrast, saturation and hue, in random order; torchvision's `ColorJitter`.

use firebrick_core::ConfigError;
use firebrick_core::about::{About, Field, Range};
use firebrick_core::data::Subject;
use firebrick_core::image::{Image, Size};
use firebrick_core::random::HostRng;
use rand::RngExt;
use serde::{Deserialize, Serialize};

use super::augmentation::Augmentation;
use super::brightness::brightness;
use super::contrast::contrast;
use super::hue::hue;
use super::interval::Interval;
use super::saturation::saturation;

/// Configuration of `color_jitter`. What is 0 is left alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ColorJitter {
    /// The factor: `x` is 1 − x … 1 + x, not below 0; `[low, high]` is explicit.
    pub brightness: Interval,
    /// The factor, as for the brightness.
    pub contrast: Interval,
    /// The factor, as for the brightness.
    pub saturation: Interval,
    /// The share of a turn of the colour circle: `x` is −x … x, at most 0.5; `[low, high]` is explicit.
    pub hue: Interval,
}

impl Default for ColorJitter {
    fn default() -> Self {
        let none = Interval::of(0.0);
        Self {
            brightness: none,
            contrast: none,
            saturation: none,
            hue: none,
        }
    }
}

/// What [`ColorJitter`] drew.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ColorJitterParams {
    /// The changes in the order in which they are made.
    pub changes: Vec<Adjustment>,
}

/// One change of the colours.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Adjustment {
    /// By this factor.
    Brightness(f64),
    /// By this factor.
    Contrast(f64),
    /// By this factor.
    Saturation(f64),
    /// By this share of a turn.
    Hue(f64),
}

impl Augmentation for ColorJitter {
    const ABOUT: About = About::new(
        "color_jitter",
        "changes brightness, contrast, saturation and hue, in random order",
        &[
            Field::new("brightness", Range::NotNegative),
            Field::new("contrast", Range::NotNegative),
            Field::new("saturation", Range::NotNegative),
            Field::new("hue", Range::Within(-0.5, 0.5)),
        ],
    )
    .source("torchvision's ColorJitter");
    type Params = ColorJitterParams;

    fn check(&self) -> Result<(), ConfigError> {
        for (field, interval) in [
            ("brightness", self.brightness),
            ("contrast", self.contrast),
            ("saturation", self.saturation),
            ("hue", self.hue),
        ] {
            interval.check_distance("color_jitter", field)?;
        }
        Ok(())
    }

    /// The order of all four is drawn first, then the amounts of those that are not left alone.
    fn sample(&self, _: Size, _: &Subject, rng: &mut HostRng) -> ColorJitterParams {
        let mut order = [0, 1, 2, 3];
        for last in (1..4).rev() {
            order.swap(last, rng.random_range(0..=last));
        }
        let mut draw = |interval: Interval, neutral: f64| {
            let ends = if neutral == 0.0 {
                interval.around_zero()
            } else {
                interval.around_one()
            };
            (ends.ends() != [neutral; 2]).then(|| ends.draw(rng))
        };
        let drawn = [
            draw(self.brightness, 1.0).map(Adjustment::Brightness),
            draw(self.contrast, 1.0).map(Adjustment::Contrast),
            draw(self.saturation, 1.0).map(Adjustment::Saturation),
            draw(self.hue, 0.0).map(Adjustment::Hue),
        ];
        let changes = order.into_iter().filter_map(|which: usize| drawn[which]);
        ColorJitterParams {
            changes: changes.collect(),
        }
    }

    fn apply(&self, mut image: Image, params: &ColorJitterParams) -> Image {
        for change in &params.changes {
            match *change {
                Adjustment::Brightness(factor) => brightness(&mut image, factor),
                Adjustment::Contrast(factor) => contrast(&mut image, factor),
                Adjustment::Saturation(factor) => saturation(&mut image, factor),
                Adjustment::Hue(turn) => hue(&mut image, turn),
            }
        }
        image
    }
}
