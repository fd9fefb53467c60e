//! Convolution, batch norm and activation as one layer.

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use crate::probe;

use super::{Activation, BatchNorm, BatchNormConfig, Conv2d, Conv2dConfig};

/// A convolution, then batch norm, then the residual added where there is one, then the
/// activation: what the layers do one by one, in fewer passes over memory.
///
/// # Shapes
/// `[N, in, H, W]` to `[N, out, H', W']`, as [`Conv2d::forward`] has it; the residual has the
/// shape of the output.
///
/// # Panics
/// As the layers do, or when the residual has another shape.
#[must_use]
pub fn conv_bn(
    conv: &Conv2d,
    bn: &BatchNorm,
    input: Tensor<4>,
    residual: Option<Tensor<4>>,
    activation: Activation,
) -> Tensor<4> {
    // An observer sees what each layer puts out; a gradient needs what lies between them.
    if probe::observing() || input.device().is_autodiff() {
        return bn.forward_activated(conv.forward(input), residual, activation);
    }
    let folded = conv.folded(bn);
    let planned = folded
        .as_ref()
        .and_then(|folded| Some((folded, folded.plan(&input, residual.as_ref())?)));
    let Some((folded, plan)) = planned else {
        return bn.forward_activated(conv.forward(input), residual, activation);
    };
    folded.forward(plan, input, residual, activation.curve())
}

/// Configuration of [`ConvBnRelu`].
#[derive(Debug, Clone)]
pub struct ConvBnReluConfig {
    /// The convolution; it needs no bias.
    pub conv: Conv2dConfig,
}

impl ConvBnReluConfig {
    /// A square kernel with stride 1 that keeps odd-sized kernels' images at their size; no bias.
    #[must_use]
    pub fn new(channels: [usize; 2], kernel_size: usize) -> Self {
        let conv = Conv2dConfig::new(channels, kernel_size)
            .with_padding(kernel_size / 2)
            .with_bias(false);
        Self { conv }
    }

    /// The same stride both ways.
    #[must_use]
    pub fn with_stride(mut self, stride: usize) -> Self {
        self.conv = self.conv.with_stride(stride);
        self
    }

    /// The layer.
    #[must_use]
    pub fn init(&self, device: &Device) -> ConvBnRelu {
        ConvBnRelu {
            conv: self.conv.init(device),
            bn: BatchNormConfig::new(self.conv.channels[1]).init(device),
        }
    }
}

/// A convolution, batch norm, and a rectifier.
#[derive(Module, Debug)]
pub struct ConvBnRelu {
    /// The convolution.
    pub conv: Conv2d,
    /// Batch norm of its output.
    pub bn: BatchNorm,
}

impl ConvBnRelu {
    /// # Shapes
    /// `[N, in, H, W]` to `[N, out, H', W']`, as [`Conv2d::forward`] has it.
    ///
    /// # Panics
    /// As [`BatchNorm::forward`].
    #[must_use]
    pub fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        conv_bn(&self.conv, &self.bn, input, None, Activation::Relu)
    }

    /// `relu(bn(conv(x)) + residual)`.
    ///
    /// # Shapes
    /// As [`Self::forward`]; the residual has the shape of the output.
    ///
    /// # Panics
    /// As [`BatchNorm::forward`], or when the shapes differ.
    #[must_use]
    pub fn forward_add(&self, input: Tensor<4>, residual: Tensor<4>) -> Tensor<4> {
        conv_bn(
            &self.conv,
            &self.bn,
            input,
            Some(residual),
            Activation::Relu,
        )
    }
}
