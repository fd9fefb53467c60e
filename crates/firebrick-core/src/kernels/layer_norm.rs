//! Layer norm over the channels of each pixel.

use burn::backend::tensor::FloatTensor;
use burn::tensor::Tensor;
use firebrick_kernels::layer_norm as kernel;

use super::host::{Host, Images, dense, from_values, values};
use super::operation::{Operation, run_single};
use super::take;

/// Normalizes the channels of each pixel to mean 0 and variance 1, then scales and shifts each channel.
///
/// # Shapes
/// `x` `[N, C, H, W]`, to the same; `weight` and `bias` `[C]`.
///
/// # Panics
/// When the shapes do not fit.
#[must_use]
pub fn layer_norm(
    x: Tensor<4>,
    weight: Option<Tensor<1>>,
    bias: Option<Tensor<1>>,
    epsilon: f64,
) -> Tensor<4> {
    let channels = x.dims()[1];
    let fit = |vector: &Tensor<1>| take(vector) && vector.dims() == [channels];
    if !(take(&x) && weight.iter().chain(&bias).all(fit)) {
        return scaled(normalized(x, 1, epsilon), weight, bias);
    }
    let constant = |value: f64| Tensor::full([channels], value, (&x.device(), x.dtype()));
    let weight = weight.unwrap_or_else(|| constant(1.0));
    let bias = bias.unwrap_or_else(|| constant(0.0));
    let operation = Normalize {
        epsilon: epsilon as f32,
    };
    let inputs = vec![
        x.into_dispatch(),
        weight.into_dispatch(),
        bias.into_dispatch(),
    ];
    Tensor::from_dispatch(run_single(operation, inputs))
}

/// With mean 0 and variance 1 along an axis.
pub(crate) fn normalized<const D: usize>(x: Tensor<D>, axis: usize, epsilon: f64) -> Tensor<D> {
    let centred = x.clone() - x.mean_dim(axis);
    let variance = (centred.clone() * centred.clone()).mean_dim(axis);
    centred / (variance + epsilon).sqrt()
}

/// Each channel times its weight, plus its bias.
///
/// # Shapes
/// `[N, C, …]` to the same.
pub(crate) fn scaled<const D: usize>(
    x: Tensor<D>,
    weight: Option<Tensor<1>>,
    bias: Option<Tensor<1>>,
) -> Tensor<D> {
    let channels = |vector: Tensor<1>| {
        let mut shape = [1; D];
        [shape[1]] = vector.dims();
        vector.reshape(shape)
    };
    let x = match weight {
        Some(weight) => x * channels(weight),
        None => x,
    };
    match bias {
        Some(bias) => x + channels(bias),
        None => x,
    }
}

#[derive(Debug)]
struct Normalize {
    epsilon: f32,
}

/// What the backward pass of [`Normalize`] needs.
#[derive(Debug, Clone)]
struct Normalized<B: Host> {
    x: Images<B>,
    weight: FloatTensor<B>,
    mean: Vec<f32>,
    inverse: Vec<f32>,
}

impl Operation for Normalize {
    type Saved<B: Host> = Normalized<B>;

    fn forward<B: Host>(
        &self,
        inputs: Vec<FloatTensor<B>>,
        _wanted: &[bool],
    ) -> (Vec<FloatTensor<B>>, Normalized<B>) {
        let Ok([x, weight, bias]) = <[_; 3]>::try_from(inputs) else {
            unreachable!("layer norm has three inputs")
        };
        let x = Images::<B>::new(x);
        let (weight, bias) = (dense::<B>(weight), dense::<B>(bias));
        let normalized = kernel::forward(
            x.values(),
            values::<B>(&weight),
            values::<B>(&bias),
            self.epsilon,
        );
        let y = Images::<B>::from_values(normalized.output, x.image);
        let saved = Normalized {
            x,
            weight,
            mean: normalized.mean,
            inverse: normalized.inverse,
        };
        (vec![y.into_tensor()], saved)
    }

    fn backward<B: Host>(
        &self,
        saved: Normalized<B>,
        gradient: FloatTensor<B>,
        wanted: &[bool],
    ) -> Vec<Option<FloatTensor<B>>> {
        let dy = Images::<B>::new(gradient);
        let image = dy.image;
        let gradients = kernel::backward(
            &kernel::Saved {
                x: saved.x.values(),
                weight: values::<B>(&saved.weight),
                mean: &saved.mean,
                inverse: &saved.inverse,
            },
            dy.values(),
        );
        let vector = |values| from_values::<B>(values, &[image.c]);
        vec![
            wanted[0].then(|| Images::<B>::from_values(gradients.x, image).into_tensor()),
            wanted[1].then(|| vector(gradients.weight)),
            wanted[2].then(|| vector(gradients.bias)),
        ]
    }
}
