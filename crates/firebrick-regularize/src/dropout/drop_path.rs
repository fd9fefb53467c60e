//! Stochastic depth: drops the residual branch of an image, or of the whole batch, so that the block is passed by.
//!
//! Source: Huang et al., "Deep Networks with Stochastic Depth", ECCV 2016; torchvision's `StochasticDepth`, timm's
//! `DropPath`:
//!
//! ```text
//! training:    y[n] = x[n] · mask[n] / (1 - p)     mode=row: a mask for each image; mode=batch: one for all
//! evaluation:  y = x
//! ```
//!
//! It belongs on the branch, before the sum: `input + drop_path(branch(input))`. Differs from the paper, which scales in
//! evaluation instead.

use std::sync::Arc;

use burn::module::{Flag, Module, Param};
use burn::tensor::Tensor;
use firebrick_core::ConfigError;
use firebrick_core::about::{About, Field, Range};
use serde::{Deserialize, Serialize};

use super::mask::{generator, kept, times, zeroed};
use super::probability::{KEEP, P, drop_probability};
use super::{DropoutUnit, Perturbation, What};

/// The name in spec strings.
pub const NAME: &str = "drop_path";

/// Configuration of [`DropPath`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DropPathConfig {
    /// Probability of dropping the branch, in [0, 1].
    pub p: f64,
    /// 1 - p, in place of `p`.
    pub keep: Option<f64>,
    /// What one draw decides about.
    pub mode: Mode,
}

/// What one draw of [`DropPath`] decides about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// The branch of one image.
    #[default]
    Row,
    /// The branch of all images of the batch.
    Batch,
}

impl Default for DropPathConfig {
    fn default() -> Self {
        Self {
            p: 0.1,
            keep: None,
            mode: Mode::default(),
        }
    }
}

impl DropPathConfig {
    /// Drops the branch of each image with probability `p`.
    #[must_use]
    pub fn new(p: f64) -> Self {
        Self {
            p,
            ..Self::default()
        }
    }

    /// The layer, with training behaviour on.
    ///
    /// # Errors
    /// [`ConfigError::OutOfRange`] when `p` or `keep` is not in [0, 1], [`ConfigError::Conflict`] when both are given.
    pub fn init(&self) -> Result<DropPath, ConfigError> {
        Self::ABOUT.check(self)?;
        Ok(DropPath {
            p: drop_probability(NAME, self.p, Self::default().p, self.keep)?,
            mode: self.mode,
            training: Param::from_bool(true),
        })
    }
}

impl DropoutUnit for DropPathConfig {
    const ABOUT: About = About {
        aliases: &["stochastic_depth"],
        ..About::new(
            NAME,
            "drops the residual branch, for each image by itself or for the whole batch",
            &[P, KEEP, Field::new("mode", Range::Choice(&["row", "batch"]))],
        )
        .source("Huang et al. 2016, \"Deep Networks with Stochastic Depth\"; torchvision's StochasticDepth")
    };

    fn what(&self) -> Result<What, ConfigError> {
        let p = drop_probability(NAME, self.p, Self::default().p, self.keep)?;
        Ok(What::Features(Arc::new(Branch(p, self.mode))))
    }
}

/// The drop probabilities of the residual blocks of a model, in order: from 0 at the first in equal steps to `last` at the last,
/// as in timm and torchvision's ConvNeXt. A single block gets `last`.
///
/// ```
/// use firebrick_regularize::dropout::drop_path_rates;
/// assert_eq!(drop_path_rates(0.5, 3), [0.0, 0.25, 0.5]);
/// ```
#[must_use]
pub fn drop_path_rates(last: f64, blocks: usize) -> Vec<f64> {
    let steps = blocks.saturating_sub(1).max(1) as f64;
    let first = if blocks == 1 { 1 } else { 0 };
    (first..first + blocks)
        .map(|block| last * (block as f64 / steps))
        .collect()
}

