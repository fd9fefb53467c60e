//! Layers by the names that they have in weight files, as data: what the families are built of.

mod graph;
mod module;

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use firebrick_core::nn::{
    Activation, AdaptiveAvgPool2d, AvgPool2d, BatchConv2d, BatchLinear, BatchNorm, Conv2d,
    GlobalAvgPool, LayerNorm2d, Linear, LocalResponseNorm, MaxPool2d, PackedLinear,
    channel_shuffle, conv_bn,
};
use firebrick_core::{kernels, probe};
use firebrick_regularize::Dropout;
use firebrick_regularize::dropout::DropPath;

use crate::members::Members;

/// A layer of a [`Network`](crate::Network). All of them read and write `[N, C, H, W]`.
#[derive(Module, Debug)]
pub enum Layer {
    /// A convolution.
    Conv(Conv2d),
    /// Batch norm.
    Norm(BatchNorm),
    /// Layer norm of the channels of each pixel.
    LayerNorm(LayerNorm2d),
    /// A linear layer on all values of an image, which leaves `[N, out, 1, 1]`.
    Linear(Linear),
    /// A linear layer on the channels of each pixel.
    Pointwise(Linear),
    /// A convolution that members share.
    BatchConv(BatchConv2d),
    /// A linear layer that members share, on all values of an image.
    BatchLinear(BatchLinear),
    /// Linear layers of members that lie side by side, on all values of an image.
    PackedLinear(PackedLinear),
    /// A factor for each channel.
    Scale(LayerScale),
    /// Dropout.
    Dropout(Dropout),
    /// Stochastic depth, at the end of a residual branch.
    DropPath(DropPath),
    /// A layer without parameters.
    Plain(Plain),
    /// Layers with names of their own.
    Layers(Layers),
}

/// A layer without parameters.
#[derive(Module, Debug)]
pub struct Plain {
    /// What it does.
    #[module(skip)]
    pub operation: Operation,
}

/// What a layer without parameters does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Operation {
    /// A function of each value.
    Activation(Activation),
    /// The largest value of each window.
    MaxPool {
        /// Side of the window.
        kernel: usize,
        /// Distance between windows.
        stride: usize,
        /// Border on all sides.
        padding: usize,
        /// Whether a window may hang over the far edge.
        ceil: bool,
    },
    /// The mean of each window; zeros of the border count.
    AvgPool {
        /// Side of the window.
        kernel: usize,
        /// Distance between windows.
        stride: usize,
        /// Border on all sides.
        padding: usize,
    },
    /// The mean of 2×2 pixels, of fewer at the far edge of an odd side.
    Halve,
    /// The mean of each channel, `[N, C, 1, 1]`.
    GlobalAvgPool,
    /// The mean of as many windows as the output has pixels.
    AdaptiveAvgPool([usize; 2]),
    /// A row of zeros above and a column of zeros to the left of an image whose side is odd: with it, a convolution of stride 2
    /// has TensorFlow's padding for every size.
    PadOdd,
    /// Local response normalization.
    LocalResponseNorm {
        /// Channels of a neighbourhood.
        size: usize,
        /// Factor of the mean of squares.
        alpha: f64,
        /// Exponent of the divisor.
        beta: f64,
        /// Added to the mean of squares.
        k: f64,
    },
    /// Deals the channels of this many groups out in turn.
    Shuffle(usize),
    /// Every second row and column; before and behind the channels of each member come channels of zeros.
    Subsample {
        /// Channels of zeros before and behind.
        sides: (usize, usize),
        /// Whose channels they are.
        members: Members,
    },
}

/// A factor for each channel, small at first: Touvron et al., "Going deeper with Image Transformers", ICCV 2021.
#[derive(Module, Debug)]
pub struct LayerScale {
    /// `[C, 1, 1]`.
    pub layer_scale: Param<Tensor<3>>,
}

