//! How the work is cut into units.

use super::super::geometry::Conv2d;
use super::super::tile::widest_of;
use crate::Image;
use crate::simd::Vectors;

/// Units of work that are enough for the processors that we plan for.
const UNITS: usize = 16;

/// How a unit reads its input channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rows {
    /// From the images as they are.
    Direct,
    /// Copied, its block of channels alone, rounded up to a multiple of four: pixels far apart in
    /// memory fall into few sets of the cache.
    Packed,
    /// Copied as patches, all taps of all channels of a pixel side by side: for few channels.
    Patches,
}

/// How the work is cut: input channels by panels of output channels by chunks of images.
pub(super) struct Plan<'a> {
    pub(super) vectors: Vectors,
    pub(super) conv: &'a Conv2d,
    pub(super) x: &'a [f32],
    pub(super) dy: &'a [f32],
    pub(super) output: Image,
    pub(super) rows: Rows,
    /// Input channels of a unit, and with the padding that tiles need.
    pub(super) block: usize,
    pub(super) block_padded: usize,
    /// Output channels of a unit, a multiple of the lanes.
    pub(super) panel: usize,
    /// Units of a group along each axis.
    pub(super) blocks: usize,
    pub(super) panels: usize,
    pub(super) chunks: usize,
}

impl<'a> Plan<'a> {
    /// For a geometry and slices that were checked, and images that have pixels.
    pub(super) fn new(vectors: Vectors, conv: &'a Conv2d, x: &'a [f32], dy: &'a [f32]) -> Self {
        let output = conv.output();
        let (inputs, outputs, area) = (conv.group_inputs(), conv.group_outputs(), conv.taps());
        let patches = area > 1 && inputs <= 4 && conv.groups == 1;
        // Fewer channels for many taps, so that the sums of a unit stay in the second-level cache.
        let block = inputs.min(if patches {
            4
        } else {
            (288 / area).next_multiple_of(16)
        });
        let rows = if patches {
            Rows::Patches
        } else if inputs > 128
            || conv.groups > 1
            || !inputs.is_multiple_of(block)
            || !block.is_multiple_of(4)
        {
            // A tile reads whole blocks: one that is not filled would be read past its pixel.
            Rows::Packed
        } else {
            Rows::Direct
        };
        let lanes = vectors.lanes();
        let panel = outputs
            .next_multiple_of(lanes)
            .min(widest_of(vectors) * lanes);
        let (blocks, panels) = (inputs.div_ceil(block), outputs.div_ceil(panel));
        let units = conv.groups * blocks * panels;
        Self {
            vectors,
            conv,
            x,
            dy,
            output,
            rows,
            block,
            block_padded: block.next_multiple_of(4),
            panel,
            blocks,
            panels,
            chunks: UNITS.div_ceil(units).min(output.n),
        }
    }

    pub(super) fn units(&self) -> usize {
        self.conv.groups * self.blocks * self.panels
    }

    /// Rows of a unit's sums for each tap of the loops below.
    pub(super) fn depth(&self) -> usize {
        match self.rows {
            Rows::Patches => (self.block * self.conv.taps()).next_multiple_of(4),
            _ => self.block_padded,
        }
    }

    /// Taps that the sums are kept apart for.
    pub(super) fn loop_taps(&self) -> usize {
        if self.rows == Rows::Patches {
            1
        } else {
            self.conv.taps()
        }
    }

    pub(super) fn sums_len(&self) -> usize {
        self.loop_taps() * self.depth() * self.panel
    }

    /// The group of a unit, its first input and its first output channel there.
    pub(super) fn place(&self, unit: usize) -> (usize, usize, usize) {
        let (panel, rest) = (unit % self.panels, unit / self.panels);
        let (block, group) = (rest % self.blocks, rest / self.blocks);
        (group, block * self.block, panel * self.panel)
    }
}
