//! A linear layer whose features are divided into groups that do not see each other.
//!
//! Source: Laurent et al., "Packed-Ensembles for Efficient Uncertainty Estimation", ICLR 2023; torch-uncertainty's `PackedLinear`. A packed
//! convolution is a [`Conv2d`](super::Conv2d) with groups.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};

use super::LinearConfig;
use crate::{ConfigError, init, probe};

/// Configuration of [`PackedLinear`].
#[derive(Debug, Clone)]
pub struct PackedLinearConfig {
    /// The inputs and outputs of all groups together.
    pub linear: LinearConfig,
    /// Groups that inputs and outputs are divided into.
    pub groups: usize,
}

impl PackedLinearConfig {
    /// A linear layer in so many groups.
    #[must_use]
    pub fn new(linear: LinearConfig, groups: usize) -> Self {
        Self { linear, groups }
    }

    /// The layer, with PyTorch's default initialization of each group drawn from burn's generator of the device;
    /// [`crate::init`] draws again from a seed.
    ///
    /// # Errors
    /// [`ConfigError`] when inputs or outputs cannot be divided into so many groups.
    pub fn init(&self, device: &Device) -> Result<PackedLinear, ConfigError> {
        let [inputs, outputs] = [self.linear.d_input, self.linear.d_output];
        let groups = self.groups;
        let divides = |features: usize| groups > 0 && features.is_multiple_of(groups);
        if !(divides(inputs) && divides(outputs)) {
            return Err(ConfigError::Conflict(format!(
                "packed_linear: {inputs} inputs and {outputs} outputs cannot be divided into {groups} groups"
            )));
        }
        let shape = [groups, outputs / groups, inputs / groups];
        let bound = init::bound(&[shape[2], shape[1]]);
        let bias = init::uniform_param([outputs], bound, device);
        Ok(PackedLinear {
            weight: init::uniform_param(shape, bound, device),
            bias: self.linear.bias.then_some(bias),
        })
    }
}

/// A linear layer for each group of features; torch-uncertainty's `PackedLinear`.
#[derive(Module, Debug)]
pub struct PackedLinear {
    /// `[groups, out / groups, in / groups]`.
    pub weight: Param<Tensor<3>>,
    /// `[out]`.
    pub bias: Option<Param<Tensor<1>>>,
}

impl PackedLinear {
    /// # Shapes
    /// `[N, in]` to `[N, out]`, both one group after another.
    #[must_use]
    pub fn forward(&self, input: Tensor<2>) -> Tensor<2> {
        let [groups, outputs, inputs] = self.weight.dims();
        let [rows, _] = input.dims();
        let input = input.reshape([rows, groups, inputs]).swap_dims(0, 1);
        let output = input.matmul(self.weight.val().swap_dims(1, 2));
        let output = output.swap_dims(0, 1).reshape([rows, groups * outputs]);
        let output = match &self.bias {
            Some(bias) => output + bias.val().reshape([1, groups * outputs]),
            None => output,
        };
        let multiply_adds = rows * groups * outputs * inputs;
        probe::record("PackedLinear", Some(self.weight.id), &output, multiply_adds);
        output
    }
}
