//! Two-dimensional convolution (the cross-correlation of PyTorch's `conv2d`, zero padding) and its
//! three gradients, on channels-last images.
//!
//! Forward pass and input gradient are one algorithm, an implicit matrix product: each output pixel
//! gathers, tap by tap, a run of channels of a source pixel, times a slab of weights packed for the
//! vector length (`gather`). The weight gradient is the outer product of an input pixel and a
//! gradient pixel, summed over all pixels (`weight_grad`). Convolutions with one channel in each
//! group have a kernel of their own (`depthwise`).

mod depthwise;
mod gather;
mod packed;
mod tile;
mod weight_grad;
mod winograd;

use crate::output::written;
use crate::simd::{Simd, Task, dispatch};
use crate::threads::{Shared, for_each};
use crate::{Image, scratch};

pub use packed::Packed;

/// The geometry of a convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conv2d {
    /// The images that it reads.
    pub input: Image,
    /// Channels that it makes.
    pub output_channels: usize,
    /// `[height, width]`.
    pub kernel: [usize; 2],
    /// `[vertical, horizontal]`.
    pub stride: [usize; 2],
    /// `[(top, bottom), (left, right)]` rows and columns of zeros.
    pub padding: [(usize, usize); 2],
    /// `[vertical, horizontal]`.
    pub dilation: [usize; 2],
    /// Groups of channels that do not see each other.
    pub groups: usize,
}

impl Conv2d {
    /// The images that it makes.
    ///
    /// # Panics
    /// When the geometry is impossible: a dilated kernel larger than the padded image, a zero where
    /// none can be, channels that do not divide into the groups.
    #[must_use]
    pub fn output(&self) -> Image {
        let Image { n, h, w, c } = self.input;
        assert!(
            self.groups > 0
                && c.is_multiple_of(self.groups)
                && self.output_channels.is_multiple_of(self.groups),
            "{c} channels to {} in {} groups",
            self.output_channels,
            self.groups
        );
        let side = |size: usize, axis: usize| {
            let (before, after) = self.padding[axis];
            let reach = self.dilation[axis] * (self.kernel[axis] - 1) + 1;
            let padded = size + before + after;
            assert!(padded >= reach, "a kernel of {reach} over {padded} pixels");
            (padded - reach) / self.stride[axis] + 1
        };
        Image {
            n,
            h: side(h, 0),
            w: side(w, 1),
            c: self.output_channels,
        }
    }

    /// Elements of the weight `[output_channels, input channels / groups, height, width]`.
    #[must_use]
    pub fn weight_len(&self) -> usize {
        self.output_channels * self.group_inputs() * self.taps()
    }

    fn taps(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    fn group_inputs(&self) -> usize {
        self.input.c / self.groups
    }

    fn group_outputs(&self) -> usize {
        self.output_channels / self.groups
    }

    fn is_depthwise(&self) -> bool {
        self.groups > 1 && self.group_inputs() == 1 && self.group_outputs() == 1
    }
}

/// What happens to each element of the result before it is stored, in this order.
#[derive(Debug, Clone, Copy, Default)]
pub struct Epilogue<'a> {
    /// Added, one for each output channel.
    pub bias: Option<&'a [f32]>,
    /// Added, of the shape of the result.
    pub residual: Option<&'a [f32]>,
    /// Whether negative values become 0.
    pub relu: bool,
}

impl Epilogue<'_> {
    fn check(&self, output: Image) {
        assert!(self.bias.is_none_or(|bias| bias.len() == output.c));
        assert!(
            self.residual
                .is_none_or(|residual| residual.len() == output.len())
        );
    }
}

/// The convolution of `x` with `weight`, `[out, in / groups, height, width]`.
#[must_use]
pub fn forward(conv: &Conv2d, x: &[f32], weight: &[f32], epilogue: Epilogue<'_>) -> Vec<f32> {
    if conv.is_depthwise() {
        return depthwise::forward(conv, x, weight, epilogue);
    }
    let taps = gather::forward_taps(conv);
    let rows = conv.group_outputs();
    packed::with(conv, weight, rows, packed::Role::Forward, &taps, |slabs| {
        forward_slabs(conv, x, (slabs, None), epilogue, &taps)
    })
}

