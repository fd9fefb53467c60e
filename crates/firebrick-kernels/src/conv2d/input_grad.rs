//! The gradient of the input.

use super::algorithm;
use super::depthwise;
use super::epilogue::Epilogue;
use super::few_pixels;
use super::gather::Gather;
use super::geometry::Conv2d;
use super::grouped;
use super::slabs::{Role, Source};
use super::taps::input_grad_taps;
use crate::Image;
use crate::output::written;
use crate::simd::Vectors;

/// The gradient of the loss by the input, from the one by the output.
///
/// # Panics
/// When the geometry is impossible, or a slice does not fit it.
#[must_use]
pub fn input_grad(conv: &Conv2d, dy: &[f32], weight: &[f32]) -> Vec<f32> {
    let vectors = Vectors::in_use();
    let output = conv.check_gradient(dy);
    conv.check_weight(weight);
    if grouped::fits(conv, vectors) {
        return grouped::input_grad(vectors, conv, dy, weight);
    }
    if conv.is_depthwise() {
        return depthwise::input_grad(vectors, conv, dy, weight);
    }
    if few_pixels::pays(conv) {
        return few_pixels::input_grad(vectors, conv, dy, weight);
    }
    // SAFETY: the classes of pixels modulo the stride cover every pixel of the input.
    unsafe {
        written(conv.input.len(), |dx| {
            for origin_y in 0..conv.stride[0].min(conv.input.h) {
                for origin_x in 0..conv.stride[1].min(conv.input.w) {
                    class(vectors, conv, output, dy, weight, dx, [origin_y, origin_x]);
                }
            }
        })
    }
}

/// The gradient at the pixels that equal `origin` modulo the stride: those see the same taps.
fn class(
    vectors: Vectors,
    conv: &Conv2d,
    output: Image,
    dy: &[f32],
    weight: &[f32],
    dx: *mut f32,
    origin: [usize; 2],
) {
    let taps = input_grad_taps(conv, origin);
    let count = |size: usize, axis: usize| (size - origin[axis]).div_ceil(conv.stride[axis]);
    let slabs = Source {
        vectors,
        conv,
        weight,
        role: Role::InputGrad,
        taps: &taps,
    };
    slabs.lend(|slabs| {
        algorithm::run(&Gather {
            vectors,
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
    });
}
