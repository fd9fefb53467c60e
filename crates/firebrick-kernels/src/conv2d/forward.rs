//! The forward pass.

use super::algorithm;
use super::depthwise;
use super::epilogue::Epilogue;
use super::few_pixels;
use super::gather::Gather;
use super::geometry::Conv2d;
use super::grouped;
use super::packed::Packed;
use super::slabs::{Role, Source};
use super::taps::{Tap, forward_taps};
use crate::output::written;
use crate::simd::Vectors;

/// The convolution of `x` with `weight`, `[out, in / groups, height, width]`.
///
/// # Panics
/// When the geometry is impossible, or a slice does not fit it.
#[must_use]
pub fn forward(conv: &Conv2d, x: &[f32], weight: &[f32], epilogue: Epilogue<'_>) -> Vec<f32> {
    let vectors = Vectors::in_use();
    check(conv, x, epilogue);
    if grouped::fits(conv, vectors) {
        return grouped::forward(vectors, conv, x, weight, epilogue);
    }
    if conv.is_depthwise() {
        return depthwise::forward(vectors, conv, x, weight, epilogue);
    }
    if few_pixels::pays(conv) {
        return few_pixels::forward(vectors, conv, x, weight, epilogue);
    }
    let taps = forward_taps(conv);
    let slabs = Source {
        vectors,
        conv,
        weight,
        role: Role::Forward,
        taps: &taps,
    };
    slabs.lend(|slabs| from_slabs(vectors, conv, x, (slabs, None), epilogue, &taps))
}

/// [`forward`] of a 1×1 convolution whose weight is stored `[in, out]`.
pub(crate) fn forward_transposed(
    conv: &Conv2d,
    x: &[f32],
    weight: &[f32],
    epilogue: Epilogue<'_>,
) -> Vec<f32> {
    let vectors = Vectors::in_use();
    check(conv, x, epilogue);
    if few_pixels::pays(conv) {
        return few_pixels::forward_transposed(vectors, conv, x, weight, epilogue);
    }
    // The input gradient of the reversed layer reads its weight `[out, in]` across.
    let reversed = Conv2d {
        input: conv.output(),
        output_channels: conv.input.c,
        ..*conv
    };
    let taps = forward_taps(conv);
    let slabs = Source {
        vectors,
        conv: &reversed,
        weight,
        role: Role::InputGrad,
        taps: &taps,
    };
    slabs.lend(|slabs| from_slabs(vectors, conv, x, (slabs, None), epilogue, &taps))
}

/// [`forward`] with a weight packed before, by the same geometry (the number and size of images
/// may differ).
///
/// # Panics
/// When the weight is packed for another geometry or for another instruction set than the one in use,
/// the geometry is impossible, or a slice does not fit it.
#[must_use]
pub fn forward_packed(
    conv: &Conv2d,
    x: &[f32],
    weight: &Packed,
    epilogue: Epilogue<'_>,
) -> Vec<f32> {
    let vectors = Vectors::in_use();
    check(conv, x, epilogue);
    weight.check(conv, vectors);
    if grouped::fits(conv, vectors) {
        return grouped::forward_packed(vectors, conv, x, weight.slabs(), epilogue);
    }
    if conv.is_depthwise() {
        return depthwise::forward(vectors, conv, x, weight.slabs(), epilogue);
    }
    let packed = (weight.slabs(), weight.transformed());
    from_slabs(vectors, conv, x, packed, epilogue, &forward_taps(conv))
}

/// # Panics
/// When the geometry is impossible, or a slice does not fit it.
fn check(conv: &Conv2d, x: &[f32], epilogue: Epilogue<'_>) {
    epilogue.check(conv.output());
    conv.check_input(x);
}

/// From packed weights, for a geometry and slices that were checked.
fn from_slabs(
    vectors: Vectors,
    conv: &Conv2d,
    x: &[f32],
    (slabs, transformed): (&[f32], Option<&[f32]>),
    epilogue: Epilogue<'_>,
    taps: &[Tap],
) -> Vec<f32> {
    let output = conv.output();
    // SAFETY: the forward grid covers every pixel of the output, the groups every channel.
    unsafe {
        written(output.len(), |y| {
            algorithm::run(&Gather {
                vectors,
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
