//! Two-dimensional convolution.

use burn::module::{Module, Param};
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Device, Tensor};

use super::{Activation, BatchNorm};
use crate::kernels::{Folded, FoldedConv, Norm, conv2d};
use crate::{init, probe};

/// Configuration of [`Conv2d`].
#[derive(Debug, Clone)]
pub struct Conv2dConfig {
    /// `[in, out]`.
    pub channels: [usize; 2],
    /// `[height, width]`.
    pub kernel_size: [usize; 2],
    /// `[vertical, horizontal]`.
    pub stride: [usize; 2],
    /// `[(top, bottom), (left, right)]` rows and columns of zeros.
    pub padding: [(usize, usize); 2],
    /// `[vertical, horizontal]`.
    pub dilation: [usize; 2],
    /// Groups of channels that do not see each other.
    pub groups: usize,
    /// Whether there is a bias.
    pub bias: bool,
}

impl Conv2dConfig {
    /// A square kernel with stride 1, no padding, and a bias.
    #[must_use]
    pub fn new(channels: [usize; 2], kernel_size: usize) -> Self {
        Self {
            channels,
            kernel_size: [kernel_size; 2],
            stride: [1; 2],
            padding: [(0, 0); 2],
            dilation: [1; 2],
            groups: 1,
            bias: true,
        }
    }

    /// The same stride both ways.
    #[must_use]
    pub fn with_stride(mut self, stride: usize) -> Self {
        self.stride = [stride; 2];
        self
    }

    /// The same zero padding on all four sides.
    #[must_use]
    pub fn with_padding(mut self, padding: usize) -> Self {
        self.padding = [(padding, padding); 2];
        self
    }

    /// Groups of channels that do not see each other.
    #[must_use]
    pub fn with_groups(mut self, groups: usize) -> Self {
        self.groups = groups;
        self
    }

    /// With or without a bias.
    #[must_use]
    pub fn with_bias(mut self, bias: bool) -> Self {
        self.bias = bias;
        self
    }

    /// The layer, with PyTorch's default initialization drawn from burn's generator of the device;
    /// [`crate::init`] draws again from a seed.
    #[must_use]
    pub fn init(&self, device: &Device) -> Conv2d {
        let [channels_in, channels_out] = self.channels;
        let shape = [
            channels_out,
            channels_in / self.groups,
            self.kernel_size[0],
            self.kernel_size[1],
        ];
        let (weight, bias) = init::layer(shape, channels_out, device);
        Conv2d {
            weight,
            bias: self.bias.then_some(bias),
            stride: self.stride,
            kernel_size: self.kernel_size,
            dilation: self.dilation,
            groups: self.groups,
            padding: self.padding,
            room: Folded::default(),
        }
    }
}

/// Convolves `[N, in, H, W]` with a kernel; PyTorch's `Conv2d` with zero padding.
#[derive(Module, Debug)]
pub struct Conv2d {
    /// `[out, in / groups, height, width]`.
    pub weight: Param<Tensor<4>>,
    /// `[out]`.
    pub bias: Option<Param<Tensor<1>>>,
    /// `[vertical, horizontal]`.
    pub stride: [usize; 2],
    /// `[height, width]`.
    pub kernel_size: [usize; 2],
    /// `[vertical, horizontal]`.
    pub dilation: [usize; 2],
    /// Groups of channels that do not see each other.
    pub groups: usize,
    /// `[(top, bottom), (left, right)]`.
    #[module(skip)]
    pub padding: [(usize, usize); 2],
    #[module(skip)]
    room: Folded,
}

impl Conv2d {
    /// # Shapes
    /// `[N, in, H, W]` to `[N, out, H', W']`, where
    /// `H' = (H + top + bottom - dilation · (kernel - 1) - 1) / stride + 1`.
    #[must_use]
    pub fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let output = conv2d(
            input,
            self.weight.val(),
            self.bias.as_ref().map(Param::val),
            self.options(),
        );
        self.record(&output);
        output
    }

    /// [`Self::forward`] and the activation after it: one operation where no gradient is wanted.
    ///
    /// # Shapes
    /// As [`Self::forward`].
    #[must_use]
    pub fn forward_activated(&self, input: Tensor<4>, activation: Activation) -> Tensor<4> {
        if probe::observing() || input.device().is_autodiff() {
            return activation.forward(self.forward(input));
        }
        let folded = self.fold_into(None);
        match folded.plan(&input, None) {
            Some(plan) => folded.forward(plan, input, None, activation.curve()),
            None => activation.forward(self.forward(input)),
        }
    }

    /// With the batch norm after it, in evaluation; `None` where that has no running statistics.
    pub(super) fn folded<'a>(&'a self, bn: &BatchNorm) -> Option<FoldedConv<'a>> {
        let [mean, variance] = bn.statistics()?;
        let [channels, ..] = self.weight.dims();
        let [gamma, beta] = bn.affine(channels, &self.weight.device(), self.weight.val().dtype());
        Some(self.fold_into(Some(Norm {
            gamma,
            beta,
            mean,
            variance,
            epsilon: bn.epsilon,
        })))
    }

    fn fold_into(&self, norm: Option<Norm>) -> FoldedConv<'_> {
        FoldedConv {
            weight: self.weight.val(),
            bias: self.bias.as_ref().map(Param::val),
            options: self.options(),
            norm,
            room: &self.room,
        }
    }

    /// The same convolution with another weight and bias.
    pub(super) fn with_weights(&self, weight: Tensor<4>, bias: Tensor<1>) -> Self {
        Self {
            weight: Param::from_tensor(weight),
            bias: Some(Param::from_tensor(bias)),
            ..self.clone()
        }
    }

    fn options(&self) -> ConvOptions<2> {
        ConvOptions::new_with_padding(self.stride, self.padding, self.dilation, self.groups)
    }

    fn record(&self, output: &Tensor<4>) {
        let [_, inputs, height, width] = self.weight.dims();
        probe::record(
            "Conv2d",
            Some(self.weight.id),
            output,
            output.shape().num_elements() * inputs * height * width,
        );
    }
}
