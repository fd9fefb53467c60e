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
    unsafe fn run<S: Simd>(self) {
        let conv = self.plan.conv;
        let Image { h, w, c, .. } = conv.input;
        let [kernel_h, kernel_w] = conv.kernel;
        let depth = self.plan.depth();
        // Neighbours of a pixel lie side by side, unless there are gaps between them.
        let joined = if conv.dilation[1] == 1 { kernel_w } else { 1 };
        let x_end = self.plan.x.as_ptr_range().end;
        let mut patch = self.copy.as_mut_ptr();
        for image in self.images {
            for row in self.rows.clone() {
                for column in 0..self.plan.output.w {
                    let left = (column * conv.stride[1]) as isize - conv.padding[1].0 as isize;
                    for ky in 0..kernel_h {
                        let y = (row * conv.stride[0] + ky * conv.dilation[0])
                            .wrapping_sub(conv.padding[0].0);
                        for kx in (0..kernel_w).step_by(joined) {
                            let x = left + (kx * conv.dilation[1]) as isize;
                            let skip = (-x).clamp(0, joined as isize) as usize;
                            let inside = (w as isize - x).clamp(0, joined as isize) as usize;
                            // SAFETY: the copy has a patch of `depth` for each pixel and a vector
                            // more: what is written too far is written again by what follows.
                            unsafe {
                                let to = patch.add((ky * kernel_w + kx) * c);
                                if y >= h || (skip, inside) != (0, joined) {
                                    std::slice::from_raw_parts_mut(to, joined * c).fill(0.0);
                                }
                                if y < h && skip < inside {
                                    let from = (image * h + y) * w + (x + skip as isize) as usize;
                                    let from = self.plan.x.as_ptr().add(from * c);
                                    let len = (inside - skip) * c;
                                    let whole = inside == joined
                                        && x_end.offset_from(from) as usize >= len + S::LANES;
                                    copy_run::<S>(from, to.add(skip * c), len, whole);
                                }
                            }
                        }
                    }
                    // SAFETY: as above.
                    unsafe {
                        for place in conv.taps() * c..depth {
                            *patch.add(place) = 0.0;
                        }
                        patch = patch.add(depth);
                    }
                }
            }
        }
    }
}

/// Copies `len` elements; with `over`, in whole vectors, the last of which may go too far.
///
/// # Safety
/// Both sides have `len` elements, with `over` a vector more.
#[inline(always)]
unsafe fn copy_run<S: Simd>(from: *const f32, to: *mut f32, len: usize, over: bool) {
    for at in (0..len).step_by(S::LANES) {
        // SAFETY: as of this function.
        unsafe {
            if over {
                S::store(to.add(at), S::load(from.add(at)));
            } else {
                let count = (len - at).min(S::LANES);
                S::store_first(to.add(at), S::load_first(from.add(at), count), count);
            }
        }
    }
}
