//! A convolution of a batch whose parts have weights of their own.

use burn::backend::tensor::FloatTensor;
use burn::tensor::Tensor;
use burn::tensor::ops::ConvOptions;
use firebrick_kernels::Image;
use firebrick_kernels::conv2d::{self as kernel, Conv2d, Epilogue};

use super::conv2d::plan;
use super::host::{Host, Images, dense, from_values, values};
use super::operation::{Operation, run_single};
use super::take;

/// Convolves each part of a batch with the weight of this part. The parts are of the same size, one after another.
///
/// # Shapes
/// `x` `[parts · N, in, H, W]`, `weights` `[parts, out, in / groups, height, width]`; to `[parts · N, out, H', W']`, as
/// [`conv2d`](super::conv2d()) has it.
///
/// # Panics
/// When the shapes do not fit.
#[must_use]
pub fn conv2d_parts(x: Tensor<4>, weights: Tensor<5>, options: &ConvOptions<2>) -> Tensor<4> {
    let [parts, outputs, inputs, height, width] = weights.dims();
    let [images, channels, h, w] = x.dims();
    assert!(
        images.is_multiple_of(parts),
        "a batch of {images} cannot be divided into {parts} parts"
    );
    let weight = [outputs, inputs, height, width];
    let taken = take(&x) && take(&weights);
    let planned = plan([images / parts, channels, h, w], weight, options).filter(|_| taken);
    let Some(conv) = planned else {
        let each = x.chunk(parts, 0).into_iter().enumerate().map(|(part, x)| {
            let weight = weights.clone().narrow(0, part, 1).reshape(weight);
            burn::tensor::module::conv2d(x, weight, None, options.clone())
        });
        return Tensor::cat(each.collect(), 0);
    };
    let inputs = vec![x.into_dispatch(), weights.into_dispatch()];
    Tensor::from_dispatch(run_single(Parts { conv, parts }, inputs))
}

#[derive(Debug)]
struct Parts {
    /// Of one part.
    conv: Conv2d,
    parts: usize,
}

impl Parts {
    /// The images of all parts.
    fn whole(&self, part: Image) -> Image {
        Image {
            n: part.n * self.parts,
            ..part
        }
    }
}

impl Operation for Parts {
    type Saved<B: Host> = (Option<Images<B>>, Option<FloatTensor<B>>);

    fn forward<B: Host>(
        &self,
        inputs: Vec<FloatTensor<B>>,
        wanted: &[bool],
    ) -> (Vec<FloatTensor<B>>, Self::Saved<B>) {
        let mut inputs = inputs.into_iter();
        let (Some(x), Some(weights)) = (inputs.next(), inputs.next()) else {
            unreachable!("a convolution has images and weights")
        };
        let x = Images::<B>::new(x);
        let weights = dense::<B>(weights);
        let output = self.conv.output();
        let mut y = Vec::with_capacity(output.len() * self.parts);
        let images = x.values().chunks_exact(self.conv.input.len());
        let own = values::<B>(&weights).chunks_exact(self.conv.weight_len());
        for (x, weight) in images.zip(own) {
            y.extend(kernel::forward(&self.conv, x, weight, Epilogue::default()));
        }
        let y = Images::<B>::from_values(y, self.whole(output)).into_tensor();
        let saved = (wanted[1].then_some(x), wanted[0].then_some(weights));
        (vec![y], saved)
    }

    fn backward<B: Host>(
        &self,
        (x, weights): Self::Saved<B>,
        gradient: FloatTensor<B>,
        wanted: &[bool],
    ) -> Vec<Option<FloatTensor<B>>> {
        let conv = &self.conv;
        let dy = Images::<B>::new(gradient);
        let each = || dy.values().chunks_exact(conv.output().len());
        let weight_gradient = x.filter(|_| wanted[1]).map(|x| {
            let images = x.values().chunks_exact(conv.input.len());
            let all = images.zip(each());
            let all = all.flat_map(|(x, dy)| kernel::weight_grad(conv, x, dy));
            let [height, width] = conv.kernel;
            let inputs = conv.input.c / conv.groups;
            let shape = [self.parts, conv.output_channels, inputs, height, width];
            from_values::<B>(all.collect(), &shape)
        });
        let input_gradient = weights.filter(|_| wanted[0]).map(|weights| {
            let own = values::<B>(&weights).chunks_exact(conv.weight_len());
            let mut dx = Vec::with_capacity(conv.input.len() * self.parts);
            for (dy, weight) in each().zip(own) {
                dx.extend(kernel::input_grad(conv, dy, weight));
            }
            Images::<B>::from_values(dx, self.whole(conv.input)).into_tensor()
        });
        vec![input_gradient, weight_gradient]
    }
}
