//! The fully connected layer.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};

use super::Activation;
use crate::kernels::{linear, linear_activated};
use crate::{init, probe};

/// Configuration of [`Linear`].
#[derive(Debug, Clone)]
pub struct LinearConfig {
    /// Input features.
    pub d_input: usize,
    /// Output features.
    pub d_output: usize,
    /// Whether there is a bias.
    pub bias: bool,
}

impl LinearConfig {
    /// With a bias.
    #[must_use]
    pub fn new(d_input: usize, d_output: usize) -> Self {
        Self {
            d_input,
            d_output,
            bias: true,
        }
    }

    /// The layer, with PyTorch's default initialization drawn from burn's generator of the device;
    /// [`crate::init`] draws again from a seed.
    #[must_use]
    pub fn init(&self, device: &Device) -> Linear {
        let shape = [self.d_input, self.d_output];
        let (weight, bias) = init::layer(shape, self.d_output, device);
        Linear {
            weight,
            bias: self.bias.then_some(bias),
        }
    }
}

/// `x · weight + bias` on the last axis; PyTorch's `Linear`.
#[derive(Module, Debug)]
pub struct Linear {
    /// `[in, out]`: burn's layout; files hold PyTorch's `[out, in]`.
    pub weight: Param<Tensor<2>>,
    /// `[out]`.
    pub bias: Option<Param<Tensor<1>>>,
}

impl Linear {
    /// # Shapes
    /// `[…, in]` to `[…, out]`.
    #[must_use]
    pub fn forward<const D: usize>(&self, input: Tensor<D>) -> Tensor<D> {
        let output = linear(input, self.weight.val(), self.bias.as_ref().map(Param::val));
        probe::record(
            "Linear",
            Some(self.weight.id),
            &output,
            output.shape().num_elements() * self.weight.dims()[0],
        );
        output
    }

    /// [`Self::forward`] and the activation after it: one operation where no gradient is wanted.
    ///
    /// # Shapes
    /// As [`Self::forward`].
    #[must_use]
    pub fn forward_activated<const D: usize>(
        &self,
        input: Tensor<D>,
        activation: Activation,
    ) -> Tensor<D> {
        if probe::observing() || input.device().is_autodiff() {
            return activation.forward(self.forward(input));
        }
        let bias = self.bias.as_ref().map(Param::val);
        linear_activated(input, self.weight.val(), bias, activation.curve())
    }
}