/// How layers work together.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Join {
    /// One after another.
    #[default]
    Chain,
    /// All read the same; what they put out is added, then activated. The first is the branch of a residual block.
    Add(Activation),
    /// All read the same; what they put out is stacked along the channels.
    Concat,
    /// The first half of the channels passes, the second half goes through the layers one after another.
    SecondHalf,
    /// The input is multiplied by what the layers, one after another, make of it: squeeze-and-excite.
    Gate,
    /// The input passes; the layers only hold their weights.
    Held,
    /// A residual block that normalizes first: `[norm and activation, branch, projection]`. Projection and branch read what the
    /// first put out; without a projection, the branch is added to the input itself.
    Preactivated,
}

/// Layers, each under the name that it has in weight files; an empty name adds nothing to a path.
#[derive(Debug, Clone, Default)]
pub struct Layers {
    /// How they work together.
    pub join: Join,
    /// The layers with their names.
    pub layers: Vec<(String, Layer)>,
}

impl Layer {
    /// An activation.
    pub(crate) fn activation(activation: Activation) -> Self {
        Self::plain(Operation::Activation(activation))
    }

    /// A layer without parameters.
    pub(crate) fn plain(operation: Operation) -> Self {
        Self::Plain(Plain { operation })
    }

    /// # Shapes
    /// `[N, C, H, W]` to the same, of other sizes.
    pub(crate) fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        match self {
            Self::Norm(norm) => norm.forward(input),
            Self::LayerNorm(norm) => norm.forward(input),
            Self::Conv(_) | Self::Linear(_) | Self::Pointwise(_) => {
                self.forward_activated(input, Activation::Identity)
            }
            Self::BatchConv(conv) => conv.forward(input),
            Self::BatchLinear(linear) => as_planes(linear.forward(input.flatten(1, 3))),
            Self::PackedLinear(linear) => as_planes(linear.forward(input.flatten(1, 3))),
            Self::Scale(scale) => scale.forward(input),
            Self::Dropout(dropout) => dropout.forward(input),
            Self::DropPath(drop_path) => drop_path.forward(input),
            Self::Plain(plain) => plain.operation.forward(input),
            Self::Layers(layers) => layers.forward(input),
        }
    }

    /// [`Self::forward`] and the activation behind it, in one operation after a layer of weights.
    fn forward_activated(&self, input: Tensor<4>, activation: Activation) -> Tensor<4> {
        match self {
            Self::Conv(conv) => conv.forward_activated(input, activation),
            Self::Linear(linear) => {
                as_planes(linear.forward_activated(input.flatten(1, 3), activation))
            }
            Self::Pointwise(linear) => {
                let pixels = input.permute([0, 2, 3, 1]);
                let output = linear.forward_activated(pixels, activation);
                output.permute([0, 3, 1, 2])
            }
            _ => activation.forward(self.forward(input)),
        }
    }

    /// Whether it has parameters.
    pub(crate) fn has_parameters(&self) -> bool {
        match self {
            Self::Layers(layers) => layers
                .layers
                .iter()
                .any(|(_, layer)| layer.has_parameters()),
            Self::Dropout(_) | Self::DropPath(_) | Self::Plain(_) => false,
            _ => true,
        }
    }
}

