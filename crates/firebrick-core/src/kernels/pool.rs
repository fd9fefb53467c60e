//! Pooling over windows and over whole images.

use burn::backend::tensor::FloatTensor;
use burn::tensor::Tensor;
use burn::tensor::ops::{AvgPoolOptions, MaxPoolOptions};
use firebrick_kernels::Image;
use firebrick_kernels::pool::{self as kernel, Window};

use super::host::{Host, Images, dense, from_values, values};
use super::operation::{Operation, run_single};
use super::take;

/// The largest value of each window.
///
/// # Shapes
/// `[N, C, H, W]` to `[N, C, H', W']`, with `H' = (H + top + bottom - kernel) / stride + 1`,
/// rounded down, or up in ceil mode.
///
/// # Panics
/// When a window is larger than the image and its border.
#[must_use]
pub fn max_pool2d(x: Tensor<4>, options: MaxPoolOptions<2>) -> Tensor<4> {
    let window = Window {
        kernel: options.kernel_size,
        stride: options.stride,
        padding: options.padding,
        ceil_mode: options.ceil_mode,
    };
    if options.dilation != [1, 1] || !take(&x) || !fits(&x, &window) {
        return burn::tensor::module::max_pool2d(x, options);
    }
    let output = run_single(MaxPool { window }, vec![x.into_dispatch()]);
    Tensor::from_dispatch(output)
}

/// The mean of each window.
///
/// # Shapes
/// As [`max_pool2d`].
///
/// # Panics
/// As [`max_pool2d`].
#[must_use]
pub fn avg_pool2d(x: Tensor<4>, options: AvgPoolOptions<2>) -> Tensor<4> {
    let window = Window {
        kernel: options.kernel_size,
        stride: options.stride,
        padding: options.padding,
        ceil_mode: options.ceil_mode,
    };
    if !take(&x) || !fits(&x, &window) {
        return burn::tensor::module::avg_pool2d(x, options);
    }
    let operation = AvgPool {
        window,
        count_include_pad: options.count_include_pad,
    };
    Tensor::from_dispatch(run_single(operation, vec![x.into_dispatch()]))
}

/// The mean of as many windows as the output has pixels: along each side, window `i` of `n` covers the pixels from
/// `floor(i · size / n)` to `ceil((i + 1) · size / n)`.
///
/// # Shapes
/// `[N, C, H, W]` to `[N, C, output[0], output[1]]`.
#[must_use]
pub fn adaptive_avg_pool2d(x: Tensor<4>, output: [usize; 2]) -> Tensor<4> {
    let [_, _, height, width] = x.dims();
    if !take(&x) || output.contains(&0) {
        return burn::tensor::module::adaptive_avg_pool2d(x, output);
    }
    if [height, width] == output {
        return x;
    }
    Tensor::from_dispatch(run_single(AdaptiveAvgPool(output), vec![x.into_dispatch()]))
}

/// The mean of each channel over the whole image.
///
/// # Shapes
/// `[N, C, H, W]` to `[N, C]`.
#[must_use]
pub fn global_avg_pool(x: Tensor<4>) -> Tensor<2> {
    if !take(&x) {
        let [count, channels, height, width] = x.dims();
        return x
            .reshape([count, channels, height * width])
            .mean_dim(2)
            .reshape([count, channels]);
    }
    Tensor::from_dispatch(run_single(GlobalAvgPool, vec![x.into_dispatch()]))
}

/// Whether the kernels know what PyTorch would answer: every window touches the image.
fn fits(x: &Tensor<4>, window: &Window) -> bool {
    let [_, _, height, width] = x.dims();
    let sides = [height, width];
    let small = window.kernel[0] * window.kernel[1] <= usize::from(u16::MAX);
    small
        && (0..2).all(|axis| {
            let (before, after) = window.padding[axis];
            let kernel = window.kernel[axis];
            window.stride[axis] > 0
                && before.max(after) < kernel
                && sides[axis] + before + after >= kernel
        })
}

#[derive(Debug)]
struct MaxPool {
    window: Window,
}

impl Operation for MaxPool {
    type Saved<B: Host> = (Image, Vec<u16>);

    fn forward<B: Host>(
        &self,
        mut inputs: Vec<FloatTensor<B>>,
        _wanted: &[bool],
    ) -> (Vec<FloatTensor<B>>, Self::Saved<B>) {
        let x = Images::<B>::new(inputs.swap_remove(0));
        let (y, positions) = kernel::max(x.values(), x.image, &self.window);
        let y = Images::<B>::from_values(y, self.window.output(x.image));
        (vec![y.into_tensor()], (x.image, positions))
    }

