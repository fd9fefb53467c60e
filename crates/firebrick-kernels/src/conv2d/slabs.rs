//! Weights in the order in which the kernels read them.

mod matrix;

use super::geometry::Conv2d;
use super::taps::Tap;
use super::tile::widest_of;
use crate::output::written;
use crate::scratch;
use crate::simd::Vectors;
use crate::threads::{Shared, for_each};
use matrix::Matrix;

/// Which channels of the weight are the result's and which are summed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Forward,
    InputGrad,
}

/// The result's channels, rounded up to whole vectors.
pub(super) fn padded(columns: usize, vectors: Vectors) -> usize {
    columns.next_multiple_of(vectors.lanes())
}

/// A weight to be packed for some taps.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) vectors: Vectors,
    pub(super) conv: &'a Conv2d,
    pub(super) weight: &'a [f32],
    pub(super) role: Role,
    pub(super) taps: &'a [Tap],
}

impl Source<'_> {
    /// The result's channels of a group, and those that are summed over.
    fn columns_and_sum(&self) -> (usize, usize) {
        let (outputs, inputs) = (self.conv.group_outputs(), self.conv.group_inputs());
        match self.role {
            Role::Forward => (outputs, inputs),
            Role::InputGrad => (inputs, outputs),
        }
    }

    /// Elements of a group's slabs.
    fn group_len(&self) -> usize {
        let (columns, sum) = self.columns_and_sum();
        padded(columns, self.vectors) * sum * self.taps.len()
    }

    /// Packs into memory of its own.
    pub(super) fn pack(&self) -> Vec<f32> {
        let len = self.conv.groups * self.group_len();
        // SAFETY: `fill` writes every element, and there is room for all of them.
        unsafe { written(len, |slabs| self.fill(slabs)) }
    }

    /// Packs into scratch memory and lends it to `work`.
    pub(super) fn lend<R>(&self, work: impl FnOnce(&[f32]) -> R) -> R {
        scratch::with(self.conv.groups * self.group_len(), |slabs| {
            // SAFETY: there is room for all slabs.
            unsafe { self.fill(slabs.as_mut_ptr()) };
            work(slabs)
        })
    }

    /// Writes `[group][panel][tap][summed channel][lane]`, a panel being up to `widest` vectors of the
    /// result's channels, with zeros for channels that are not there.
    ///
    /// # Safety
    /// `slabs` has room for the slabs of all groups.
    unsafe fn fill(&self, slabs: *mut f32) {
        let Self {
            conv,
            weight,
            role,
            taps,
            ..
        } = *self;
        conv.check_weight(weight);
        let (outputs, inputs, area) = (conv.group_outputs(), conv.group_inputs(), conv.taps());
        let (columns, sum) = self.columns_and_sum();
        let (column_step, sum_step) = match role {
            Role::Forward => (inputs * area, area),
            Role::InputGrad => (area, inputs * area),
        };
        let lanes = self.vectors.lanes();
        let vectors = columns.div_ceil(lanes);
        let widest = widest_of(self.vectors);
        let group_len = self.group_len();
        let shared = Shared::at(slabs);
        if area == 1 && taps.len() == 1 {
            for (group, weight) in weight.chunks_exact(outputs * inputs).enumerate() {
                // SAFETY: each group has its own slabs.
                unsafe {
                    let matrix = Matrix {
                        weight,
                        columns,
                        sum,
                        slabs: Shared::at(slabs.add(group * group_len)),
                    };
                    match role {
                        Role::Forward => matrix.by_column(self.vectors),
                        Role::InputGrad => matrix.by_sum(self.vectors),
                    }
                }
            }
            return;
        }
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
                Role::Forward => {
                    (0..there).for_each(|lane| copy((first + lane) * column_step, lane));
                }
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
}