impl Operation {
    fn forward(self, input: Tensor<4>) -> Tensor<4> {
        match self {
            Self::Activation(activation) => activation.forward(input),
            Self::MaxPool {
                kernel,
                stride,
                padding,
                ceil,
            } => {
                let pool = MaxPool2d {
                    kernel_size: kernel,
                    stride,
                    padding,
                    ceil_mode: ceil,
                };
                // A window may hang over an edge, but has to fit between both; twice the last row leaves its maximum as it is.
                let input = [2, 3].into_iter().fold(input, |input, axis| {
                    if ceil && input.dims()[axis] + 2 * padding + 1 == kernel {
                        doubled(input, axis)
                    } else {
                        input
                    }
                });
                pool.forward(input)
            }
            Self::AvgPool {
                kernel,
                stride,
                padding,
            } => average(kernel, stride, padding).forward(input),
            // Twice the last row and column: the mean of a window is that of the pixels in it.
            Self::Halve => {
                let even = [2, 3].into_iter().fold(input, |input, axis| {
                    if input.dims()[axis] % 2 == 1 {
                        doubled(input, axis)
                    } else {
                        input
                    }
                });
                average(2, 2, 0).forward(even)
            }
            Self::GlobalAvgPool => as_planes(GlobalAvgPool {}.forward(input)),
            Self::AdaptiveAvgPool(size) => AdaptiveAvgPool2d::new(size).forward(input),
            Self::PadOdd => {
                let [images, channels, height, width] = input.dims();
                let like = (&input.device(), input.dtype());
                let input = if height % 2 == 1 {
                    let row = Tensor::zeros([images, channels, 1, width], like);
                    Tensor::cat(vec![row, input], 2)
                } else {
                    input
                };
                if width % 2 == 1 {
                    let column = Tensor::zeros([images, channels, input.dims()[2], 1], like);
                    return Tensor::cat(vec![column, input], 3);
                }
                input
            }
            Self::LocalResponseNorm {
                size,
                alpha,
                beta,
                k,
            } => {
                let norm = LocalResponseNorm {
                    size,
                    alpha,
                    beta,
                    k,
                };
                norm.forward(input)
            }
            Self::Shuffle(groups) => channel_shuffle(input, groups),
            Self::Subsample { sides, members } => {
                let parts = match members.side_by_side() {
                    1 => return kernels::subsample(input, 2, sides),
                    members => input.chunk(members, 1).into_iter(),
                };
                let parts = parts.map(|own| kernels::subsample(own, 2, sides));
                Tensor::cat(parts.collect(), 1)
            }
        }
    }
}

fn average(kernel_size: usize, stride: usize, padding: usize) -> AvgPool2d {
    AvgPool2d {
        kernel_size,
        stride,
        padding,
        count_include_pad: true,
    }
}

/// With its last row (axis 2) or column (axis 3) twice.
fn doubled(input: Tensor<4>, axis: usize) -> Tensor<4> {
    let length = input.dims()[axis];
    let last = input.clone().narrow(axis, length.saturating_sub(1), 1);
    Tensor::cat(vec![input, last], axis)
}

impl LayerScale {
    /// `[1, C, 1, 1]`.
    fn factors(&self) -> Tensor<4> {
        self.layer_scale.val().unsqueeze()
    }

    fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let output = kernels::channel_scale(input, self.factors(), None);
        probe::record("LayerScale", Some(self.layer_scale.id), &output, 0);
        output
    }
}

impl Layers {
    /// # Shapes
    /// `[N, C, H, W]` to the same, of other sizes.
    pub(crate) fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let all = |input: &Tensor<4>| -> Vec<Tensor<4>> {
            let layers = self.layers.iter();
            layers
                .map(|(_, layer)| layer.forward(input.clone()))
                .collect()
        };
        match self.join {
            Join::Chain => chain(&self.layers, input),
            Join::Held => input,
            Join::Concat => kernels::concat(all(&input)),
            Join::SecondHalf => {
                let first = kernels::channel_part(input.clone(), 0, input.dims()[1] / 2);
                kernels::concat(vec![first, self.second_half(input)])
            }
            Join::Gate => {
                let gate = chain(&self.layers, input.clone());
                kernels::channel_scale(input, gate, None)
            }
            Join::Add(activation) => {
                let Some((branch, others)) = self.layers.split_first() else {
                    return activation.forward(input);
                };
                let others = others.iter().map(|(_, other)| other.forward(input.clone()));
                match others.reduce(kernels::add) {
                    Some(sum) => add(std::slice::from_ref(branch), input, sum, activation),
                    None => activation.forward(branch.1.forward(input)),
                }
            }
            Join::Preactivated => {
                let [(_, first), (_, branch), projection @ ..] = self.layers.as_slice() else {
                    return chain(&self.layers, input);
                };
                let activated = first.forward(input.clone());
                let shortcut = match projection {
                    [(_, projection), ..] => projection.forward(activated.clone()),
                    [] => input,
                };
                kernels::add(branch.forward(activated), shortcut)
            }
        }
    }

    /// What the layers make of the second half of the channels.
    fn second_half(&self, input: Tensor<4>) -> Tensor<4> {
        let channels = input.dims()[1];
        let half = channels / 2;
        chain(
            &self.layers,
            kernels::channel_part(input, half, channels - half),
        )
    }

    /// [`Self::forward`] and the shuffle of two groups behind it, in one pass; none where that is not what they are.
    fn shuffled(&self, input: &Tensor<4>) -> Option<Tensor<4>> {
        let [first, second] = match (self.join, self.layers.as_slice()) {
            (Join::Concat, [(_, first), (_, second)]) => {
                [first, second].map(|layer| layer.forward(input.clone()))
            }
            (Join::SecondHalf, _) => {
                let half = input.dims()[1] / 2;
                let second = self.second_half(input.clone());
                if second.dims()[1] != half {
                    let first = kernels::channel_part(input.clone(), 0, half);
                    return Some(channel_shuffle(kernels::concat(vec![first, second]), 2));
                }
                return Some(kernels::interleave(input.clone(), second));
            }
            _ => return None,
        };
        if first.dims() != second.dims() {
            return Some(channel_shuffle(kernels::concat(vec![first, second]), 2));
        }
        Some(kernels::interleave(first, second))
    }
}