    fn infer<B: Host>(&self, mut inputs: Vec<FloatTensor<B>>) -> Vec<FloatTensor<B>> {
        let x = Images::<B>::new(inputs.swap_remove(0));
        let y = kernel::max_infer(x.values(), x.image, &self.window);
        vec![Images::<B>::from_values(y, self.window.output(x.image)).into_tensor()]
    }

    fn backward<B: Host>(
        &self,
        (image, positions): Self::Saved<B>,
        gradient: FloatTensor<B>,
        _wanted: &[bool],
    ) -> Vec<Option<FloatTensor<B>>> {
        let dy = Images::<B>::new(gradient);
        let dx = kernel::max_grad(dy.values(), &positions, image, &self.window);
        vec![Some(Images::<B>::from_values(dx, image).into_tensor())]
    }
}

#[derive(Debug)]
struct AvgPool {
    window: Window,
    count_include_pad: bool,
}

impl Operation for AvgPool {
    type Saved<B: Host> = Image;

    fn forward<B: Host>(
        &self,
        mut inputs: Vec<FloatTensor<B>>,
        _wanted: &[bool],
    ) -> (Vec<FloatTensor<B>>, Image) {
        let x = Images::<B>::new(inputs.swap_remove(0));
        let y = kernel::avg(x.values(), x.image, &self.window, self.count_include_pad);
        let y = Images::<B>::from_values(y, self.window.output(x.image));
        (vec![y.into_tensor()], x.image)
    }

    fn backward<B: Host>(
        &self,
        image: Image,
        gradient: FloatTensor<B>,
        _wanted: &[bool],
    ) -> Vec<Option<FloatTensor<B>>> {
        let dy = Images::<B>::new(gradient);
        let dx = kernel::avg_grad(dy.values(), image, &self.window, self.count_include_pad);
        vec![Some(Images::<B>::from_values(dx, image).into_tensor())]
    }
}

#[derive(Debug)]
struct GlobalAvgPool;

impl Operation for GlobalAvgPool {
    type Saved<B: Host> = Image;

    fn forward<B: Host>(
        &self,
        mut inputs: Vec<FloatTensor<B>>,
        _wanted: &[bool],
    ) -> (Vec<FloatTensor<B>>, Image) {
        let x = Images::<B>::new(inputs.swap_remove(0));
        let y = kernel::global_avg(x.values(), x.image);
        let shape = [x.image.n, x.image.c];
        (vec![from_values::<B>(y, &shape)], x.image)
    }

    fn backward<B: Host>(
        &self,
        image: Image,
        gradient: FloatTensor<B>,
        _wanted: &[bool],
    ) -> Vec<Option<FloatTensor<B>>> {
        let dy = dense::<B>(gradient);
        let dx = kernel::global_avg_grad(values::<B>(&dy), image);
        vec![Some(Images::<B>::from_values(dx, image).into_tensor())]
    }
}

/// Its height and width.
#[derive(Debug)]
struct AdaptiveAvgPool([usize; 2]);

impl Operation for AdaptiveAvgPool {
    type Saved<B: Host> = Image;

    fn forward<B: Host>(
        &self,
        mut inputs: Vec<FloatTensor<B>>,
        _wanted: &[bool],
    ) -> (Vec<FloatTensor<B>>, Image) {
        let x = Images::<B>::new(inputs.swap_remove(0));
        let y = match self.0 {
            [1, 1] => kernel::global_avg(x.values(), x.image),
            output => kernel::adaptive_avg(x.values(), x.image, output),
        };
        let [h, w] = self.0;
        let y = Images::<B>::from_values(y, Image { h, w, ..x.image });
        (vec![y.into_tensor()], x.image)
    }

    fn backward<B: Host>(
        &self,
        image: Image,
        gradient: FloatTensor<B>,
        _wanted: &[bool],
    ) -> Vec<Option<FloatTensor<B>>> {
        let dy = Images::<B>::new(gradient);
        let dx = match self.0 {
            [1, 1] => kernel::global_avg_grad(dy.values(), image),
            output => kernel::adaptive_avg_grad(dy.values(), image, output),
        };
        vec![Some(Images::<B>::from_values(dx, image).into_tensor())]
    }
}
