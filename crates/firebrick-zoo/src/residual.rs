//! What the residual blocks of networks that may have members share. Batch norm follows each of their convolutions, so none has a bias.

use burn::tensor::Tensor;
use firebrick_core::ConfigError;
use firebrick_core::graph::{Graph, Value};
use firebrick_core::nn::{Activation, BatchNorm, Conv2dConfig};
use firebrick_regularize::dropout::DropPath;

use crate::members::MemberConv;

/// A 3×3 convolution that keeps the size, divided by the stride and rounded up.
pub(crate) fn conv3x3(inputs: usize, outputs: usize, stride: usize) -> Conv2dConfig {
    Conv2dConfig::new([inputs, outputs], 3)
        .with_stride(stride)
        .with_padding(1)
        .with_bias(false)
}

/// The 1×1 convolution of the shortcut that changes the number of planes. Batch norm follows; PyTorch's
/// `Sequential` calls the two `0` and `1`.
pub(crate) fn projection(inputs: usize, outputs: usize, stride: usize) -> Conv2dConfig {
    Conv2dConfig::new([inputs, outputs], 1)
        .with_stride(stride)
        .with_bias(false)
}

/// The end of a block: `activation(drop_path(bn(conv(planes))) + shortcut)`.
pub(crate) fn add_branch(
    (conv, bn): (&MemberConv, &BatchNorm),
    drop_path: &DropPath,
    planes: Tensor<4>,
    shortcut: Tensor<4>,
    activation: Activation,
) -> Tensor<4> {
    if !drop_path.is_active(&planes) {
        return conv.with_bn(bn, planes, Some(shortcut), activation);
    }
    let branch = conv.with_bn(bn, planes, None, Activation::Identity);
    activation.forward(drop_path.forward(branch) + shortcut)
}

/// The two convolutions of a block, with the activation between them, as operations.
pub(crate) fn branch_graph(
    path: &str,
    [first, second]: [(&MemberConv, &BatchNorm); 2],
    activation: Activation,
    graph: &mut Graph,
    input: Value,
) -> Result<Value, ConfigError> {
    let planes = conv_graph([path, "conv1", "bn1"], first, graph, input)?;
    let planes = graph.activation(path, activation, planes);
    conv_graph([path, "conv2", "bn2"], second, graph, planes)
}

/// A convolution of a block and its batch norm, by their names below the path of the block, as operations.
pub(crate) fn conv_graph(
    [path, conv_name, norm_name]: [&str; 3],
    (conv, norm): (&MemberConv, &BatchNorm),
    graph: &mut Graph,
    input: Value,
) -> Result<Value, ConfigError> {
    let paths = [conv_name, norm_name].map(|name| format!("{path}.{name}"));
    conv.graph([&paths[0], &paths[1]], norm, graph, input)
}