/// [`forward`] of a 1×1 convolution whose weight is stored `[in, out]`.
pub(crate) fn forward_transposed(
    conv: &Conv2d,
    x: &[f32],
    weight: &[f32],
    epilogue: Epilogue<'_>,
) -> Vec<f32> {
    // The input gradient of the reversed layer reads its weight `[out, in]` across.
    let reversed = Conv2d {
        input: conv.output(),
        output_channels: conv.input.c,
        ..*conv
    };
    let (taps, rows) = (gather::forward_taps(conv), conv.output_channels);
    packed::with(
        &reversed,
        weight,
        rows,
        packed::Role::InputGrad,
        &taps,
        |slabs| forward_slabs(conv, x, (slabs, None), epilogue, &taps),
    )
}

/// Packs a weight for [`forward_packed`].
#[must_use]
pub fn pack(conv: &Conv2d, weight: &[f32]) -> Packed {
    if conv.is_depthwise() {
        return Packed::plain(weight);
    }
    let taps = gather::forward_taps(conv);
    Packed::new(conv, weight, &taps)
}

/// [`forward`] with a weight packed before, by the same geometry (the number and size of images
/// may differ).
#[must_use]
pub fn forward_packed(
    conv: &Conv2d,
    x: &[f32],
    weight: &Packed,
    epilogue: Epilogue<'_>,
) -> Vec<f32> {
    if conv.is_depthwise() {
        return depthwise::forward(conv, x, weight.slabs(), epilogue);
    }
    let taps = gather::forward_taps(conv);
    let packed = (weight.slabs(), weight.transformed());
    forward_slabs(conv, x, packed, epilogue, &taps)
}

fn forward_slabs(
    conv: &Conv2d,
    x: &[f32],
    (slabs, transformed): (&[f32], Option<&[f32]>),
    epilogue: Epilogue<'_>,
    taps: &[gather::Tap],
) -> Vec<f32> {
    let output = conv.output();
    epilogue.check(output);
    assert_eq!(x.len(), conv.input.len(), "input");
    // SAFETY: the forward grid covers every pixel of the output, the groups every channel.
    unsafe {
        written(output.len(), |y| {
            gather::run(&gather::Gather {
                source: x,
                image: conv.input,
                taps,
                step: conv.stride,
                grid: [output.h, output.w],
                result: y,
                result_image: output,
                origin: [0, 0],
                spread: [1, 1],
                groups: conv.groups,
                slabs,
                transformed,
                epilogue,
            });
        })
    }
}

/// The gradient of the loss by the input, from the one by the output.
#[must_use]
pub fn input_grad(conv: &Conv2d, dy: &[f32], weight: &[f32]) -> Vec<f32> {
    if conv.is_depthwise() {
        return depthwise::input_grad(conv, dy, weight);
    }
    let output = conv.output();
    assert_eq!(dy.len(), output.len(), "gradient of the output");
    // SAFETY: the classes of pixels modulo the stride cover every pixel of the input.
    unsafe {
        written(conv.input.len(), |dx| {
            for origin_y in 0..conv.stride[0].min(conv.input.h) {
                for origin_x in 0..conv.stride[1].min(conv.input.w) {
                    input_grad_class(conv, output, dy, weight, dx, [origin_y, origin_x]);
                }
            }
        })
    }
}

