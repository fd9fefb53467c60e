//! A factor for each channel.

use burn::backend::TensorMetadata;
use burn::backend::tensor::FloatTensor;
use burn::tensor::Tensor;
use firebrick_kernels::channel_scale as kernel;

use super::host::{Host, Images, dense, from_values, values};
use super::operation::{Operation, run_single};
use super::take;

/// Each channel times its factor, and the residual added where there is one: the gate of squeeze-and-excite, with a factor
/// for each image and channel, or layer scale, with one for each channel.
///
/// # Shapes
/// `x` and `residual` `[N, C, H, W]`, to the same; `factors` `[N, C, 1, 1]` or `[1, C, 1, 1]`.
///
/// # Panics
/// When the shapes do not fit.
#[must_use]
pub fn channel_scale(x: Tensor<4>, factors: Tensor<4>, residual: Option<Tensor<4>>) -> Tensor<4> {
    let [images, channels, _, _] = x.dims();
    let fit = [[images, channels, 1, 1], [1, channels, 1, 1]].contains(&factors.dims())
        && residual
            .as_ref()
            .is_none_or(|residual| take(residual) && residual.dims() == x.dims());
    if !(fit && take(&x) && take(&factors)) {
        let product = x * factors;
        return match residual {
            Some(residual) => product + residual,
            None => product,
        };
    }
    let mut inputs = vec![x.into_dispatch(), factors.into_dispatch()];
    inputs.extend(residual.map(Tensor::into_dispatch));
    Tensor::from_dispatch(run_single(Scale, inputs))
}

#[derive(Debug)]
struct Scale;

/// What the backward pass of [`Scale`] needs.
#[derive(Debug, Clone)]
struct Scaled<B: Host> {
    /// Where a gradient of the factors is wanted.
    x: Option<Images<B>>,
    factors: FloatTensor<B>,
}

impl Operation for Scale {
    type Saved<B: Host> = Scaled<B>;

    fn forward<B: Host>(
        &self,
        inputs: Vec<FloatTensor<B>>,
        wanted: &[bool],
    ) -> (Vec<FloatTensor<B>>, Scaled<B>) {
        let mut inputs = inputs.into_iter();
        let [x, factors, residual] = std::array::from_fn(|_| inputs.next());
        let (Some(x), Some(factors)) = (x, factors) else {
            unreachable!("images and their factors")
        };
        let (x, factors) = (Images::<B>::new(x), dense::<B>(factors));
        let residual = residual.map(Images::<B>::new);
        let y = kernel::forward(
            x.values(),
            x.image,
            values::<B>(&factors),
            residual.as_ref().map(Images::values),
        );
        let y = Images::<B>::from_values(y, x.image);
        let saved = Scaled {
            x: wanted[1].then_some(x),
            factors,
        };
        (vec![y.into_tensor()], saved)
    }

    fn backward<B: Host>(
        &self,
        saved: Scaled<B>,
        gradient: FloatTensor<B>,
        wanted: &[bool],
    ) -> Vec<Option<FloatTensor<B>>> {
        let dy = Images::<B>::new(gradient);
        let factors = values::<B>(&saved.factors);
        let (dx, dfactors) = match &saved.x {
            Some(x) => {
                let (dx, sums) = kernel::backward(x.values(), dy.image, factors, dy.values());
                let shape = saved.factors.shape().to_vec();
                (dx, Some(from_values::<B>(sums, &shape)))
            }
            None => (kernel::forward(dy.values(), dy.image, factors, None), None),
        };
        let dx = Images::<B>::from_values(dx, dy.image).into_tensor();
        let residual = (wanted.get(2) == Some(&true)).then(|| dy.into_tensor());
        vec![wanted[0].then_some(dx), dfactors, residual]
    }
}
