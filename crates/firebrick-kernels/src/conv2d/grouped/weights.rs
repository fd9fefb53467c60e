//! Weights in the order in which the tiles read them.

use super::super::geometry::Conv2d;
use crate::simd::Vectors;

/// Which channels the lanes are, and in which order the taps lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// Lanes are output channels.
    Forward,
    /// Lanes are input channels.
    InputGrad,
    /// Lanes are input channels; the last tap comes first.
    Reversed,
}

/// Elements of a packed weight.
pub(super) fn len(conv: &Conv2d, vectors: Vectors) -> usize {
    let lanes = vectors.lanes();
    conv.input.c.div_ceil(lanes) * lanes * conv.group_inputs() * conv.taps()
}

/// The first channel of a vector: the last one holds some channels of the one before where the channels
/// are not a multiple of the lanes.
pub(super) fn first_channel(vector: usize, lanes: usize, channels: usize) -> usize {
    (vector * lanes).min(channels - lanes)
}

/// Writes `[vector][channel of the group][tap][lane]`.
pub(super) fn pack(
    conv: &Conv2d,
    vectors: Vectors,
    weight: &[f32],
    order: Order,
    packed: &mut [f32],
) {
    let (lanes, group, area) = (vectors.lanes(), conv.group_inputs(), conv.taps());
    let slabs = packed.chunks_exact_mut(group * area * lanes);
    for (vector, slab) in slabs.enumerate() {
        let first = first_channel(vector, lanes, conv.input.c);
        for lane in 0..lanes {
            let channel = first + lane;
            for (other, slab) in slab.chunks_exact_mut(area * lanes).enumerate() {
                let (output, input) = match order {
                    Order::Forward => (channel, other),
                    _ => (channel / group * group + other, channel % group),
                };
                let taps = &weight[(output * group + input) * area..][..area];
                for (place, to) in slab[lane..].iter_mut().step_by(lanes).enumerate() {
                    *to = match order {
                        Order::Reversed => taps[area - 1 - place],
                        _ => taps[place],
                    };
                }
            }
        }
    }
}
