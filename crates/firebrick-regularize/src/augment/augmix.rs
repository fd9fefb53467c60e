//! `augmix`: the image mixed with several versions of itself, each of which went through a chain of operations;
//! torchvision's `AugMix`.
//!
//! Paper: Hendrycks et al. 2020, "AugMix: A Simple Data Processing Method to Improve Robustness and Uncertainty",
//! <https://arxiv.org/abs/1912.02781>.
//!
//! Differs from torchvision: the operations are those of PIL images, as in its other policies and in the paper's code;
//! torchvision's `AugMix` converts PIL images to tensors first.
//! Masks and boxes stay where they are, as the image is mostly itself.

use firebrick_core::about::{About, Field, Range};
use firebrick_core::data::Subject;
use firebrick_core::image::{Image, Size};
use firebrick_core::random::HostRng;
use rand::RngExt;
use rand_distr::{Distribution, Gamma};
use serde::{Deserialize, Serialize};

use super::augmentation::Augmentation;
use super::policy::{Change, Geometry, Operation, Scale};
use super::warp::Interpolation;

/// Configuration of `augmix`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AugMix {
    /// How strong the operations are at most, 1 to 10.
    pub severity: u64,
    /// The number of chains.
    pub width: u64,
    /// Operations in each chain; 1, 2 or 3 at random where it is left out.
    pub depth: Option<u64>,
    /// Parameter of the Dirichlet distributions from which the weights come: the smaller, the more one of them
    /// outweighs the others.
    pub alpha: f64,
    /// Also brightness, contrast, saturation and sharpness, which the paper leaves out.
    pub all_ops: bool,
    /// How geometric operations interpolate.
    pub filter: Interpolation,
    /// What is shown where there is no image, a share of full intensity.
    pub fill: f64,
}

impl Default for AugMix {
    fn default() -> Self {
        Self {
            severity: 3,
            width: 3,
            depth: None,
            alpha: 1.0,
            all_ops: true,
            filter: Interpolation::Bilinear,
            fill: 0.0,
        }
    }
}

/// What [`AugMix`] drew. The weights sum to 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AugMixParams {
    /// Weight of the image as it is.
    pub original: f64,
    /// The chains.
    pub chains: Vec<Chain>,
}

/// One of the versions that are mixed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Chain {
    /// Its weight.
    pub weight: f64,
    /// Its operations in order.
    pub changes: Vec<Change>,
}

impl Augmentation for AugMix {
    const ABOUT: About = About::new(
        "augmix",
        "mixes the image with copies that went through random chains of operations",
        &[
            Field::new("severity", Range::Whole(1, 10)),
            Field::new("width", Range::Whole(1, 16)),
            Field::new("depth", Range::Whole(1, 16)),
            Field::new("alpha", Range::Within(0.01, 1000.0)),
            Field::new("all_ops", Range::Flag),
            Field::new("filter", Range::Choice(Interpolation::NAMES)),
            Field::new("fill", Range::Within(0.0, 1.0)),
        ],
    )
    .source(
        "Hendrycks et al. 2020, AugMix, https://arxiv.org/abs/1912.02781; torchvision's AugMix",
    );

    type Params = AugMixParams;

    fn sample(&self, size: Size, _: &Subject, rng: &mut HostRng) -> AugMixParams {
        let operations = match self.all_ops {
            true => &Operation::OF_AUGMIX[..],
            false => &Operation::OF_AUGMIX[..9],
        };
        let halves = dirichlet(self.alpha, 2, rng);
        let weights = dirichlet(self.alpha, self.width as usize, rng);
        let chains = weights.into_iter().map(|weight| {
            let depth = self.depth.unwrap_or_else(|| rng.random_range(1..=3));
            let change = |_| {
                let operation = operations[rng.random_range(0..operations.len())];
                let step = rng.random_range(0..self.severity);
                Scale::AUGMIX.drawn(operation, step as f64, size, rng)
            };
            Chain {
                weight: weight * halves[1],
                changes: (0..depth).map(change).collect(),
            }
        });
        AugMixParams {
            chains: chains.collect(),
            original: halves[0],
        }
    }

    fn apply(&self, mut image: Image, params: &AugMixParams) -> Image {
        let geometry = Geometry::new(self.filter, self.fill);
        let weight = params.original as f32;
        let mut sums: Vec<f32> = image
            .pixels
            .iter()
            .map(|value| weight * f32::from(*value))
            .collect();
        for Chain { weight, changes } in &params.chains {
            let version = image.clone();
            let version = changes
                .iter()
                .fold(version, |image, change| change.apply(image, geometry));
            let weight = *weight as f32;
            for (sum, value) in sums.iter_mut().zip(&version.pixels) {
                *sum += weight * f32::from(*value);
            }
        }
        for (value, sum) in image.pixels.iter_mut().zip(sums) {
            // The fraction is cut off, as in torchvision.
            *value = sum as u8;
        }
        image
    }
}

/// Weights that sum to 1, from a symmetric Dirichlet distribution.
fn dirichlet(alpha: f64, count: usize, rng: &mut HostRng) -> Vec<f64> {
    // `alpha` is checked; were it not, all weights would be the same.
    let gamma = Gamma::new(alpha, 1.0).ok();
    let draws: Vec<f64> = (0..count)
        .map(|_| gamma.map_or(1.0, |gamma| gamma.sample(rng).max(f64::MIN_POSITIVE)))
        .collect();
    let sum: f64 = draws.iter().sum();
    draws.into_iter().map(|draw| draw / sum).collect()
}
