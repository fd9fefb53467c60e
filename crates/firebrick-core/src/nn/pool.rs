//! Pooling over windows of an image.

use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::ops::{AvgPoolOptions, MaxPoolOptions};

use crate::kernels::{adaptive_avg_pool2d, avg_pool2d, global_avg_pool, max_pool2d};
use crate::probe;

/// Configuration of [`MaxPool2d`]: a square window.
#[derive(Debug, Clone)]
pub struct MaxPool2dConfig {
    /// Side of the window.
    pub kernel_size: usize,
    /// Distance between windows.
    pub stride: usize,
    /// Border on all sides, which never wins.
    pub padding: usize,
    /// Whether a window may hang over the far edge.
    pub ceil_mode: bool,
}

impl MaxPool2dConfig {
    /// Windows side by side, no border: PyTorch's defaults.
    #[must_use]
    pub fn new(kernel_size: usize) -> Self {
        Self {
            kernel_size,
            stride: kernel_size,
            padding: 0,
            ceil_mode: false,
        }
    }

    /// The layer.
    #[must_use]
    pub fn init(&self) -> MaxPool2d {
        MaxPool2d {
            kernel_size: self.kernel_size,
            stride: self.stride,
            padding: self.padding,
            ceil_mode: self.ceil_mode,
        }
    }
}

/// The largest value of each window; PyTorch's `MaxPool2d`.
#[derive(Module, Debug)]
pub struct MaxPool2d {
    /// Side of the window.
    pub kernel_size: usize,
    /// Distance between windows.
    pub stride: usize,
    /// Border on all sides, which never wins.
    pub padding: usize,
    /// Whether a window may hang over the far edge.
    pub ceil_mode: bool,
}

impl MaxPool2d {
    /// # Shapes
    /// `[N, C, H, W]` to `[N, C, H', W']`, where `H' = (H + 2 · padding - kernel) / stride + 1`,
    /// rounded down, or up in ceil mode.
    #[must_use]
    pub fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let options = MaxPoolOptions::new([self.kernel_size; 2])
            .with_stride([self.stride; 2])
            .with_padding_pairs([(self.padding, self.padding); 2])
            .with_ceil_mode(self.ceil_mode);
        let output = max_pool2d(input, options);
        probe::record("MaxPool2d", None, &output, 0);
        output
    }
}

/// Configuration of [`AvgPool2d`]: a square window.
#[derive(Debug, Clone)]
pub struct AvgPool2dConfig {
    /// Side of the window.
    pub kernel_size: usize,
    /// Distance between windows.
    pub stride: usize,
    /// Border of zeros on all sides.
    pub padding: usize,
    /// Whether the border's zeros count in the mean.
    pub count_include_pad: bool,
}

impl AvgPool2dConfig {
    /// Windows side by side, no border: PyTorch's defaults.
    #[must_use]
    pub fn new(kernel_size: usize) -> Self {
        Self {
            kernel_size,
            stride: kernel_size,
            padding: 0,
            count_include_pad: true,
        }
    }

    /// The layer.
    #[must_use]
    pub fn init(&self) -> AvgPool2d {
        AvgPool2d {
            kernel_size: self.kernel_size,
            stride: self.stride,
            padding: self.padding,
            count_include_pad: self.count_include_pad,
        }
    }
}

/// The mean of each window; PyTorch's `AvgPool2d`.
#[derive(Module, Debug)]
pub struct AvgPool2d {
    /// Side of the window.
    pub kernel_size: usize,
    /// Distance between windows.
    pub stride: usize,
    /// Border of zeros on all sides.
    pub padding: usize,
    /// Whether the border's zeros count in the mean.
    pub count_include_pad: bool,
}

impl AvgPool2d {
    /// # Shapes
    /// `[N, C, H, W]` to `[N, C, H', W']`, where `H' = (H + 2 · padding - kernel) / stride + 1`.
    #[must_use]
    pub fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let options = AvgPoolOptions::new([self.kernel_size; 2])
            .with_stride([self.stride; 2])
            .with_padding_pairs([(self.padding, self.padding); 2])
            .with_count_include_pad(self.count_include_pad);
        let output = avg_pool2d(input, options);
        probe::record("AvgPool2d", None, &output, 0);
        output
    }
}

/// The mean of each channel over the whole image.
#[derive(Module, Debug, Default)]
pub struct GlobalAvgPool {}

impl GlobalAvgPool {
    /// # Shapes
    /// `[N, C, H, W]` to `[N, C]`.
    #[must_use]
    pub fn forward(&self, input: Tensor<4>) -> Tensor<2> {
        let output = global_avg_pool(input);
        probe::record("GlobalAvgPool", None, &output, 0);
        output
    }
}

/// The mean of as many windows as the output has pixels; PyTorch's `AdaptiveAvgPool2d`.
///
/// Along each side, window `i` of `n` covers the pixels from `floor(i · size / n)` to `ceil((i + 1) · size / n)`: windows
/// overlap where `n` does not divide the size, and repeat pixels where `n` is larger.
#[derive(Module, Debug)]
pub struct AdaptiveAvgPool2d {
    /// `[height, width]` of the output.
    pub output_size: [usize; 2],
}

impl AdaptiveAvgPool2d {
    /// To this `[height, width]`.
    #[must_use]
    pub fn new(output_size: [usize; 2]) -> Self {
        Self { output_size }
    }

    /// # Shapes
    /// `[N, C, H, W]` to `[N, C, output_size[0], output_size[1]]`.
    #[must_use]
    pub fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let output = adaptive_avg_pool2d(input, self.output_size);
        probe::record("AdaptiveAvgPool2d", None, &output, 0);
        output
    }
}
