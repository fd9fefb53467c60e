//! Pooling over channels-last images: maximum, average and global average.
//!
//! Source: PyTorch's `max_pool2d`, `avg_pool2d` and `adaptive_avg_pool2d(1)`, whose rules these are:
//! padding never is a maximum; of equal maxima the first one row by row gets the gradient; NaN is
//! larger than everything, and the last NaN gets the gradient.
//!
//! Every gradient is gathered: an element of the input sums over the windows that it is in, in
//! order. It is written once, and where windows do not overlap it comes from one window.

mod average;
mod maximum;

pub use average::{avg, avg_grad, global_avg, global_avg_grad};
pub use maximum::{max, max_grad, max_infer};

use crate::Image;

/// Where a pooling layer looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Rows and columns, at most 65536 together.
    pub kernel: [usize; 2],
    /// Step between windows.
    pub stride: [usize; 2],
    /// Rows before and after the image, columns before and after it.
    pub padding: [(usize, usize); 2],
    /// Whether a last window may reach over the padded edge.
    pub ceil_mode: bool,
}

impl Window {
    /// The shape of the result. In ceil mode the last window has to start inside the image or the
    /// padding before it, as in PyTorch.
    ///
    /// # Panics
    /// When the kernel is larger than the padded image, or kernel or stride are zero.
    #[must_use]
    pub fn output(&self, input: Image) -> Image {
        let [h, w] = [0, 1].map(|axis| {
            let (size, kernel, stride) = (
                [input.h, input.w][axis],
                self.kernel[axis],
                self.stride[axis],
            );
            let (before, after) = self.padding[axis];
            let padded = size + before + after;
            assert!(kernel > 0 && stride > 0, "pooling: {self:?}");
            assert!(kernel <= padded, "pooling: {self:?} over {input:?}");
            let room = padded - kernel;
            if !self.ceil_mode {
                return room / stride + 1;
            }
            let last = room.div_ceil(stride);
            if last * stride >= size + before {
                last
            } else {
                last + 1
            }
        });
        Image { h, w, ..input }
    }

    /// What each window along an axis covers.
    fn spans(&self, input: Image, axis: usize) -> Vec<Span> {
        let (size, out) = self.sizes(input, axis);
        let (before, after) = self.padding[axis];
        let span = |index: usize| {
            let start = index * self.stride[axis];
            let end = (start + self.kernel[axis]).min(size + before + after);
            let from = start.saturating_sub(before).min(size);
            Span {
                start: from,
                end: end.saturating_sub(before).clamp(from, size),
                first: (from + before).saturating_sub(start),
                padded: end - start,
            }
        };
        (0..out).map(span).collect()
    }

    /// The windows along an axis that each element of the input is in.
    fn owners(&self, input: Image, axis: usize) -> Vec<Owners> {
        let (size, out) = self.sizes(input, axis);
        let (kernel, stride) = (self.kernel[axis], self.stride[axis]);
        let owners = |index: usize| {
            let at = index + self.padding[axis].0;
            let end = (at / stride + 1).min(out);
            let start = (at + 1).saturating_sub(kernel).div_ceil(stride).min(end);
            Owners {
                start,
                count: end - start,
                // Where the stride is larger than the kernel, some are in no window.
                position: at.saturating_sub(start * stride),
            }
        };
        (0..size).map(owners).collect()
    }

    /// Input and output along an axis.
    fn sizes(&self, input: Image, axis: usize) -> (usize, usize) {
        let out = self.output(input);
        ([input.h, input.w][axis], [out.h, out.w][axis])
    }
}

/// What a window covers along one axis.
#[derive(Debug, Clone, Copy)]
struct Span {
    /// From this element of the input,
    start: usize,
    /// up to this one.
    end: usize,
    /// Position of `start` in the window.
    first: usize,
    /// Elements with those of the padding, but without what is over its edge.
    padded: usize,
}

/// The windows along one axis that an element is in.
#[derive(Debug, Clone, Copy)]
struct Owners {
    /// The first one.
    start: usize,
    /// How many.
    count: usize,
    /// The element's position in the first one; a stride less in each after it.
    position: usize,
}
