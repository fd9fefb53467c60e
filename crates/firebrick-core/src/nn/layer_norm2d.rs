//! Layer normalization over the channels of each pixel.
//!
//! Source: Ba, Kiros and Hinton, "Layer Normalization" (2016), as ConvNeXt has it; timm's and torchvision's `LayerNorm2d`:
//!
//! ```text
//! y = (x - mean) / √(variance + ε) · weight + bias       moments of the channels at a place of an image, variance biased
//! ```

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};

use crate::kernels::layer_norm;
use crate::probe;

/// Configuration of [`LayerNorm2d`].
#[derive(Debug, Clone)]
pub struct LayerNorm2dConfig {
    /// The number of channels.
    pub channels: usize,
    /// Added to the variance.
    pub epsilon: f64,
    /// Whether there are a scale and a shift to learn.
    pub affine: bool,
}

impl LayerNorm2dConfig {
    /// timm's defaults: `eps` 1e-6, with scale and shift.
    #[must_use]
    pub fn new(channels: usize) -> Self {
        Self {
            channels,
            epsilon: 1e-6,
            affine: true,
        }
    }

    /// The layer: weight 1, bias 0.
    #[must_use]
    pub fn init(&self, device: &Device) -> LayerNorm2d {
        let filled = |value: f64| Tensor::<1>::full([self.channels], value, device);
        LayerNorm2d {
            weight: self.affine.then(|| Param::from_tensor(filled(1.0))),
            bias: self.affine.then(|| Param::from_tensor(filled(0.0))),
            epsilon: self.epsilon,
        }
    }
}

/// Normalizes the channels at each place of an image, then scales and shifts each channel. It does the same in training and evaluation.
#[derive(Module, Debug)]
pub struct LayerNorm2d {
    /// Scale, `[C]`.
    pub weight: Option<Param<Tensor<1>>>,
    /// Shift, `[C]`.
    pub bias: Option<Param<Tensor<1>>>,
    /// Added to the variance.
    pub epsilon: f64,
}

impl LayerNorm2d {
    /// # Shapes
    /// `[N, C, H, W]` to the same.
    ///
    /// # Panics
    /// When the second axis is not the number of channels.
    #[must_use]
    pub fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let [weight, bias] = [&self.weight, &self.bias].map(|param| param.as_ref().map(Param::val));
        let output = layer_norm(input, weight, bias, self.epsilon);
        let layer = self.weight.as_ref().map(|weight| weight.id);
        probe::record("LayerNorm2d", layer, &output, 0);
        output
    }
}
