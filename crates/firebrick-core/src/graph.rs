//! What a network computes in evaluation, as a list of operations: the form in which it is exported.
//!
//! A model describes itself by [`Classifier::graph`](crate::Classifier::graph), with one call for each of its layers.
//!
//! ```
//! use firebrick_core::graph::{Graph, Operator};
//! use firebrick_core::nn::{Activation, Conv2dConfig};
//!
//! let device = firebrick_core::device("flex")?;
//! let conv = Conv2dConfig::new([3, 8], 3).init(&device);
//! let mut graph = Graph::new([3, 32, 32]);
//! let planes = graph.conv("conv1", &conv, graph.images());
//! let planes = graph.activation("", Activation::Relu, planes);
//! assert_eq!(graph.shape(planes), [8, 30, 30]);
//! assert!(matches!(graph.node(planes).operator, Operator::Activation(Activation::Relu)));
//! # Ok::<(), firebrick_core::DeviceError>(())
//! ```

mod fold;
mod layers;
mod shape;

use burn::tensor::TensorData;

use crate::nn::Activation;

/// What an operation puts out, or the images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Value(usize);

impl Value {
    /// The number of the operation, in order; that of the images is 0.
    #[must_use]
    pub fn index(self) -> usize {
        self.0
    }
}

/// Rows and columns around an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sides {
    /// Rows above.
    pub top: usize,
    /// Columns to the left.
    pub left: usize,
    /// Rows below.
    pub bottom: usize,
    /// Columns to the right.
    pub right: usize,
}

impl Sides {
    /// The same on all sides.
    #[must_use]
    pub fn all(count: usize) -> Self {
        Self {
            top: count,
            left: count,
            bottom: count,
            right: count,
        }
    }
}

/// What is computed. Values are `[N, C, H, W]`; a vector is `[N, C, 1, 1]`. Tensors are f32 in PyTorch's layouts.
#[derive(Debug, Clone)]
pub enum Operator {
    /// Nothing: the images, which come first.
    Images,
    /// A convolution with a border of zeros.
    Conv {
        /// `[out, in / groups, height, width]`.
        weight: TensorData,
        /// `[out]`.
        bias: Option<TensorData>,
        /// `[vertical, horizontal]`.
        stride: [usize; 2],
        /// The border.
        padding: Sides,
        /// `[vertical, horizontal]`.
        dilation: [usize; 2],
        /// Groups of channels that do not see each other.
        groups: usize,
    },
    /// `(x - mean) / √(variance + epsilon) · scale + shift` for each channel, all `[C]`.
    BatchNorm {
        /// γ.
        scale: TensorData,
        /// β.
        shift: TensorData,
        /// The running mean.
        mean: TensorData,
        /// The running variance.
        variance: TensorData,
        /// Added to the variance.
        epsilon: f64,
    },
    /// Normalizes the channels of each pixel, then scales and shifts each channel.
    LayerNorm {
        /// `[C]`.
        scale: TensorData,
        /// `[C]`.
        shift: TensorData,
        /// Added to the variance.
        epsilon: f64,
    },
    /// A linear layer on all values of an image, in the order `[C, H, W]`.
    Linear {
        /// `[out, in]`.
        weight: TensorData,
        /// `[out]`.
        bias: Option<TensorData>,
    },
    /// Each channel times a number, `[C]`.
    Scale(TensorData),
    /// A function of each value.
    Activation(Activation),
    /// The largest value of each window; the border never wins.
    MaxPool {
        /// Side of the window.
        kernel: usize,
        /// Distance between windows.
        stride: usize,
        /// The border.
        padding: Sides,
    },
    /// The mean of each window.
    AvgPool {
        /// Side of the window.
        kernel: usize,
        /// Distance between windows.
        stride: usize,
        /// The border.
        padding: Sides,
        /// Whether the border counts, as zeros.
        border_counts: bool,
    },
    /// The mean of each channel.
    GlobalAvgPool,
    /// The mean of as many windows as the output has pixels, as PyTorch's `AdaptiveAvgPool2d`.
    AdaptiveAvgPool {
        /// `[height, width]` of the input.
        from: [usize; 2],
        /// `[height, width]` of the output.
        to: [usize; 2],
    },
    /// Zeros around the image, and channels of zeros before and behind its own.
    Pad {
        /// Rows and columns.
        sides: Sides,
        /// Channels.
        channels: [usize; 2],
    },
    /// Every n-th row and column, from the first on.
    Subsample(usize),
    /// Some channels: the first, and the one behind the last.
    Channels([usize; 2]),
    /// Deals the channels of this many groups out in turn.
    Shuffle(usize),
    /// PyTorch's `LocalResponseNorm`.
    LocalResponseNorm {
        /// Channels of a neighbourhood, an odd number.
        size: usize,
        /// Factor of the mean of squares.
        alpha: f64,
        /// Exponent of the divisor.
        beta: f64,
        /// Added to the mean of squares.
        k: f64,
    },
    /// The sum of two values.
    Add,
    /// The product of two values; the second may have one pixel for each channel.
    Multiply,
    /// Values behind each other, along the channels.
    Concat,
    /// Of the class scores of so many members, those of one behind those of the other, the logarithm of their mean probabilities.
    LogMeanProbability(usize),
}

/// An operation of a network.
#[derive(Debug, Clone)]
pub struct Node {
    /// The path of the layer, such as `layer1.0.conv1`; of a part without parameters that of what it belongs to.
    pub path: String,
    /// What it computes.
    pub operator: Operator,
    /// From what.
    pub inputs: Vec<Value>,
    /// `[C, H, W]` of what it puts out for one image.
    pub shape: [usize; 3],
}

/// A network as operations, each of which stands behind those that it reads.
#[derive(Debug, Clone)]
pub struct Graph {
    nodes: Vec<Node>,
    output: Value,
}

impl Graph {
    /// Images of this shape, `[C, H, W]`, and nothing that reads them.
    #[must_use]
    pub fn new(image: [usize; 3]) -> Self {
        Self {
            nodes: vec![Node {
                path: String::new(),
                operator: Operator::Images,
                inputs: Vec::new(),
                shape: image,
            }],
            output: Value(0),
        }
    }

    /// The same with this value as its output.
    #[must_use]
    pub fn ending_in(self, output: Value) -> Self {
        Self { output, ..self }
    }

    /// The images.
    #[must_use]
    pub fn images(&self) -> Value {
        Value(0)
    }

    /// What the network puts out: a class score in each channel.
    #[must_use]
    pub fn output(&self) -> Value {
        self.output
    }

    /// The operations, in order. The first are the images.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The operations and the number of the one that is the output.
    #[must_use]
    pub fn into_nodes(self) -> (Vec<Node>, usize) {
        (self.nodes, self.output.0)
    }

    /// The operation that gives a value.
    #[must_use]
    pub fn node(&self, value: Value) -> &Node {
        &self.nodes[value.0]
    }

    /// `[C, H, W]` of a value for one image.
    #[must_use]
    pub fn shape(&self, value: Value) -> [usize; 3] {
        self.nodes[value.0].shape
    }

    /// Adds an operation on values of this graph.
    pub fn push(&mut self, path: impl Into<String>, operator: Operator, inputs: &[Value]) -> Value {
        let shapes: Vec<_> = inputs.iter().map(|input| self.shape(*input)).collect();
        self.nodes.push(Node {
            path: path.into(),
            shape: operator.shape(&shapes),
            operator,
            inputs: inputs.to_vec(),
        });
        Value(self.nodes.len() - 1)
    }
}

#[cfg(test)]
mod tests;
