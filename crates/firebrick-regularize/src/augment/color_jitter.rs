//! `color_jitter`: changes brightness, contrast, saturation and hue, in random order; torchvision's `ColorJitter`.

use firebrick_core::ConfigError;
use firebrick_core::about::{About, Field, Range};
use firebrick_core::data::Subject;
use firebrick_core::image::{Image, Size, luma};
use firebrick_core::kernels::wide;
use firebrick_core::random::HostRng;
use rand::RngExt;
use serde::{Deserialize, Serialize};

use super::augmentation::Augmentation;
use super::blend::blend;
use super::brightness::brightness;
use super::contrast::{contrast, mean, sum_of_block};
use super::hue::{Sectors, Turn, hue, sectors};
use super::interval::Interval;
use super::planes::{self, BLOCK, Colours, Plane};
use super::saturation::{Saturate, saturation};

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
        match &params.changes[..] {
            changes @ [_, _, ..] if image.channels == 3 => {
                adjust(image.pixels.as_chunks_mut().0, changes);
            }
            changes => changes.iter().for_each(|change| change.apply(&mut image)),
        }
        image
    }
}

impl Adjustment {
    fn apply(self, image: &mut Image) {
        match self {
            Self::Brightness(factor) => brightness(image, factor),
            Self::Contrast(factor) => contrast(image, factor),
            Self::Saturation(factor) => saturation(image, factor),
            Self::Hue(turn) => hue(image, turn),
        }
    }
}

/// All changes of RGB pixels, in as few rounds over the image as there can be: contrast must have seen the whole image as the
/// changes before left it. In between, the channels of each block of pixels lie apart.
fn adjust(pixels: &mut [[u8; 3]], changes: &[Adjustment]) {
    let count = pixels.len();
    let mut round = Round {
        changes: Vec::new(),
        is_first: true,
        is_last: false,
    };
    for change in changes {
        let next = match *change {
            Adjustment::Brightness(factor) => Change::Blend(0, factor as f32),
            Adjustment::Contrast(factor) => {
                let sum = go_round(pixels, &round);
                (round.is_first, round.changes) = (false, Vec::new());
                Change::Blend(mean(sum, count), factor as f32)
            }
            Adjustment::Saturation(factor) => Change::Saturate(factor as f32),
            Adjustment::Hue(turn) => Change::Turn(Box::new(sectors(turn))),
        };
        round.changes.push(next);
    }
    round.is_last = true;
    go_round(pixels, &round);
}

/// What one round over the image does.
struct Round {
    changes: Vec<Change>,
    /// Whether the channels do not lie apart before it.
    is_first: bool,
    /// Whether they must not afterwards. Before another round, the lumas are summed up.
    is_last: bool,
}

enum Change {
    /// Every value is mixed with this one.
    Blend(u8, f32),
    Saturate(f32),
    Turn(Box<Sectors>),
}

wide! {
    /// One round over the image. The sum of the lumas afterwards, unless it is the last round.
    fn go_round(pixels: &mut [[u8; 3]], round: &Round) -> u64 {
        let (blocks, rest) = pixels.as_chunks_mut::<BLOCK>();
        let mut sum = 0;
        for block in blocks {
            let mut planes = if round.is_first {
                planes::of(block)
            } else {
                planes::apart(block)
            };
            for change in &round.changes {
                change.apply(&mut planes);
            }
            if round.is_last {
                planes::join(&planes, block);
            } else {
                sum += u64::from(sum_of_block(&planes));
                planes::keep_apart(&planes, block);
            }
        }
        // What is less than a block stays together.
        if !rest.is_empty() {
            let mut block = [[0; 3]; BLOCK];
            block[..rest.len()].copy_from_slice(rest);
            let mut planes = planes::of(&block);
            for change in &round.changes {
                change.apply(&mut planes);
            }
            planes::join(&planes, &mut block);
            rest.copy_from_slice(&block[..rest.len()]);
            sum += rest.iter().map(|pixel| u64::from(luma(pixel))).sum::<u64>();
        }
        sum
    }
}

impl Change {
    #[inline(always)]
    fn apply(&self, planes: &mut [Plane; 3]) {
        match self {
            Self::Blend(from, factor) => {
                for value in planes.as_flattened_mut() {
                    *value = blend(*from, *value, *factor);
                }
            }
            Self::Saturate(factor) => Saturate { factor: *factor }.change(planes),
            Self::Turn(sectors) => Turn { sectors }.change(planes),
        }
    }
}

#[cfg(test)]
mod tests {
    use firebrick_core::testkit::photo;

    use super::*;

    #[test]
    fn changes_made_together_are_those_made_one_by_one() {
        let all = [
            Adjustment::Brightness(1.3),
            Adjustment::Contrast(0.6),
            Adjustment::Saturation(1.7),
            Adjustment::Hue(0.1),
        ];
        // Whole blocks of pixels, some and a few pixels, and less than one block.
        for (width, height) in [(64, 3), (37, 9), (5, 1), (0, 3)] {
            for order in 0..256 {
                let changes: Vec<_> = (0..4).map(|at| all[order >> (2 * at) & 3]).collect();
                let mut expected = photo(width, height, 3);
                for change in &changes {
                    change.apply(&mut expected);
                }
                let params = ColorJitterParams { changes };
                let found = ColorJitter::default().apply(photo(width, height, 3), &params);
                assert_eq!(found, expected, "{width} × {height}: {params:?}");
            }
        }
    }
}
