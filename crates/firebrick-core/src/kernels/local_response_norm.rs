//! Local response normalization across channels.

use burn::backend::tensor::FloatTensor;
use burn::tensor::Tensor;
use firebrick_kernels::local_response_norm::{self as kernel, Response};

use super::host::{Host, Images};
use super::operation::{Operation, run_single};
use super::take;

/// Each channel divided by `(k + alpha · the mean of squares of its neighbourhood)^beta`; channels `c - size / 2` to
/// `c + (size - 1) / 2` are a neighbourhood, and those that there are not count as 0.
///
/// # Shapes
/// `[N, C, H, W]` to the same.
#[must_use]
pub fn local_response_norm(x: Tensor<4>, size: usize, [alpha, beta, k]: [f64; 3]) -> Tensor<4> {
    let size = size.max(1);
    if !take(&x) {
        return composed(&x, size, [alpha, beta, k]);
    }
    let response = Response {
        size,
        alpha,
        beta,
        k,
    };
    Tensor::from_dispatch(run_single(Normalize(response), vec![x.into_dispatch()]))
}

fn composed(x: &Tensor<4>, size: usize, [alpha, beta, k]: [f64; 3]) -> Tensor<4> {
    let [images, channels, height, width] = x.dims();
    let squares = x.clone() * x.clone();
    let like = (&x.device(), x.dtype());
    let border = |channels| Tensor::zeros([images, channels, height, width], like);
    let [before, after] = [size / 2, (size - 1) / 2];
    let padded = match [before, after] {
        [0, 0] => squares,
        [_, 0] => Tensor::cat(vec![border(before), squares], 1),
        _ => Tensor::cat(vec![border(before), squares, border(after)], 1),
    };
    let first = padded.clone().narrow(1, 0, channels);
    let sum = (1..size).fold(first, |sum, at| {
        sum + padded.clone().narrow(1, at, channels)
    });
    let divisor = (sum * (alpha / size as f64) + k).powf_scalar(beta);
    x.clone() / divisor
}

#[derive(Debug)]
struct Normalize(Response);

impl Operation for Normalize {
    type Saved<B: Host> = Images<B>;

    fn forward<B: Host>(
        &self,
        mut inputs: Vec<FloatTensor<B>>,
        _wanted: &[bool],
    ) -> (Vec<FloatTensor<B>>, Images<B>) {
        let x = Images::<B>::new(inputs.swap_remove(0));
        let y = kernel::forward(x.values(), x.image.c, self.0);
        let y = Images::<B>::from_values(y, x.image);
        (vec![y.into_tensor()], x)
    }

    fn backward<B: Host>(
        &self,
        x: Images<B>,
        gradient: FloatTensor<B>,
        _wanted: &[bool],
    ) -> Vec<Option<FloatTensor<B>>> {
        let dy = Images::<B>::new(gradient);
        let dx = kernel::backward(x.values(), x.image.c, self.0, dy.values());
        vec![Some(Images::<B>::from_values(dx, x.image).into_tensor())]
    }
}
