//! Convolution with standardized weights.
//!
//! Source: Qiao et al., "Micro-Batch Training with Batch-Channel Normalization and Weight Standardization" (2019), and with a gain Brock,
//! De and Smith, "Characterizing signal propagation to close the performance gap in unnormalized ResNets", ICLR 2021; timm's `StdConv2d`
//! and `ScaledStdConv2d`:
//!
//! ```text
//! weight' = (weight - mean) / √(variance + ε)                           moments of the kernels of each output channel, variance biased
//! weight' = that · gain · γ / √(number of weights of a channel)         with a gain
//! ```
//!
//! Standardized weights go with group norm where batches are too small for batch norm.

use burn::module::{Module, Param};
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Device, Tensor, TensorData};

use super::Conv2dConfig;
use crate::kernels::{batch_norm_train, conv2d};
use crate::{init, probe};

/// Configuration of [`StdConv2d`].
#[derive(Debug, Clone)]
pub struct StdConv2dConfig {
    /// The convolution.
    pub conv: Conv2dConfig,
    /// Added to the variance of the weights; 1e-6 in timm.
    pub epsilon: f64,
    /// Whether there is a gain for each channel to learn: timm's `ScaledStdConv2d`.
    pub gain: bool,
    /// γ of the gain: 1/√(the variance of an activation of normal inputs), such as 1.7139588594436646 for a rectifier.
    pub gamma: f64,
}

impl StdConv2dConfig {
    /// timm's `StdConv2d`.
    #[must_use]
    pub fn new(conv: Conv2dConfig) -> Self {
        Self {
            conv,
            epsilon: 1e-6,
            gain: false,
            gamma: 1.0,
        }
    }

    /// timm's `ScaledStdConv2d`.
    #[must_use]
    pub fn scaled(conv: Conv2dConfig, gamma: f64) -> Self {
        Self {
            gain: true,
            gamma,
            ..Self::new(conv)
        }
    }

    /// The layer, with PyTorch's default initialization drawn from burn's generator of the device, and a gain of 1; [`crate::init`] draws
    /// again from a seed.
    #[must_use]
    pub fn init(&self, device: &Device) -> StdConv2d {
        let Conv2dConfig {
            channels: [inputs, outputs],
            kernel_size,
            stride,
            padding,
            dilation,
            groups,
            bias: with_bias,
        } = self.conv;
        let shape = [outputs, inputs / groups, kernel_size[0], kernel_size[1]];
        let (weight, bias) = init::layer(shape, outputs, device);
        let gain = || Param::from_tensor(Tensor::ones([outputs, 1, 1, 1], device));
        StdConv2d {
            weight,
            bias: with_bias.then_some(bias),
            gain: self.gain.then(gain),
            stride,
            dilation,
            groups,
            padding,
            epsilon: self.epsilon,
            gamma: self.gamma,
        }
    }
}

/// A convolution whose kernels are standardized before each use.
#[derive(Module, Debug)]
pub struct StdConv2d {
    /// `[out, in / groups, height, width]`.
    pub weight: Param<Tensor<4>>,
    /// `[out]`.
    pub bias: Option<Param<Tensor<1>>>,
    /// `[out, 1, 1, 1]`.
    pub gain: Option<Param<Tensor<4>>>,
    /// `[vertical, horizontal]`.
    pub stride: [usize; 2],
    /// `[vertical, horizontal]`.
    pub dilation: [usize; 2],
    /// Groups of channels that do not see each other.
    pub groups: usize,
    /// `[(top, bottom), (left, right)]`.
    #[module(skip)]
    pub padding: [(usize, usize); 2],
    /// Added to the variance of the weights.
    pub epsilon: f64,
    /// γ of the gain.
    pub gamma: f64,
}

impl StdConv2d {
    /// The standardized weights, `[out, in / groups, height, width]`.
    ///
    /// # Panics
    /// When a channel has a single weight, which cannot be standardized.
    #[must_use]
    pub fn standardized(&self) -> Tensor<4> {
        let weight = self.weight.val();
        let shape = weight.dims();
        let [outputs, inputs, height, width] = shape;
        let each = inputs * height * width;
        assert!(
            each > 1,
            "std_conv2d: a channel of {shape:?} has a single weight, which cannot be standardized; use a plain convolution"
        );
        let filled = |value: f64| {
            let data = TensorData::new(vec![value; outputs], [outputs]);
            Tensor::<1>::from_data(data, (&weight.device(), weight.dtype()))
        };
        let scale = match &self.gain {
            Some(gain) => gain.val().reshape([outputs]) * filled(self.gamma / (each as f64).sqrt()),
            None => filled(1.0),
        };
        let rows = weight.clone().reshape([1, outputs, each]);
        let standard = batch_norm_train(rows, scale, filled(0.0), self.epsilon, None, None);
        standard.output.reshape(shape)
    }

    /// # Shapes
    /// `[N, in, H, W]` to `[N, out, H', W']`, as [`Conv2d::forward`](super::Conv2d::forward) has it.
    ///
    /// # Panics
    /// As [`Self::standardized`].
    #[must_use]
    pub fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let bias = self.bias.as_ref().map(Param::val);
        let options =
            ConvOptions::new_with_padding(self.stride, self.padding, self.dilation, self.groups);
        let output = conv2d(input, self.standardized(), bias, options);
        let [_, inputs, height, width] = self.weight.dims();
        let multiply_adds = output.shape().num_elements() * inputs * height * width;
        probe::record("StdConv2d", Some(self.weight.id), &output, multiply_adds);
        output
    }
}
