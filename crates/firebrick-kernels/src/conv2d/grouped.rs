//! Convolutions whose groups have few channels, as many going out as coming in: depthwise ones above all.
//!
//! A vector of result channels holds one group or several. All that changes from the one-channel case is
//! that each result channel sums over the channels of its group: for each of them the source vector is
//! spread over the lanes (`spread`), and everything else is as before. So there is one kernel for result
//! and input gradient (`gather`) and one for the weight gradient (`weight_grad`).
//!
//! Both work on tiles of two rows by some columns (`tiles`) that stay in registers. Every source vector of
//! a tile is loaded once for each of its rows and used for all the pixels that it reaches, which is what
//! makes these kernels faster than going tap by tap: there, each product loads its own operand.

/// Writes out a loop over the source pixels of a row of a tile, so that everything in it is known when it is
/// compiled: compilers do not unroll loops of that size, and sums would leave their registers.
macro_rules! each_source {
    ($place:ident, $body:block) => {
        each_source!(@ $place $body 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18)
    };
    (@ $place:ident $body:block $($number:literal)*) => {
        $({
            let $place: usize = $number;
            $body
        })*
    };
}

mod gather;
mod spread;
mod tiles;
mod weight_grad;
mod weights;

use super::epilogue::Epilogue;
use super::geometry::Conv2d;
use crate::output::written;
use crate::simd::Vectors;
use crate::{Image, scratch};
use gather::Gather;
use tiles::{Form, Tiling};
pub(super) use weight_grad::weight_grad;
use weights::Order;

/// Whether this way is open: the kernel is a square of 3, 5 or 7 (3 for groups of several channels), the
/// stride 1 or 2, and vectors hold whole groups.
pub(super) fn fits(conv: &Conv2d, vectors: Vectors) -> bool {
    let (inputs, outputs, lanes) = (conv.group_inputs(), conv.group_outputs(), vectors.lanes());
    let [kernel, stride] = [conv.kernel[0], conv.stride[0]];
    conv.groups > 1
        && inputs == outputs
        && conv.input.c >= lanes
        && conv.kernel == [kernel; 2]
        && conv.stride == [stride; 2]
        && conv.dilation == [1, 1]
        && matches!(stride, 1 | 2)
        && match inputs {
            1 => matches!(kernel, 3 | 5 | 7),
            _ => kernel == 3 && (lanes.is_multiple_of(inputs) || inputs.is_multiple_of(lanes)),
        }
}

/// The weight in the order in which [`forward_packed`] reads it.
pub(super) fn pack(vectors: Vectors, conv: &Conv2d, weight: &[f32]) -> Vec<f32> {
    let mut packed = vec![0.0; weights::len(conv, vectors)];
    weights::pack(conv, vectors, weight, Order::Forward, &mut packed);
    packed
}

/// For a geometry and slices that were checked, but for the weight.
pub(super) fn forward(
    vectors: Vectors,
    conv: &Conv2d,
    x: &[f32],
    weight: &[f32],
    epilogue: Epilogue<'_>,
) -> Vec<f32> {
    conv.check_weight(weight);
    scratch::with(weights::len(conv, vectors), |packed| {
        weights::pack(conv, vectors, weight, Order::Forward, packed);
        forward_packed(vectors, conv, x, packed, epilogue)
    })
}

/// The same with a weight that [`pack`] made.
pub(super) fn forward_packed(
    vectors: Vectors,
    conv: &Conv2d,
    x: &[f32],
    packed: &[f32],
    epilogue: Epilogue<'_>,
) -> Vec<f32> {
    let form = match conv.stride {
        [1, _] => Form::Plain,
        _ => Form::Strided,
    };
    let before = conv.padding.map(|(before, _)| before as isize);
    let images = [conv.input, conv.output()];
    gathered(vectors, conv, (x, images), (form, before), packed, epilogue)
}

/// For a geometry and slices that were checked.
pub(super) fn input_grad(vectors: Vectors, conv: &Conv2d, dy: &[f32], weight: &[f32]) -> Vec<f32> {
    let padding = conv.padding.map(|(before, _)| before as isize);
    let (form, order, before) = match conv.stride {
        // The same convolution, the other way round.
        [1, _] => {
            let reach = conv.kernel[0] as isize - 1;
            (
                Form::Plain,
                Order::Reversed,
                padding.map(|before| reach - before),
            )
        }
        _ => (Form::Across, Order::InputGrad, padding),
    };
    scratch::with(weights::len(conv, vectors), |packed| {
        weights::pack(conv, vectors, weight, order, packed);
        let images = [conv.output(), conv.input];
        gathered(
            vectors,
            conv,
            (dy, images),
            (form, before),
            packed,
            Epilogue::default(),
        )
    })
}

fn gathered(
    vectors: Vectors,
    conv: &Conv2d,
    (source, [from, to]): (&[f32], [Image; 2]),
    (form, before): (Form, [isize; 2]),
    packed: &[f32],
    epilogue: Epilogue<'_>,
) -> Vec<f32> {
    assert_eq!(packed.len(), weights::len(conv, vectors), "packed weights");
    if to.is_empty() {
        return Vec::new();
    }
    // SAFETY: the pairs of rows cover every row of the result, the columns every column.
    unsafe {
        written(to.len(), |result| {
            let tiling = Tiling::new(vectors, form, conv.kernel[0], before, [from, to]);
            gather::run(&Gather {
                vectors,
                tiling: &tiling,
                inputs: conv.group_inputs(),
                source,
                packed,
                result,
                epilogue,
            });
        })
    }
}
