//! Where a pooling layer looks.

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
    /// When the kernel is larger than the padded image, or kernel or stride are zero, or no memory can
    /// hold the images, padded or made.
    #[must_use]
    pub fn output(&self, input: Image) -> Image {
        let [(padded_h, h), (padded_w, w)] =
            [self.side(input.h, 0, input), self.side(input.w, 1, input)];
        // Every offset into an image lies within the padded one, so none of them overflows.
        let padded = Image {
            h: padded_h,
            w: padded_w,
            ..input
        };
        let output = Image { h, w, ..input };
        let _fit = (padded.len(), output.len());
        output
    }

    /// The padded side and that of the result, along an axis.
    fn side(&self, size: usize, axis: usize, input: Image) -> (usize, usize) {
        let (kernel, stride) = (self.kernel[axis], self.stride[axis]);
        assert!(
            kernel > 0 && stride > 0,
            "pooling: kernel and stride must be 1 or more: {self:?}"
        );
        let (before, after) = self.padding[axis];
        let padded = size
            .checked_add(before)
            .and_then(|padded| padded.checked_add(after))
            .filter(|padded| isize::try_from(*padded).is_ok());
        let Some(padded) = padded else {
            panic!("pooling: padding of {before} and {after} around {size} pixels");
        };
        assert!(
            kernel <= padded,
            "pooling: the kernel is larger than the padded image: {self:?} over {input:?}"
        );
        let room = padded - kernel;
        if !self.ceil_mode {
            return (padded, room / stride + 1);
        }
        let last = room.div_ceil(stride);
        // The stride may be larger than any image, but then `last` is 0 or 1.
        if last * stride >= size + before {
            (padded, last)
        } else {
            (padded, last + 1)
        }
    }

    /// What each window along an axis covers.
    pub(super) fn spans(&self, input: Image, axis: usize) -> Vec<Span> {
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
    pub(super) fn owners(&self, input: Image, axis: usize) -> Vec<Owners> {
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
pub(super) struct Span {
    /// From this element of the input,
    pub(super) start: usize,
    /// up to this one.
    pub(super) end: usize,
    /// Position of `start` in the window.
    pub(super) first: usize,
    /// Elements with those of the padding, but without what is over its edge.
    pub(super) padded: usize,
}

/// The windows along one axis that an element is in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Owners {
    /// The first one.
    pub(super) start: usize,
    /// How many.
    pub(super) count: usize,
    /// The element's position in the first one; a stride less in each after it.
    pub(super) position: usize,
}
