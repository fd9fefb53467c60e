//! DropBlock: drops squares of each channel, and scales up what is left.
//!
//! Source: Ghiasi, Lin and Le, "DropBlock: A regularization method for convolutional networks", NeurIPS 2018, algorithm 1;
//! torchvision's `DropBlock2d`:
//!
//! ```text
//! γ = p / b² · H·W / ((H - b + 1)(W - b + 1))       b = min(block, H, W)
//! training:    each place where a b × b square fits in begins one with probability γ;
//!              y = x · mask · (number of values / number of values left)
//! evaluation:  y = x
//! ```
//!
//! In training, p rises in equal steps from 0 to its value during the first `ramp` of the run, as in the paper (section 3.1,
//! "Scheduled DropBlock"). Where the length of the run is not known, it has its value from the start. As squares overlap, a little less
//! than p is dropped. `p = 1` gives zeros.

use std::sync::Arc;

use burn::tensor::Tensor;
use firebrick_core::ConfigError;
use firebrick_core::about::{About, Field, Range};
use firebrick_core::random::share_of_run;
use serde::{Deserialize, Serialize};

use super::mask::{generator, kept, times, zeroed};
use super::probability::{KEEP, P, drop_probability};
use super::{DropoutUnit, Perturbation, What};

/// The name in spec strings.
pub const NAME: &str = "dropblock";

/// Configuration of DropBlock.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DropBlockConfig {
    /// Share of the values to drop, in [0, 1].
    pub p: f64,
    /// 1 - p, in place of `p`.
    pub keep: Option<f64>,
    /// Side of a square, in values; smaller images have smaller ones.
    pub block: usize,
    /// Share of the run in which p rises from 0 to its value; 0 for a constant p.
    pub ramp: f64,
}

impl Default for DropBlockConfig {
    fn default() -> Self {
        Self {
            p: 0.1,
            keep: None,
            block: 7,
            ramp: 1.0,
        }
    }
}

impl DropoutUnit for DropBlockConfig {
    const ABOUT: About = About::new(
        NAME,
        "drops squares of each channel, more of them towards the end of the run",
        &[
            P,
            KEEP,
            Field::new("block", Range::Whole(1, 1024)),
            Field::new("ramp", Range::Within(0.0, 1.0)),
        ],
    )
    .source("Ghiasi, Lin and Le 2018, \"DropBlock: A regularization method for convolutional networks\"; torchvision's DropBlock2d");

    fn what(&self) -> Result<What, ConfigError> {
        Ok(What::Features(Arc::new(DropBlock {
            p: drop_probability(NAME, self.p, Self::default().p, self.keep)?,
            block: self.block,
            ramp: self.ramp,
        })))
    }
}

#[derive(Debug)]
struct DropBlock {
    p: f64,
    block: usize,
    ramp: f64,
}

impl DropBlock {
    /// The probability at this point of the run.
    fn now(&self) -> f64 {
        match share_of_run() {
            Some(share) if share < self.ramp => self.p * share / self.ramp,
            _ => self.p,
        }
    }
}

impl Perturbation for DropBlock {
    fn train(&self, features: Tensor<4>) -> Tensor<4> {
        if self.p <= 0.0 {
            return features;
        }
        // Drawn at every point of the ramp, so that no other layer's draws depend on it.
        let mut rng = generator(&features.device());
        let p = self.now();
        if p >= 1.0 {
            return zeroed(features);
        }
        let [images, channels, height, width] = features.dims();
        let block = self.block.min(height).min(width);
        let places = images * channels * (height - block + 1) * (width - block + 1);
        let begins = kept(places, gamma(p, [height, width], block), &mut rng);
        apply(features, &begins, block)
    }

    fn shifts_variance(&self) -> bool {
        self.p > 0.0
    }
}

/// The probability with which a square begins at a place where one fits in.
#[must_use]
pub fn gamma(p: f64, [height, width]: [usize; 2], block: usize) -> f64 {
    let values = (height * width) as f64;
    let places = ((height - block + 1) * (width - block + 1)) as f64;
    (p / (block * block) as f64 * values / places).min(1.0)
}

/// Drops the squares that begin where `begins` says, at their upper left corners, and scales up what is left.
///
/// # Shapes
/// `[N, C, H, W]` to the same; `begins` `[N, C, H - block + 1, W - block + 1]` row by row.
#[must_use]
pub fn apply(features: Tensor<4>, begins: &[bool], block: usize) -> Tensor<4> {
    let shape = features.dims();
    let [_, _, height, width] = shape;
    let [rows, columns] = [height, width].map(|side| side - block + 1);
    let mut factors = vec![1.0; shape.iter().product()];
    let planes = factors.chunks_exact_mut(height * width);
    for (plane, begins) in planes.zip(begins.chunks_exact(rows * columns)) {
        let corners = begins.iter().enumerate().filter(|(_, begins)| **begins);
        for (corner, _) in corners {
            let (top, left) = (corner / columns, corner % columns);
            for row in top..top + block {
                plane[row * width + left..][..block].fill(0.0);
            }
        }
    }
    let left = factors.iter().sum::<f64>();
    if left > 0.0 {
        let scale = factors.len() as f64 / left;
        factors.iter_mut().for_each(|factor| *factor *= scale);
    }
    times(features, factors, shape)
}

#[cfg(test)]
mod tests {
    use firebrick_core::random::StepScope;

    use super::*;
    use crate::dropout::tests::{SCOPE, ones, training, values};

    /// The exact probability that each value of a plane is dropped.
    fn dropped(p: f64, [height, width]: [usize; 2], block: usize) -> Vec<f64> {
        let gamma = gamma(p, [height, width], block);
        let covering = |at: usize, side: usize| {
            let first = at.saturating_sub(block - 1);
            at.min(side - block) - first + 1
        };
        let value = |at: usize| {
            let squares = covering(at / width, height) * covering(at % width, width);
            1.0 - (1.0 - gamma).powi(squares as i32)
        };
        (0..height * width).map(value).collect()
    }

