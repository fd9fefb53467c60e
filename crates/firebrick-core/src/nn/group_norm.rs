//! Group normalization.
//!
//! Source: Wu and He, "Group Normalization", ECCV 2018; PyTorch's `GroupNorm`:
//!
//! ```text
//! y = (x - mean) / √(variance + ε) · weight + bias       moments of an image's values in a group of channels, variance biased
//! ```

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};

use crate::kernels::{normalized, scaled};
use crate::probe;
use crate::{ConfigError, error::check};

/// Configuration of [`GroupNorm`].
#[derive(Debug, Clone)]
pub struct GroupNormConfig {
    /// Groups that the channels are divided into: 1 normalizes an image as a whole, as many as channels each channel (instance norm).
    pub groups: usize,
    /// The number of channels.
    pub channels: usize,
    /// Added to the variance.
    pub epsilon: f64,
    /// Whether there are a scale and a shift to learn.
    pub affine: bool,
}

impl GroupNormConfig {
    /// PyTorch's defaults: `eps` 1e-5, with scale and shift. The paper has 32 groups.
    #[must_use]
    pub fn new(groups: usize, channels: usize) -> Self {
        Self {
            groups,
            channels,
            epsilon: 1e-5,
            affine: true,
        }
    }

    /// The layer: weight 1, bias 0.
    ///
    /// # Errors
    /// [`ConfigError`] when the channels cannot be divided into so many groups.
    pub fn init(&self, device: &Device) -> Result<GroupNorm, ConfigError> {
        check("group_norm", "groups", self.groups, 1..)?;
        if !self.channels.is_multiple_of(self.groups) {
            return Err(ConfigError::Conflict(format!(
                "group_norm: {} channels cannot be divided into {} groups; choose a divisor of {}",
                self.channels, self.groups, self.channels
            )));
        }
        let filled = |value: f64| Tensor::<1>::full([self.channels], value, device);
        Ok(GroupNorm {
            weight: self.affine.then(|| Param::from_tensor(filled(1.0))),
            bias: self.affine.then(|| Param::from_tensor(filled(0.0))),
            groups: self.groups,
            epsilon: self.epsilon,
        })
    }
}

/// Normalizes each image's values in groups of channels, then scales and shifts each channel. It does the same in training and
/// evaluation and has no running statistics, so a batch may be of any size.
#[derive(Module, Debug)]
pub struct GroupNorm {
    /// Scale, `[C]`.
    pub weight: Option<Param<Tensor<1>>>,
    /// Shift, `[C]`.
    pub bias: Option<Param<Tensor<1>>>,
    /// Groups that the channels are divided into.
    pub groups: usize,
    /// Added to the variance.
    pub epsilon: f64,
}

impl GroupNorm {
    /// # Shapes
    /// `[N, C, …]` to the same.
    ///
    /// # Panics
    /// When the second axis is not the number of channels.
    #[must_use]
    pub fn forward<const D: usize>(&self, input: Tensor<D>) -> Tensor<D> {
        let shape = input.dims();
        let (images, channels) = (shape[0], shape[1]);
        let rest = shape[2..].iter().product::<usize>();
        let groups = input.reshape([images, self.groups, channels / self.groups * rest]);
        let val = |param: &Option<Param<Tensor<1>>>| param.as_ref().map(Param::val);
        let normal = normalized(groups, 2, self.epsilon).reshape([images, channels, rest]);
        let output = scaled(normal, val(&self.weight), val(&self.bias)).reshape(shape);
        let layer = self.weight.as_ref().map(|weight| weight.id);
        probe::record("GroupNorm", layer, &output, 0);
        output
    }
}
