//! Two-dimensional convolution.

use burn::backend::tensor::FloatTensor;
use burn::tensor::Tensor;
use burn::tensor::ops::ConvOptions;
use firebrick_kernels::Image;
use firebrick_kernels::activation::Activation;
use firebrick_kernels::conv2d::{self as kernel, Conv2d, Epilogue};

use super::host::{Host, Images, dense, from_values, values};
use super::operation::{Operation, run_single};
use super::take;

/// Convolves images.
///
/// # Shapes
/// `x` `[N, in, H, W]`, `weight` `[out, in / groups, height, width]`, `bias` `[out]`; to
/// `[N, out, H', W']` with `H' = (H + top + bottom - dilation · (height - 1) - 1) / stride + 1`.
///
/// # Panics
/// When the shapes do not fit.
#[must_use]
pub fn conv2d(
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    options: ConvOptions<2>,
) -> Tensor<4> {
    let taken = take(&x) && take(&weight) && bias.as_ref().is_none_or(take);
    let plan = plan(x.dims(), weight.dims(), &options).filter(|_| taken);
    match plan {
        Some(conv) => planned(conv, x, weight, bias, None),
        None => burn::tensor::module::conv2d(x, weight, bias, options),
    }
}

/// A convolution that the kernels take, and an activation where no gradient is wanted.
pub(super) fn planned(
    conv: Conv2d,
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    activation: Option<Activation>,
) -> Tensor<4> {
    let mut inputs = vec![x.into_dispatch(), weight.into_dispatch()];
    inputs.extend(bias.map(Tensor::into_dispatch));
    Tensor::from_dispatch(run_single(Convolve { conv, activation }, inputs))
}

/// The convolution in the kernels' terms; none for what burn refuses with a message of its own.
pub(super) fn plan(
    [n, c, h, w]: [usize; 4],
    [outputs, inputs, rows, columns]: [usize; 4],
    options: &ConvOptions<2>,
) -> Option<Conv2d> {
    let conv = Conv2d {
        input: Image { n, h, w, c },
        output_channels: outputs,
        kernel: [rows, columns],
        stride: options.stride,
        padding: options.padding,
        dilation: options.dilation,
        groups: options.groups,
    };
    let fits = inputs.checked_mul(conv.groups) == Some(c) && conv.checked_output().is_ok();
    fits.then_some(conv)
}

#[derive(Debug)]
struct Convolve {
    conv: Conv2d,
    /// None where a gradient is wanted.
    activation: Option<Activation>,
}

impl Operation for Convolve {
    type Saved<B: Host> = (Option<Images<B>>, Option<FloatTensor<B>>);

    fn forward<B: Host>(
        &self,
        inputs: Vec<FloatTensor<B>>,
        wanted: &[bool],
    ) -> (Vec<FloatTensor<B>>, Self::Saved<B>) {
        let conv = &self.conv;
        let mut inputs = inputs.into_iter();
        let (x, weight, bias) = match (inputs.next(), inputs.next(), inputs.next()) {
            (Some(x), Some(weight), bias) => (x, weight, bias),
            _ => unreachable!("a convolution has images and weights"),
        };
        let x = Images::<B>::new(x);
        let weight = dense::<B>(weight);
        let bias = bias.map(dense::<B>);
        let epilogue = Epilogue {
            bias: bias.as_ref().map(values::<B>),
            activation: self.activation,
            ..Epilogue::default()
        };
        let y = kernel::forward(conv, x.values(), values::<B>(&weight), epilogue);
        let y = Images::<B>::from_values(y, conv.output()).into_tensor();
        let saved = (wanted[1].then_some(x), wanted[0].then_some(weight));
        (vec![y], saved)
    }

    fn backward<B: Host>(
        &self,
        (x, weight): Self::Saved<B>,
        gradient: FloatTensor<B>,
        wanted: &[bool],
    ) -> Vec<Option<FloatTensor<B>>> {
        let conv = &self.conv;
        let dy = Images::<B>::new(gradient);
        let bias = (wanted.get(2) == Some(&true)).then(|| {
            let bias = kernel::bias_grad(dy.values(), conv.output_channels);
            from_values::<B>(bias, &[conv.output_channels])
        });
        let weight_gradient = x.filter(|_| wanted[1]).map(|x| {
            let inputs = conv.input.c / conv.groups;
            let shape = [conv.output_channels, inputs, conv.kernel[0], conv.kernel[1]];
            from_values::<B>(kernel::weight_grad(conv, x.values(), dy.values()), &shape)
        });
        let input_gradient = weight.filter(|_| wanted[0]).map(|weight| {
            let dx = kernel::input_grad(conv, dy.values(), values::<B>(&weight));
            Images::<B>::from_values(dx, conv.input).into_tensor()
        });
        vec![input_gradient, weight_gradient, bias]
    }
}