    #[test]
    fn the_share_that_is_dropped_is_the_exact_one() {
        for (p, block) in [(0.1, 1), (0.1, 7), (0.3, 4), (0.6, 3)] {
            let config = DropBlockConfig {
                p,
                block,
                ..DropBlockConfig::default()
            };
            let input = Tensor::<4>::ones([40, 20, 12, 10], &training("flex"));
            let output = values(&SCOPE.enter(|| config.layer().unwrap().forward(input)));
            let expected = dropped(p, [12, 10], block);
            let expected = expected.iter().sum::<f64>() / 120.0;
            assert!(expected <= p + 1e-12, "{p} {block}: {expected}");
            let found = output.iter().filter(|v| **v == 0.0).count() as f64 / output.len() as f64;
            // Five standard deviations of 800 planes; a plane's share varies by less than 0.5.
            assert!(
                (found - expected).abs() < 5.0 * 0.5 / 800_f64.sqrt(),
                "{p} {block}: {found} {expected}"
            );
            let mean = output.iter().map(|v| f64::from(*v)).sum::<f64>() / output.len() as f64;
            assert!((mean - 1.0).abs() < 1e-5, "the mean stays: {mean}");
        }
    }

    #[test]
    fn every_dropped_value_lies_in_a_whole_square() {
        let config = DropBlockConfig {
            block: 3,
            ..DropBlockConfig::default()
        };
        let output = values(&SCOPE.enter(|| config.layer().unwrap().forward(ones("flex"))));
        assert!(output.contains(&0.0));
        for plane in output.chunks(400) {
            let gone = |row: usize, column: usize| plane[row * 20 + column] == 0.0;
            for at in (0..400).filter(|at| plane[*at] == 0.0) {
                let (row, column) = (at / 20, at % 20);
                let whole = (row.saturating_sub(2)..=row.min(17)).any(|top| {
                    (column.saturating_sub(2)..=column.min(17))
                        .any(|left| (top..top + 3).all(|r| (left..left + 3).all(|c| gone(r, c))))
                });
                assert!(whole, "{row} {column}");
            }
        }
    }

    #[test]
    fn it_rises_during_the_run() {
        let zeros = |step, updates, ramp| {
            let scope = StepScope {
                step,
                updates,
                ..SCOPE
            };
            let config = DropBlockConfig {
                p: 0.3,
                block: 3,
                ramp,
                ..DropBlockConfig::default()
            };
            let output = scope.enter(|| config.layer().unwrap().forward(ones("flex")));
            values(&output)
                .iter()
                .filter(|value| **value == 0.0)
                .count()
        };
        assert_eq!(zeros(0, Some(100), 1.0), 0);
        let half = zeros(50, Some(100), 1.0);
        let full = zeros(100, Some(100), 1.0);
        assert!(half > 0 && full as f64 > 1.5 * half as f64, "{half} {full}");
        // With the draws of the same update: a shorter ramp has reached what an unknown length begins with.
        assert_eq!(zeros(50, Some(100), 0.5), zeros(50, None, 1.0));
        assert_eq!(zeros(50, Some(100), 0.0), zeros(50, None, 1.0));
        assert!(zeros(50, None, 1.0) > half);
    }

    #[test]
    fn p_rises_in_proportion_to_the_share_of_the_ramp() {
        let now = |step, ramp| {
            let scope = StepScope {
                step,
                updates: Some(100),
                ..SCOPE
            };
            let block = DropBlock {
                p: 0.3,
                block: 3,
                ramp,
            };
            scope.enter(|| block.now())
        };
        for (step, ramp, expected) in [
            (0, 1.0, 0.0),
            (25, 1.0, 0.075),
            (25, 0.5, 0.15),
            (50, 0.5, 0.3),
            (75, 0.5, 0.3),
            (0, 0.0, 0.3),
        ] {
            let found: f64 = now(step, ramp);
            assert!((found - expected).abs() < 1e-12, "{step} {ramp}: {found}");
        }
    }

    #[test]
    fn a_block_is_no_larger_than_the_shorter_side() {
        let config = DropBlockConfig {
            p: 0.3,
            block: 9,
            ..DropBlockConfig::default()
        };
        for shape in [[8, 8, 2, 12], [8, 8, 12, 2]] {
            let input = Tensor::<4>::ones(shape, &training("flex"));
            let output = values(&SCOPE.enter(|| config.layer().unwrap().forward(input)));
            let zeros = output.iter().filter(|value| **value == 0.0).count();
            // Squares of side 2.
            assert!(zeros > 0 && zeros < output.len(), "{zeros}");
            for plane in output.chunks(24) {
                let at = |short: usize, long: usize| match shape[2] {
                    2 => plane[short * 12 + long],
                    _ => plane[long * 2 + short],
                };
                assert!((0..12).all(|long| (at(0, long) == 0.0) == (at(1, long) == 0.0)));
            }
        }
    }

    #[test]
    fn a_block_larger_than_the_image_drops_whole_channels() {
        let config = DropBlockConfig {
            p: 0.5,
            block: 9,
            ..DropBlockConfig::default()
        };
        let input = Tensor::<4>::ones([8, 8, 4, 4], &training("flex"));
        let output = values(&SCOPE.enter(|| config.layer().unwrap().forward(input)));
        let zeros = output.iter().filter(|value| **value == 0.0).count();
        assert!(zeros > 0 && zeros < output.len(), "{zeros}");
        for plane in output.chunks(16) {
            assert!(plane.iter().all(|value| *value == plane[0]));
        }
    }
}
