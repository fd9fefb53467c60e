//! Which source pixels a result pixel sums over.

use super::geometry::Conv2d;

/// One source pixel that a result pixel sums over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tap {
    /// Row and column of the source, relative to the result's pixel times the step.
    pub(super) y: isize,
    pub(super) x: isize,
    /// The offset of this tap in a kernel of the weight.
    pub(super) weight: usize,
}

/// The taps of a forward pass, in source order.
pub(super) fn forward_taps(conv: &Conv2d) -> Vec<Tap> {
    let mut taps = Vec::with_capacity(conv.taps());
    for ky in 0..conv.kernel[0] {
        for kx in 0..conv.kernel[1] {
            taps.push(Tap {
                y: (ky * conv.dilation[0]) as isize - conv.padding[0].0 as isize,
                x: (kx * conv.dilation[1]) as isize - conv.padding[1].0 as isize,
                weight: ky * conv.kernel[1] + kx,
            });
        }
    }
    taps
}

/// The taps through which the input pixels that equal `origin` modulo the stride reach the output,
/// in source order.
pub(super) fn input_grad_taps(conv: &Conv2d, origin: [usize; 2]) -> Vec<Tap> {
    let along = |axis: usize| -> Vec<(isize, usize)> {
        let mut seen = Vec::new();
        for k in (0..conv.kernel[axis]).rev() {
            let reach =
                (origin[axis] + conv.padding[axis].0) as isize - (k * conv.dilation[axis]) as isize;
            let stride = conv.stride[axis] as isize;
            if reach.rem_euclid(stride) == 0 {
                seen.push((reach.div_euclid(stride), k));
            }
        }
        seen
    };
    let (rows, columns) = (along(0), along(1));
    let mut taps = Vec::with_capacity(rows.len() * columns.len());
    for (y, ky) in rows {
        for (x, kx) in &columns {
            taps.push(Tap {
                y,
                x: *x,
                weight: ky * conv.kernel[1] + kx,
            });
        }
    }
    taps
}
