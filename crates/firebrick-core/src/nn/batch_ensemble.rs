//! The layers of BatchEnsemble: members that share a weight and differ by two vectors each.
//!
//! Source: Wen, Tran and Ba, "BatchEnsemble: An Alternative Approach to Efficient Ensemble and Lifelong Learning", ICLR 2020;
//! torch-uncertainty's `BatchConv2d` and `BatchLinear`:
//!
//! ```text
//! y_m = (weight · (x_m ∘ r_m)) ∘ s_m + bias_m                  for member m, the same as with weight ∘ s_m r_mᵀ
//! ```
//!
//! A batch holds the images of all members, one member after another. Where images do not divide into as many members, layers panic.

use burn::module::{Module, Param, ParamId};
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Device, Tensor};

use super::{Conv2dConfig, LinearConfig};
use crate::kernels::{conv2d_parts, linear};
use crate::{init, probe};

/// Fast weights of 1, which take no memory before they are looked at.
fn ones(shape: [usize; 2], device: &Device) -> Param<Tensor<2>> {
    Param::uninitialized(
        ParamId::new(),
        move |device, tracked| Tensor::ones(shape, device).set_require_grad(tracked),
        device.clone(),
        true,
        shape.into(),
    )
}

/// The images of one member, of a batch of so many.
fn each(images: usize, members: usize) -> usize {
    assert!(
        images.is_multiple_of(members),
        "BatchEnsemble: a batch of {images} cannot be divided among {members} members; repeat the images once for each member"
    );
    images / members
}

/// Configuration of [`BatchConv2d`].
#[derive(Debug, Clone)]
pub struct BatchConv2dConfig {
    /// The convolution that the members share.
    pub conv: Conv2dConfig,
    /// The number of members.
    pub members: usize,
}

impl BatchConv2dConfig {
    /// A convolution that so many members share.
    #[must_use]
    pub fn new(conv: Conv2dConfig, members: usize) -> Self {
        Self { conv, members }
    }

    /// The layer, its weight and bias with PyTorch's default initialization from burn's generator of the device, its
    /// fast weights 1; [`crate::init`] and [`FastWeights::draw`](crate::init::FastWeights::draw) draw them again from a seed.
    #[must_use]
    pub fn init(&self, device: &Device) -> BatchConv2d {
        let Conv2dConfig {
            channels: [inputs, outputs],
            kernel_size: [height, width],
            stride,
            padding,
            dilation,
            groups,
            bias,
        } = self.conv;
        let shape = [outputs, inputs / groups, height, width];
        let each_bias = init::uniform_param([self.members, outputs], init::bound(&shape), device);
        BatchConv2d {
            weight: init::uniform_param(shape, init::bound(&shape), device),
            r_group: ones([self.members, inputs], device),
            s_group: ones([self.members, outputs], device),
            bias: bias.then_some(each_bias),
            stride,
            dilation,
            groups,
            padding,
        }
    }
}

/// A convolution that members share; torch-uncertainty's `BatchConv2d`.
#[derive(Module, Debug)]
pub struct BatchConv2d {
    /// Shared by the members, `[out, in / groups, height, width]`.
    pub weight: Param<Tensor<4>>,
    /// What each member multiplies its inputs by, `[members, in]`.
    pub r_group: Param<Tensor<2>>,
    /// What each member multiplies the outputs by, `[members, out]`.
    pub s_group: Param<Tensor<2>>,
    /// Each member's own, `[members, out]`.
    pub bias: Option<Param<Tensor<2>>>,
    /// `[vertical, horizontal]`.
    pub stride: [usize; 2],
    /// `[vertical, horizontal]`.
    pub dilation: [usize; 2],
    /// Groups of channels that do not see each other.
    pub groups: usize,
    /// `[(top, bottom), (left, right)]`.
    #[module(skip)]
    pub padding: [(usize, usize); 2],
}

