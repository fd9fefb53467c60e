//! Copies of what each pixel of the output sees.

use std::ops::Range;

use super::plan::Plan;
use crate::Image;
use crate::simd::{Simd, Task};

/// Copies what each pixel of the output sees, `[tap][channel]`.
pub(super) struct Patches<'a> {
    pub(super) plan: &'a Plan<'a>,
    pub(super) images: Range<usize>,
    pub(super) rows: Range<usize>,
    /// A patch of `depth` elements for each pixel, and a vector more.
    pub(super) copy: &'a mut [f32],
}

impl Task for Patches<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(mut self) {
        let (conv, columns) = (self.plan.conv, self.plan.output.w);
        // Without gaps between them, the neighbours of a pixel lie side by side: then the columns in the
        // middle, which see no padding, are copied in whole vectors.
        let inner = if conv.dilation[1] == 1 {
            self.inner()
        } else {
            0..0
        };
        let run = (conv.kernel[1] * conv.input.c).div_ceil(S::LANES);
        let mut starts = Vec::with_capacity(conv.kernel[0]);
        let mut patch = 0;
        for image in self.images.clone() {
            for row in self.rows.clone() {
                self.starts(image, row, &mut starts);
                self.edge(&starts, 0..inner.start, patch);
                // SAFETY: as of this function.
                unsafe {
                    match run {
                        1 => self.middle::<S, 1>(&starts, inner.clone(), patch),
                        2 => self.middle::<S, 2>(&starts, inner.clone(), patch),
                        _ => self.middle::<S, 0>(&starts, inner.clone(), patch),
                    }
                }
                self.edge(&starts, inner.end..columns, patch);
                patch += columns * self.plan.depth();
            }
        }
    }
}

impl Patches<'_> {
    /// The columns of the output that see no padding to the left or to the right.
    fn inner(&self) -> Range<usize> {
        let conv = self.plan.conv;
        let (stride, left, columns) = (conv.stride[1], conv.padding[1].0, self.plan.output.w);
        let last = (conv.input.w + left).checked_sub(conv.kernel[1]);
        let first = left.div_ceil(stride).min(columns);
        first..last.map_or(first, |last| (last / stride + 1).clamp(first, columns))
    }

    /// Where the rows of the input begin that the rows of taps see, for those that are inside.
    fn starts(&self, image: usize, row: usize, starts: &mut Vec<Option<usize>>) {
        let conv = self.plan.conv;
        let Image { h, w, c, .. } = conv.input;
        starts.clear();
        starts.extend((0..conv.kernel[0]).map(|ky| {
            let y = row * conv.stride[0] + ky * conv.dilation[0];
            let y = y.checked_sub(conv.padding[0].0).filter(|y| *y < h);
            y.map(|y| (image * h + y) * w * c)
        }));
    }

    /// Some columns of a row, pixel by pixel; `patch` is where the row's patches begin.
    fn edge(&mut self, starts: &[Option<usize>], columns: Range<usize>, patch: usize) {
        let (conv, depth) = (self.plan.conv, self.plan.depth());
        let Image { w, c, .. } = conv.input;
        for column in columns {
            let patch = &mut self.copy[patch + column * depth..][..depth];
            patch.fill(0.0);
            for (ky, start) in starts.iter().enumerate() {
                for kx in 0..conv.kernel[1] {
                    let x = (column * conv.stride[1] + kx * conv.dilation[1])
                        .checked_sub(conv.padding[1].0)
                        .filter(|x| *x < w);
                    if let (Some(start), Some(x)) = (start, x) {
                        let to = (ky * conv.kernel[1] + kx) * c;
                        let from = start + x * c;
                        patch[to..to + c].copy_from_slice(&self.plan.x[from..from + c]);
                    }
                }
            }
        }
    }

    /// Columns that see no padding beside them: `V` vectors for each row of taps, or as many as it needs
    /// where `V` is 0. What is copied too far is written again by what follows, or nobody looks at it.
    ///
    /// # Safety
    /// The processor has `S`.
    #[inline(always)]
    unsafe fn middle<S: Simd, const V: usize>(
        &mut self,
        starts: &[Option<usize>],
        columns: Range<usize>,
        patch: usize,
    ) {
        let (conv, depth, x) = (self.plan.conv, self.plan.depth(), self.plan.x);
        let c = conv.input.c;
        let run = conv.kernel[1] * c;
        let vectors = if V > 0 { V } else { run.div_ceil(S::LANES) };
        let len = vectors * S::LANES;
        for column in columns {
            let left = (column * conv.stride[1] - conv.padding[1].0) * c;
            let patch = patch + column * depth;
            for (ky, start) in starts.iter().enumerate() {
                let to = patch + ky * run;
                let Some(start) = start else {
                    self.copy[to..to + run].fill(0.0);
                    continue;
                };
                let from = start + left;
                if from + len <= x.len() && to + len <= self.copy.len() {
                    let (from, to) = (x[from..].as_ptr(), self.copy[to..].as_mut_ptr());
                    for at in (0..len).step_by(S::LANES) {
                        // SAFETY: both have `len` elements from there on.
                        unsafe { S::store(to.add(at), S::load(from.add(at))) };
                    }
                } else {
                    self.copy[to..to + run].copy_from_slice(&x[from..from + run]);
                }
            }
        }
    }
}
