//! The matrix product of fully connected layers.

use burn::backend::TensorMetadata;
use burn::backend::tensor::FloatTensor;
use burn::tensor::Tensor;
use firebrick_kernels::activation::Activation;
use firebrick_kernels::conv2d::{Epilogue, bias_grad};
use firebrick_kernels::linear as kernel;

use super::activation::apply;
use super::host::{Host, dense, from_values, values};
use super::operation::{Operation, run_single};
use super::take;

/// `x · weight + bias` on the last axis.
///
/// # Shapes
/// `x` `[…, in]`, `weight` `[in, out]`, `bias` `[out]`; to `[…, out]`.
///
/// # Panics
/// When the shapes do not fit.
#[must_use]
pub fn linear<const D: usize>(
    x: Tensor<D>,
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
) -> Tensor<D> {
    linear_activated(x, weight, bias, None)
}

/// [`linear`], and an activation where no gradient is wanted.
pub(crate) fn linear_activated<const D: usize>(
    x: Tensor<D>,
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
    activation: Option<Activation>,
) -> Tensor<D> {
    let [inputs, outputs] = weight.dims();
    let taken = take(&x) && take(&weight) && bias.as_ref().is_none_or(take);
    let fits = D >= 2
        && x.dims()[D - 1] == inputs
        && bias.as_ref().is_none_or(|bias| bias.dims() == [outputs]);
    if !(taken && fits) {
        let output = burn::tensor::module::linear(x, weight, bias);
        return match activation {
            Some(activation) => apply(activation, output),
            None => output,
        };
    }
    let mut tensors = vec![x.into_dispatch(), weight.into_dispatch()];
    tensors.extend(bias.map(Tensor::into_dispatch));
    let operation = Linear {
        inputs,
        outputs,
        activation,
    };
    Tensor::from_dispatch(run_single(operation, tensors))
}

#[derive(Debug)]
struct Linear {
    inputs: usize,
    outputs: usize,
    /// None where a gradient is wanted.
    activation: Option<Activation>,
}

impl Linear {
    /// `[rows, inputs, outputs]` for inputs or outputs of so many elements.
    fn sizes(&self, elements: usize, width: usize) -> [usize; 3] {
        [elements / width, self.inputs, self.outputs]
    }
}

impl Operation for Linear {
    type Saved<B: Host> = (Option<FloatTensor<B>>, Option<FloatTensor<B>>);

    fn forward<B: Host>(
        &self,
        inputs: Vec<FloatTensor<B>>,
        wanted: &[bool],
    ) -> (Vec<FloatTensor<B>>, Self::Saved<B>) {
        let mut inputs = inputs.into_iter().map(dense::<B>);
        let (x, weight, bias) = match (inputs.next(), inputs.next(), inputs.next()) {
            (Some(x), Some(weight), bias) => (x, weight, bias),
            _ => unreachable!("a linear layer has inputs and weights"),
        };
        let from = values::<B>(&x);
        let y = kernel::forward(
            from,
            values::<B>(&weight),
            Epilogue {
                bias: bias.as_ref().map(values::<B>),
                activation: self.activation,
                ..Epilogue::default()
            },
            self.sizes(from.len(), self.inputs),
        );
        let mut shape = x.shape().to_vec();
        shape.pop();
        shape.push(self.outputs);
        let saved = (wanted[1].then_some(x), wanted[0].then_some(weight));
        (vec![from_values::<B>(y, &shape)], saved)
    }

    fn backward<B: Host>(
        &self,
        (x, weight): Self::Saved<B>,
        gradient: FloatTensor<B>,
        wanted: &[bool],
    ) -> Vec<Option<FloatTensor<B>>> {
        let mut shape = gradient.shape().to_vec();
        shape.pop();
        shape.push(self.inputs);
        let dy = dense::<B>(gradient);
        let dy = values::<B>(&dy);
        let sizes = self.sizes(dy.len(), self.outputs);
        let bias = (wanted.get(2) == Some(&true))
            .then(|| from_values::<B>(bias_grad(dy, self.outputs), &[self.outputs]));
        let weight_gradient = x.filter(|_| wanted[1]).map(|x| {
            let dw = kernel::weight_grad(values::<B>(&x), dy, sizes);
            from_values::<B>(dw, &[self.inputs, self.outputs])
        });
        let input_gradient = weight.filter(|_| wanted[0]).map(|weight| {
            let dx = kernel::input_grad(dy, values::<B>(&weight), sizes);
            from_values::<B>(dx, &shape)
        });
        vec![input_gradient, weight_gradient, bias]
    }
}