/// The input gradient at the pixels that equal `origin` modulo the stride: those see the same taps.
fn input_grad_class(
    conv: &Conv2d,
    output: Image,
    dy: &[f32],
    weight: &[f32],
    dx: *mut f32,
    origin: [usize; 2],
) {
    let taps = gather::input_grad_taps(conv, origin);
    let rows = conv.group_inputs();
    let count = |size: usize, axis: usize| (size - origin[axis]).div_ceil(conv.stride[axis]);
    packed::with(
        conv,
        weight,
        rows,
        packed::Role::InputGrad,
        &taps,
        |slabs| {
            gather::run(&gather::Gather {
                source: dy,
                image: output,
                taps: &taps,
                step: [1, 1],
                grid: [count(conv.input.h, 0), count(conv.input.w, 1)],
                result: dx,
                result_image: conv.input,
                origin,
                spread: conv.stride,
                groups: conv.groups,
                slabs,
                transformed: None,
                epilogue: Epilogue::default(),
            });
        },
    );
}

/// The gradient of the loss by the weight, of the weight's shape.
#[must_use]
pub fn weight_grad(conv: &Conv2d, x: &[f32], dy: &[f32]) -> Vec<f32> {
    assert_eq!(x.len(), conv.input.len(), "input");
    assert_eq!(dy.len(), conv.output().len(), "gradient of the output");
    if conv.is_depthwise() {
        return depthwise::weight_grad(conv, x, dy);
    }
    if winograd::weight_grad::pays(conv) {
        return winograd::weight_grad::run(conv, x, dy);
    }
    weight_grad::run(conv, x, dy)
}

/// The gradient of the loss by the bias: the sum over all pixels, `[channels]`.
#[must_use]
pub fn bias_grad(dy: &[f32], channels: usize) -> Vec<f32> {
    assert!(channels > 0 && dy.len().is_multiple_of(channels));
    let rows = dy.len() / channels;
    // A fixed cut, so that the sum does not depend on the number of threads.
    let rows_each = rows.div_ceil(64).max(8192 / channels.min(8192));
    let parts = rows.div_ceil(rows_each).max(1);
    scratch::with(parts * channels, |partial| {
        let shared = Shared::new(partial);
        for_each(parts, |part| {
            // SAFETY: the parts do not overlap.
            let sums = unsafe { shared.part(part * channels, channels) };
            let (from, to) = (part * rows_each, rows.min((part + 1) * rows_each));
            dispatch(SumRows {
                rows: &dy[from * channels..to * channels],
                sums,
            });
        });
        let mut total = vec![0.0; channels];
        for part in partial.chunks_exact(channels) {
            total
                .iter_mut()
                .zip(part)
                .for_each(|(sum, term)| *sum += term);
        }
        total
    })
}

/// Adds up rows, several at a time.
struct SumRows<'a> {
    rows: &'a [f32],
    sums: &'a mut [f32],
}

impl Task for SumRows<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let channels = self.sums.len();
        self.sums.fill(0.0);
        for channel in (0..channels).step_by(4 * S::LANES) {
            let width = (channels - channel).min(4 * S::LANES);
            // SAFETY: all accesses lie in the columns `channel..channel + width` of the rows.
            unsafe {
                let mut sums = [S::splat(0.0); 4];
                for row in self.rows.chunks_exact(channels) {
                    let row = row.as_ptr().add(channel);
                    if width == 4 * S::LANES {
                        for (vector, sum) in sums.iter_mut().enumerate() {
                            *sum = S::add(*sum, S::load(row.add(vector * S::LANES)));
                        }
                    } else {
                        for (vector, sum) in sums.iter_mut().enumerate() {
                            let count = width.saturating_sub(vector * S::LANES).min(S::LANES);
                            if count > 0 {
                                let term = S::load_first(row.add(vector * S::LANES), count);
                                *sum = S::add(*sum, term);
                            }
                        }
                    }
                }
                for (vector, sum) in sums.iter().enumerate() {
                    let count = width.saturating_sub(vector * S::LANES).min(S::LANES);
                    if count > 0 {
                        let to = self.sums.as_mut_ptr().add(channel + vector * S::LANES);
                        S::store_first(to, *sum, count);
                    }
                }
            }
        }
    }
}
