//! Packed weights: in the order in which the gather kernel reads them.

use super::gather::Tap;
use super::{Conv2d, winograd};
use crate::output::written;
use crate::scratch;
use crate::simd::lanes;
use crate::threads::{Shared, for_each};

/// A weight packed for [`forward_packed`](super::forward_packed) on the instruction set in use.
#[derive(Debug, Clone)]
pub struct Packed {
    slabs: Vec<f32>,
    /// The slabs transformed for Winograd's way, where it pays for the images packed for.
    transformed: Option<Vec<f32>>,
}

impl Packed {
    pub(super) fn new(conv: &Conv2d, weight: &[f32], taps: &[Tap]) -> Self {
        let (columns, sum) = (conv.group_outputs(), conv.group_inputs());
        let len = slabs_len(conv.groups, columns, sum, taps.len());
        // SAFETY: `fill` writes every element.
        let slabs = unsafe {
            written(len, |slabs| {
                fill(conv, weight, Role::Forward, taps, slabs);
            })
        };
        let transformed = winograd::gather::pays_packed(conv, taps).then(|| {
            let mut transformed = vec![0.0; winograd::gather::weights_len(columns, sum)];
            winograd::gather::transform_weights(&slabs, columns, sum, &mut transformed);
            transformed
        });
        Self { slabs, transformed }
    }

    /// As it is: what a depthwise convolution reads.
    pub(super) fn plain(weight: &[f32]) -> Self {
        Self {
            slabs: weight.to_vec(),
            transformed: None,
        }
    }

    pub(super) fn slabs(&self) -> &[f32] {
        &self.slabs
    }

    pub(super) fn transformed(&self) -> Option<&[f32]> {
        self.transformed.as_deref()
    }
}

/// Which channels of the weight are the result's and which are summed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Forward,
    InputGrad,
}

/// The result's channels, rounded up to whole vectors.
pub(super) fn padded(columns: usize) -> usize {
    columns.next_multiple_of(lanes())
}

fn slabs_len(groups: usize, columns: usize, sum: usize, taps: usize) -> usize {
    groups * padded(columns) * sum * taps
}

/// Packs into scratch memory and lends it to `work`.
pub(super) fn with<R>(
    conv: &Conv2d,
    weight: &[f32],
    columns: usize,
    role: Role,
    taps: &[Tap],
    work: impl FnOnce(&[f32]) -> R,
) -> R {
    let sum = match role {
        Role::Forward => conv.group_inputs(),
        Role::InputGrad => conv.group_outputs(),
    };
    scratch::with(slabs_len(conv.groups, columns, sum, taps.len()), |slabs| {
        fill(conv, weight, role, taps, slabs.as_mut_ptr());
        work(slabs)
    })
}

/// Writes `[group][panel][tap][summed channel][lane]`, a panel being up to `widest` vectors of the
/// result's channels, with zeros for channels that are not there.
fn fill(conv: &Conv2d, weight: &[f32], role: Role, taps: &[Tap], slabs: *mut f32) {
    assert_eq!(weight.len(), conv.weight_len(), "weight");
    let (outputs, inputs, area) = (conv.group_outputs(), conv.group_inputs(), conv.taps());
    let (columns, sum, column_step, sum_step) = match role {
        Role::Forward => (outputs, inputs, inputs * area, area),
        Role::InputGrad => (inputs, outputs, area, inputs * area),
    };
    let lanes = lanes();
    let vectors = columns.div_ceil(lanes);
    let widest = super::gather::widest_now();
    let group_len = padded(columns) * sum * taps.len();
    // SAFETY: `slabs` has `slabs_len` elements.
    let shared =
        Shared::new(unsafe { std::slice::from_raw_parts_mut(slabs, group_len * conv.groups) });
    // One piece of work: a panel for some of the summed channels, which the first-level cache holds.
    let panels = vectors.div_ceil(widest);
    let sum_each = (4096 / (taps.len().max(1) * widest * lanes)).clamp(1, sum);
    let pieces = sum.div_ceil(sum_each);
    for_each(conv.groups * panels * pieces, |work| {
        let (piece, rest) = (work % pieces, work / pieces);
        let (panel, group) = (rest % panels, rest / panels);
        let first = panel * widest * lanes;
        let width = widest.min(vectors - panel * widest) * lanes;
        let there = width.min(columns - first);
        let start = group * group_len + first * sum * taps.len();
        // All reads lie in the weights of a group: `first + there <= columns`, `k < sum`.
        let weight = &weight[group * outputs * inputs * area..][..outputs * inputs * area];
        let summed = piece * sum_each..sum.min((piece + 1) * sum_each);
        // What lies side by side in the weight, and where it goes: the summed channels of a column
        // forward, the columns of a summed channel backward. The same for every column, or channel.
        let run = match role {
            Role::Forward => summed.clone(),
            Role::InputGrad => 0..there,
        };
        let moves: Vec<(usize, usize)> = run
            .flat_map(|at| taps.iter().enumerate().map(move |tap| (at, tap)))
            .map(|(at, (place, tap))| match role {
                Role::Forward => (at * sum_step + tap.weight, (place * sum + at) * width),
                Role::InputGrad => (at * column_step + tap.weight, place * sum * width + at),
            })
            .collect();
        let copy = |from: usize, to: usize| {
            for (source, target) in &moves {
                // SAFETY: these summed channels of a panel belong to one piece of work.
                unsafe {
                    *shared.pointer().add(start + to + target) =
                        *weight.get_unchecked(from + source);
                }
            }
        };
        match role {
            Role::Forward => (0..there).for_each(|lane| copy((first + lane) * column_step, lane)),
            Role::InputGrad => summed
                .clone()
                .for_each(|k| copy(first * column_step + k * sum_step, k * width)),
        }
        if there < width {
            for k in summed {
                for place in 0..taps.len() {
                    let at = start + (place * sum + k) * width;
                    // SAFETY: as above.
                    unsafe { shared.part(at + there, width - there) }.fill(0.0);
                }
            }
        }
    });
}