impl BatchConv2d {
    /// The weight of each member, `[members, out, in / groups, height, width]`. Multiplying it by the vectors takes a
    /// fraction of the time that multiplying images does, and all else is a convolution.
    pub(crate) fn weights(&self) -> Tensor<5> {
        let [outputs, inputs, height, width] = self.weight.dims();
        let [members, _] = self.r_group.dims();
        let groups = self.groups;
        // The channels that each output reads, where groups of outputs read others.
        let r = self.r_group.val().reshape([members, groups, 1, inputs]);
        let r = r.repeat_dim(2, outputs / groups);
        let r = r.reshape([members, outputs, inputs, 1]);
        let s = self.s_group.val().reshape([members, outputs, 1, 1]);
        let weight = self.weight.val();
        let weight = weight.reshape([1, outputs, inputs, height * width]);
        (weight * r * s).reshape([members, outputs, inputs, height, width])
    }

    /// # Shapes
    /// `[members · N, in, H, W]`, one member after another, to `[members · N, out, H', W']`, as
    /// [`Conv2d::forward`](super::Conv2d::forward) has it.
    ///
    /// # Panics
    /// When the images cannot be divided among the members, or have other channels.
    #[must_use]
    pub fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let [members, outputs] = self.s_group.dims();
        let images = each(input.dims()[0], members);
        let options =
            ConvOptions::new_with_padding(self.stride, self.padding, self.dilation, self.groups);
        let output = conv2d_parts(input, self.weights(), &options);
        let output = match &self.bias {
            Some(bias) => {
                let own = bias.val().reshape([members, 1, outputs]);
                let own = own.repeat_dim(1, images);
                output + own.reshape([members * images, outputs, 1, 1])
            }
            None => output,
        };
        let [_, inputs, height, width] = self.weight.dims();
        let multiply_adds = output.shape().num_elements() * inputs * height * width;
        probe::record("BatchConv2d", Some(self.weight.id), &output, multiply_adds);
        output
    }
}

/// Configuration of [`BatchLinear`].
#[derive(Debug, Clone)]
pub struct BatchLinearConfig {
    /// The linear layer that the members share.
    pub linear: LinearConfig,
    /// The number of members.
    pub members: usize,
}

impl BatchLinearConfig {
    /// A linear layer that so many members share.
    #[must_use]
    pub fn new(linear: LinearConfig, members: usize) -> Self {
        Self { linear, members }
    }

    /// The layer, initialized as [`BatchConv2dConfig::init`] has it.
    #[must_use]
    pub fn init(&self, device: &Device) -> BatchLinear {
        let [inputs, outputs] = [self.linear.d_input, self.linear.d_output];
        let bound = init::bound(&[inputs, outputs]);
        let bias = init::uniform_param([self.members, outputs], bound, device);
        BatchLinear {
            weight: init::uniform_param([inputs, outputs], bound, device),
            r_group: ones([self.members, inputs], device),
            s_group: ones([self.members, outputs], device),
            bias: self.linear.bias.then_some(bias),
        }
    }
}

/// A linear layer that members share; torch-uncertainty's `BatchLinear`.
#[derive(Module, Debug)]
pub struct BatchLinear {
    /// Shared by the members, `[in, out]`: burn's layout; files hold PyTorch's `[out, in]`.
    pub weight: Param<Tensor<2>>,
    /// What each member multiplies its inputs by, `[members, in]`.
    pub r_group: Param<Tensor<2>>,
    /// What each member multiplies the outputs by, `[members, out]`.
    pub s_group: Param<Tensor<2>>,
    /// Each member's own, `[members, out]`.
    pub bias: Option<Param<Tensor<2>>>,
}

impl BatchLinear {
    /// # Shapes
    /// `[members · N, in]`, one member after another, to `[members · N, out]`.
    ///
    /// # Panics
    /// When the rows cannot be divided among the members.
    #[must_use]
    pub fn forward(&self, input: Tensor<2>) -> Tensor<2> {
        let [members, outputs] = self.s_group.dims();
        let [rows, inputs] = input.dims();
        let own = each(rows, members);
        let vectors = |param: &Param<Tensor<2>>, width| param.val().reshape([members, 1, width]);
        let scaled = input.reshape([members, own, inputs]) * vectors(&self.r_group, inputs);
        let output = linear(scaled, self.weight.val(), None) * vectors(&self.s_group, outputs);
        let output = match &self.bias {
            Some(bias) => output + vectors(bias, outputs),
            None => output,
        };
        let output = output.reshape([rows, outputs]);
        let multiply_adds = rows * outputs * inputs;
        probe::record("BatchLinear", Some(self.weight.id), &output, multiply_adds);
        output
    }
}
