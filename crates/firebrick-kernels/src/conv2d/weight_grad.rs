//! The weight gradient: outer products of input pixels and gradient pixels.
//!
//! Work is cut into units, a block of input channels by a panel of output channels, and a few
//! chunks of images where there are few units (`plan`). A unit walks blocks of gradient pixels that stay
//! in the first-level cache and adds all taps of them to its sums (`outer`). The cut depends on shapes
//! alone. 1×1 convolutions are plain products of matrices (`pointwise`).

mod outer;
mod patches;
mod plan;
mod pointwise;

use std::ops::Range;

use super::depthwise;
use super::geometry::Conv2d;
use super::grouped;
use super::winograd;
use crate::output::written;
use crate::simd::Vectors;
use crate::threads::{Shared, for_each};
use crate::{Image, scratch};
use outer::Outer;
use patches::Patches;
use plan::{Plan, Rows};

/// Elements of a block of gradient pixels.
const BLOCK: usize = 6144;

/// The gradient of the loss by the weight, of the weight's shape.
///
/// # Panics
/// When the geometry is impossible, or a slice does not fit it.
#[must_use]
pub fn weight_grad(conv: &Conv2d, x: &[f32], dy: &[f32]) -> Vec<f32> {
    let vectors = Vectors::in_use();
    let output = conv.check_gradient(dy);
    conv.check_input(x);
    if grouped::fits(conv, vectors) {
        return grouped::weight_grad(vectors, conv, x, dy);
    }
    if conv.is_depthwise() {
        return depthwise::weight_grad(vectors, conv, x, dy);
    }
    if winograd::weight_grad::pays(conv) {
        return winograd::weight_grad::run(vectors, conv, x, dy);
    }
    if output.is_empty() || conv.input.is_empty() {
        return vec![0.0; conv.weight_len()];
    }
    let plan = Plan::new(vectors, conv, x, dy);
    if pointwise::fits(conv) {
        return pointwise::run(vectors, conv, x, dy, plan.chunks);
    }
    let (units, len) = (plan.units(), plan.sums_len());
    scratch::with(units * plan.chunks * len, |sums| {
        let shared = Shared::new(sums);
        for_each(units * plan.chunks, |work| {
            let (unit, chunk) = (work / plan.chunks, work % plan.chunks);
            let images = output.n * chunk / plan.chunks..output.n * (chunk + 1) / plan.chunks;
            // SAFETY: each piece of work has its own part.
            let sums = unsafe { shared.part(work * len, len) };
            unit_sums(&plan, unit, images, sums);
        });
        // SAFETY: the units cover all channels of all groups.
        unsafe {
            written(conv.weight_len(), |grad| {
                let grad = Shared::at(grad);
                for_each(units, |unit| {
                    // SAFETY: the work on this unit is over, and no other reads its parts.
                    let sums = shared.part(unit * plan.chunks * len, plan.chunks * len);
                    collect(&plan, unit, sums, grad);
                });
            })
        }
    })
}

fn unit_sums(plan: &Plan<'_>, unit: usize, images: Range<usize>, sums: &mut [f32]) {
    sums.fill(0.0);
    let Image {
        h: rows,
        w: columns,
        ..
    } = plan.output;
    let pixels = (BLOCK / plan.panel).max(1);
    let (each_image, each_row) = if rows * columns <= pixels {
        (pixels / (rows * columns), rows)
    } else {
        (1, (pixels / columns).clamp(1, rows))
    };
    for first in images.clone().step_by(each_image) {
        for row in (0..rows).step_by(each_row) {
            add_block(
                plan,
                unit,
                first..images.end.min(first + each_image),
                row..rows.min(row + each_row),
                sums,
            );
        }
    }
}

