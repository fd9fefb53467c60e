//! Fully connected layers: a convolution whose images are single pixels.

use crate::Image;
use crate::conv2d::{self, Conv2d, Epilogue};

fn as_conv(rows: usize, inputs: usize, outputs: usize) -> Conv2d {
    Conv2d {
        input: Image {
            n: rows,
            h: 1,
            w: 1,
            c: inputs,
        },
        output_channels: outputs,
        kernel: [1, 1],
        stride: [1, 1],
        padding: [(0, 0); 2],
        dilation: [1, 1],
        groups: 1,
    }
}

/// `x · weight`, and what follows it, for `x` of `[rows, inputs]` and `weight` of `[inputs, outputs]`.
#[must_use]
pub fn forward(
    x: &[f32],
    weight: &[f32],
    epilogue: Epilogue<'_>,
    [rows, inputs, outputs]: [usize; 3],
) -> Vec<f32> {
    conv2d::forward_transposed(&as_conv(rows, inputs, outputs), x, weight, epilogue)
}

/// The gradient by `x`: `dy · weightᵀ`.
#[must_use]
pub fn input_grad(dy: &[f32], weight: &[f32], [rows, inputs, outputs]: [usize; 3]) -> Vec<f32> {
    // The weight of a forward pass from the outputs to the inputs, `[out, in]` of which is this.
    let conv = as_conv(rows, outputs, inputs);
    conv2d::forward(&conv, dy, weight, Epilogue::default())
}

/// The gradient by `weight`: `xᵀ · dy`.
#[must_use]
pub fn weight_grad(x: &[f32], dy: &[f32], [rows, inputs, outputs]: [usize; 3]) -> Vec<f32> {
    // As `[out, in]` of a convolution from the outputs to the inputs.
    conv2d::weight_grad(&as_conv(rows, outputs, inputs), dy, x)
}
