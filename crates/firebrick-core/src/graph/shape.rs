//! The shapes of values.

use super::{Operator, Sides};

/// The number of windows along a side of `length`, with both borders.
pub(super) fn windows(length: usize, kernel: usize, stride: usize) -> usize {
    length.saturating_sub(kernel) / stride.max(1) + 1
}

impl Operator {
    /// `[C, H, W]` of the output for one image, of those of the inputs.
    pub(super) fn shape(&self, inputs: &[[usize; 3]]) -> [usize; 3] {
        let [channels, height, width] = inputs.first().copied().unwrap_or_default();
        let pooled = |kernel, stride, padding: &Sides| {
            [
                channels,
                windows(height + padding.top + padding.bottom, kernel, stride),
                windows(width + padding.left + padding.right, kernel, stride),
            ]
        };
        match self {
            Self::Conv {
                weight,
                stride,
                padding,
                dilation,
                ..
            } => {
                let weight = weight.shape();
                let kernel = |axis: usize| dilation[axis] * (weight[axis + 2] - 1) + 1;
                let [rows, columns] = [padding.top + padding.bottom, padding.left + padding.right];
                [
                    weight[0],
                    windows(height + rows, kernel(0), stride[0]),
                    windows(width + columns, kernel(1), stride[1]),
                ]
            }
            Self::Linear { weight, .. } => [weight.shape()[0], 1, 1],
            Self::MaxPool {
                kernel,
                stride,
                padding,
            }
            | Self::AvgPool {
                kernel,
                stride,
                padding,
                ..
            } => pooled(*kernel, *stride, padding),
            Self::GlobalAvgPool => [channels, 1, 1],
            Self::AdaptiveAvgPool { to, .. } => [channels, to[0], to[1]],
            Self::Pad {
                sides,
                channels: [before, behind],
            } => [
                before + channels + behind,
                sides.top + height + sides.bottom,
                sides.left + width + sides.right,
            ],
            Self::Subsample(step) => [channels, height.div_ceil(*step), width.div_ceil(*step)],
            Self::Channels([first, end]) => [end - first, height, width],
            Self::Concat => {
                let all = inputs.iter().map(|[channels, ..]| channels).sum();
                [all, height, width]
            }
            Self::LogMeanProbability(members) => [channels / members, 1, 1],
            Self::Images
            | Self::BatchNorm { .. }
            | Self::LayerNorm { .. }
            | Self::Scale(_)
            | Self::Activation(_)
            | Self::Shuffle(_)
            | Self::LocalResponseNorm { .. }
            | Self::Add
            | Self::Multiply => [channels, height, width],
        }
    }
}