/// Adds a block of gradient pixels to the sums of a unit.
fn add_block(
    plan: &Plan<'_>,
    unit: usize,
    images: Range<usize>,
    rows: Range<usize>,
    sums: &mut [f32],
) {
    let (group, first_input, first_output) = plan.place(unit);
    let (conv, Image { h, w, c, .. }) = (plan.conv, plan.conv.input);
    let columns = plan.output.w;
    let pixels = images.len() * rows.len() * columns;
    let there = plan.panel.min(conv.group_outputs() - first_output);
    let dy_channel = group * conv.group_outputs() + first_output;
    let x_channel = group * conv.group_inputs() + first_input;
    let depth = plan.block.min(conv.group_inputs() - first_input);

    // The rows of the input that the block's taps reach; none where they see padding alone.
    let reach = (conv.kernel[0] - 1) * conv.dilation[0];
    let top = (rows.start * conv.stride[0]) as isize - conv.padding[0].0 as isize;
    let bottom = ((rows.end - 1) * conv.stride[0] + reach) as isize - conv.padding[0].0 as isize;
    let x_rows = top.clamp(0, h as isize) as usize..(bottom + 1).clamp(0, h as isize) as usize;
    if x_rows.is_empty() && plan.rows != Rows::Patches {
        return;
    }
    let x_pixels = images.len() * x_rows.len() * w;
    let (x_len, x_step) = match plan.rows {
        Rows::Direct => (0, c),
        Rows::Packed => (x_pixels * plan.block_padded, plan.block_padded),
        Rows::Patches => (pixels * plan.depth() + plan.vectors.lanes(), plan.depth()),
    };
    let dy_packed = there < plan.panel || plan.output.c > 4 * plan.panel.min(64);
    let dy_len = if dy_packed { pixels * plan.panel } else { 0 };
    scratch::with(x_len + dy_len, |copies| {
        let (x_copy, dy_copy) = copies.split_at_mut(x_len);
        let first_pixel = |image: usize| (image * plan.output.h + rows.start) * columns;
        if dy_packed {
            let each = rows.len() * columns;
            for (place, copy) in dy_copy.chunks_exact_mut(plan.panel).enumerate() {
                let pixel = first_pixel(images.start + place / each) + place % each;
                let from = pixel * plan.output.c + dy_channel;
                copy[..there].copy_from_slice(&plan.dy[from..from + there]);
                copy[there..].fill(0.0);
            }
        }
        let each = x_rows.len() * w;
        let x_pixel = |image: usize| (image * h + x_rows.start) * w;
        match plan.rows {
            Rows::Direct => {}
            Rows::Packed => {
                for (place, copy) in x_copy.chunks_exact_mut(plan.block_padded).enumerate() {
                    let pixel = x_pixel(images.start + place / each) + place % each;
                    let from = pixel * c + x_channel;
                    copy[..depth].copy_from_slice(&plan.x[from..from + depth]);
                    copy[depth..].fill(0.0);
                }
            }
            Rows::Patches => plan.vectors.dispatch(Patches {
                plan,
                images: images.clone(),
                rows: rows.clone(),
                copy: x_copy,
            }),
        }
        let (x, x_image) = match plan.rows {
            Rows::Direct => (&plan.x[x_pixel(images.start) * c + x_channel..], h * w),
            _ => (&*x_copy, each),
        };
        let (dy, dy_image, dy_step) = if dy_packed {
            (&*dy_copy, rows.len() * columns, plan.panel)
        } else {
            let from = first_pixel(images.start) * plan.output.c + dy_channel;
            (&plan.dy[from..], plan.output.h * columns, plan.output.c)
        };
        plan.vectors.dispatch(Outer {
            plan,
            x,
            x_image,
            x_step,
            x_rows: x_rows.clone(),
            dy,
            dy_image,
            dy_step,
            images: images.len(),
            rows: rows.clone(),
            sums,
        });
    });
}

/// Adds up the chunks of a unit and writes them in the weight's order.
fn collect(plan: &Plan<'_>, unit: usize, sums: &mut [f32], grad: Shared<f32>) {
    let (total, others) = sums.split_at_mut(plan.sums_len());
    for other in others.chunks_exact(plan.sums_len()) {
        total
            .iter_mut()
            .zip(other)
            .for_each(|(sum, term)| *sum += term);
    }
    let (conv, area) = (plan.conv, plan.conv.taps());
    let (group, first_input, first_output) = plan.place(unit);
    let depth = plan.block.min(conv.group_inputs() - first_input);
    let there = plan.panel.min(conv.group_outputs() - first_output);
    let inputs = conv.group_inputs();
    let tap_step = match plan.rows {
        Rows::Patches => conv.input.c,
        _ => plan.block_padded,
    };
    // Some input channels at a time: their sums stay in the first-level cache for all columns.
    let each = (64 / area).max(1);
    for start in (0..depth).step_by(each) {
        let some = start..depth.min(start + each);
        for column in 0..there {
            let output = group * conv.group_outputs() + first_output + column;
            let first = (output * inputs + first_input + some.start) * area;
            // SAFETY: these channels of the weight belong to this unit alone.
            let to = unsafe { grad.part(first, some.len() * area) };
            for (input, taps) in some.clone().zip(to.chunks_exact_mut(area)) {
                for (tap, value) in taps.iter_mut().enumerate() {
                    *value = total[(tap * tap_step + input) * plan.panel + column];
                }
            }
        }
    }
}
