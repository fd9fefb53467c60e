//! Keeps every n-th pixel and adds channels of zeros, as the shortcut of small residual networks does.

use burn::backend::tensor::FloatTensor;
use burn::tensor::ops::PadMode;
use burn::tensor::{Tensor, s};
use firebrick_kernels::Image;
use firebrick_kernels::subsample::{self as kernel, Subsample};

use super::host::{Host, Images};
use super::operation::{Operation, run_single};
use super::take;

/// The pixels of every `stride`th row and column, from the first on, with planes of zeros before
/// and after theirs: the shortcut of residual networks that has no weights.
///
/// # Shapes
/// `[N, C, H, W]` to `[N, before + C + after, ⌈H / stride⌉, ⌈W / stride⌉]`.
///
/// # Panics
/// When the stride is 0.
#[must_use]
pub fn subsample(x: Tensor<4>, stride: usize, (before, after): (usize, usize)) -> Tensor<4> {
    if !take(&x) {
        let step = stride as isize;
        return x
            .slice(s![.., .., ..;step, ..;step])
            .pad([(before, after), (0, 0), (0, 0)], PadMode::Constant(0.0));
    }
    let subsample = Subsample {
        stride,
        before,
        after,
    };
    Tensor::from_dispatch(run_single(Take(subsample), vec![x.into_dispatch()]))
}

#[derive(Debug)]
struct Take(Subsample);

impl Operation for Take {
    type Saved<B: Host> = Image;

    fn forward<B: Host>(
        &self,
        mut inputs: Vec<FloatTensor<B>>,
        _wanted: &[bool],
    ) -> (Vec<FloatTensor<B>>, Image) {
        let x = Images::<B>::new(inputs.swap_remove(0));
        let y = kernel::forward(x.values(), x.image, self.0);
        let y = Images::<B>::from_values(y, self.0.output(x.image));
        (vec![y.into_tensor()], x.image)
    }

    fn backward<B: Host>(
        &self,
        image: Image,
        gradient: FloatTensor<B>,
        _wanted: &[bool],
    ) -> Vec<Option<FloatTensor<B>>> {
        let dy = Images::<B>::new(gradient);
        let dx = kernel::grad(dy.values(), image, self.0);
        vec![Some(Images::<B>::from_values(dx, image).into_tensor())]
    }
}