/// Drops residual branches in training; see the [module](self) for the formula, and
/// [`DropoutLayer`](super::DropoutLayer#randomness) for when it is active and what it draws from.
#[derive(Module, Debug)]
pub struct DropPath {
    /// Probability of dropping the branch, in [0, 1].
    pub p: f64,
    /// What one draw decides about.
    #[module(skip)]
    pub mode: Mode,
    /// Whether training behaviour is on; freezing turns it off.
    pub training: Param<Flag>,
}

impl DropPath {
    /// Whether a branch on the device of `input` may be dropped.
    #[must_use]
    pub fn is_active(&self, input: &Tensor<4>) -> bool {
        self.p > 0.0 && self.training.is_enabled() && input.device().is_autodiff()
    }

    /// # Shapes
    /// `[N, C, H, W]` to the same.
    #[must_use]
    pub fn forward(&self, branch: Tensor<4>) -> Tensor<4> {
        if self.is_active(&branch) {
            return Branch(self.p, self.mode).train(branch);
        }
        branch
    }
}

/// The probability of dropping and what a draw decides about.
#[derive(Debug)]
struct Branch(f64, Mode);

impl Perturbation for Branch {
    fn train(&self, features: Tensor<4>) -> Tensor<4> {
        let Self(p, mode) = *self;
        if p <= 0.0 {
            return features;
        }
        if p >= 1.0 {
            return zeroed(features);
        }
        let count = match mode {
            Mode::Row => features.dims()[0],
            Mode::Batch => 1,
        };
        let kept = kept(count, 1.0 - p, &mut generator(&features.device()));
        apply(features, &kept, p)
    }
}

/// Keeps and scales the branches of the images that are `kept`; a single entry is that of all of them.
///
/// # Shapes
/// `[N, C, H, W]` to the same; `kept` `[N]` or `[1]`, `p` in [0, 1).
#[must_use]
pub fn apply(branch: Tensor<4>, kept: &[bool], p: f64) -> Tensor<4> {
    let factor = |kept: &bool| if *kept { 1.0 / (1.0 - p) } else { 0.0 };
    times(
        branch,
        kept.iter().map(factor).collect(),
        [kept.len(), 1, 1, 1],
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dropout::tests::{SCOPE, ones, values};

    #[test]
    fn rates_rise_in_equal_steps() {
        assert_eq!(drop_path_rates(0.2, 0), [0.0; 0]);
        assert_eq!(drop_path_rates(0.2, 1), [0.2]);
        let rates = drop_path_rates(0.3, 9);
        assert_eq!((rates[0], rates[8], rates.len()), (0.0, 0.3, 9));
        let steps = rates.windows(2).map(|pair| pair[1] - pair[0]);
        assert!(steps.into_iter().all(|step| (step - 0.0375).abs() < 1e-12));
        assert_eq!(drop_path_rates(0.0, 3), [0.0; 3]);
    }

    #[test]
    fn a_draw_decides_about_an_image_or_the_batch() {
        let of = |mode| {
            let config = DropPathConfig {
                p: 0.5,
                keep: None,
                mode,
            };
            let output = SCOPE.enter(|| config.init().unwrap().forward(ones("flex")));
            let output = values(&output);
            let images = output.chunks(1600).map(|image| {
                assert!(image.iter().all(|value| *value == image[0]));
                image[0]
            });
            images.collect::<Vec<_>>()
        };
        let rows = of(Mode::Row);
        assert!(rows.contains(&0.0) && rows.contains(&2.0), "{rows:?}");
        let batch = of(Mode::Batch);
        assert!(batch.iter().all(|value| *value == batch[0]), "{batch:?}");
    }

    #[test]
    fn it_is_active_only_where_it_can_drop() {
        let path = DropPathConfig::new(0.5).init().unwrap();
        assert!(path.is_active(&ones("flex")));
        assert!(!path.is_active(&ones("flex").inner()));
        assert!(!path.valid().is_active(&ones("flex")));
        assert!(!path.freeze().is_active(&ones("flex")));
        assert!(
            !DropPathConfig::new(0.0)
                .init()
                .unwrap()
                .is_active(&ones("flex"))
        );
    }
}