/// Runs layers one after another; a convolution, the batch norm behind it and the activation behind that are one operation.
pub(crate) fn chain(layers: &[(String, Layer)], mut planes: Tensor<4>) -> Tensor<4> {
    let mut rest = layers;
    while let Some(((_, layer), behind)) = rest.split_first() {
        (planes, rest) = match (layer, behind) {
            (Layer::Conv(conv), [(_, Layer::Norm(norm)), others @ ..]) => {
                let (activation, others) = leading_activation(others);
                (conv_bn(conv, norm, planes, None, activation), others)
            }
            (Layer::Norm(norm), others) => {
                let (activation, others) = leading_activation(others);
                (norm.forward_activated(planes, None, activation), others)
            }
            (Layer::Conv(_) | Layer::Linear(_) | Layer::Pointwise(_), others) => {
                let (activation, others) = leading_activation(others);
                (layer.forward_activated(planes, activation), others)
            }
            (Layer::Layers(layers), [(_, Layer::Plain(plain)), others @ ..])
                if plain.operation == Operation::Shuffle(2) =>
            {
                match layers.shuffled(&planes) {
                    Some(shuffled) => (shuffled, others),
                    None => (layer.forward(planes), behind),
                }
            }
            (layer, others) => (layer.forward(planes), others),
        };
    }
    planes
}

/// The activation that comes first, and what comes behind it.
fn leading_activation(layers: &[(String, Layer)]) -> (Activation, &[(String, Layer)]) {
    if let [(_, Layer::Plain(plain)), others @ ..] = layers
        && let Operation::Activation(activation) = plain.operation
    {
        return (activation, others);
    }
    (Activation::Identity, layers)
}

/// `activation(chain(layers) + shortcut)`, in one operation with a convolution and batch norm at the end.
fn add(
    layers: &[(String, Layer)],
    planes: Tensor<4>,
    shortcut: Tensor<4>,
    activation: Activation,
) -> Tensor<4> {
    match layers {
        [front @ .., (_, Layer::DropPath(path))] if !path.is_active(&planes) => {
            add(front, planes, shortcut, activation)
        }
        [front @ .., (_, Layer::Layers(last))] if last.join == Join::Chain => {
            add(&last.layers, chain(front, planes), shortcut, activation)
        }
        [front @ .., (_, Layer::Conv(conv)), (_, Layer::Norm(norm))] => {
            conv_bn(conv, norm, chain(front, planes), Some(shortcut), activation)
        }
        [
            front @ ..,
            conv @ (_, Layer::BatchConv(_)),
            (_, Layer::Norm(norm)),
        ] => {
            let branch = conv.1.forward(chain(front, planes));
            norm.forward_activated(branch, Some(shortcut), activation)
        }
        [front @ .., (_, Layer::Scale(scale))] if !probe::observing() => {
            let branch = chain(front, planes);
            let sum = kernels::channel_scale(branch, scale.factors(), Some(shortcut));
            activation.forward(sum)
        }
        layers => activation.forward(kernels::add(chain(layers, planes), shortcut)),
    }
}

/// Features without sides as planes of one pixel.
fn as_planes(features: Tensor<2>) -> Tensor<4> {
    let [images, width] = features.dims();
    features.reshape([images, width, 1, 1])
}
