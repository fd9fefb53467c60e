//! Every n-th pixel, with channels of zeros around: the residual networks' shortcut without
//! weights.

use rayon::prelude::*;

use crate::Image;

/// What is taken: the pixels of every `stride`th row and column, from the first on, and how many
/// channels of zeros come `before` and `after` theirs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subsample {
    /// Distance between pixels, at least 1.
    pub stride: usize,
    /// Channels of zeros in front.
    pub before: usize,
    /// Channels of zeros behind.
    pub after: usize,
}

impl Subsample {
    /// What becomes of images of this shape.
    ///
    /// # Panics
    /// When the stride is 0.
    #[must_use]
    pub fn output(&self, input: Image) -> Image {
        assert!(self.stride > 0, "subsample: a stride of 1 or more");
        Image {
            n: input.n,
            h: input.h.div_ceil(self.stride),
            w: input.w.div_ceil(self.stride),
            c: self.before + input.c + self.after,
        }
    }
}

/// The subsampled images.
///
/// # Panics
/// When `x` has not the length of `image`.
#[must_use]
pub fn forward(x: &[f32], image: Image, subsample: Subsample) -> Vec<f32> {
    assert_eq!(x.len(), image.len(), "subsample: input");
    let output = subsample.output(image);
    let mut y = vec![0.0; output.len()];
    if y.is_empty() {
        return y;
    }
    let (from, to) = (image.w * image.c, output.w * output.c);
    y.par_chunks_exact_mut(to)
        .enumerate()
        .for_each(|(row, to)| {
            let (n, row) = (row / output.h, row % output.h);
            let from = &x[(n * image.h + row * subsample.stride) * from..][..from];
            let from = from.chunks_exact(image.c).step_by(subsample.stride);
            for (to, from) in to.chunks_exact_mut(output.c).zip(from) {
                to[subsample.before..][..image.c].copy_from_slice(from);
            }
        });
    y
}

/// The gradient of the input of [`forward`], of shape `image`.
///
/// # Panics
/// When `dy` has not the length of the output.
#[must_use]
pub fn grad(dy: &[f32], image: Image, subsample: Subsample) -> Vec<f32> {
    let output = subsample.output(image);
    assert_eq!(dy.len(), output.len(), "subsample: gradient");
    let mut dx = vec![0.0; image.len()];
    if dx.is_empty() {
        return dx;
    }
    let (to, from) = (image.w * image.c, output.w * output.c);
    dx.par_chunks_exact_mut(to)
        .enumerate()
        .for_each(|(row, to)| {
            let (n, row) = (row / image.h, row % image.h);
            if !row.is_multiple_of(subsample.stride) {
                return;
            }
            let from = &dy[(n * output.h + row / subsample.stride) * from..][..from];
            let to = to.chunks_exact_mut(image.c).step_by(subsample.stride);
            for (to, from) in to.zip(from.chunks_exact(output.c)) {
                to.copy_from_slice(&from[subsample.before..][..image.c]);
            }
        });
    dx
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_every_second_pixel_and_pads_channels() {
        let image = Image {
            n: 1,
            h: 3,
            w: 2,
            c: 1,
        };
        let subsample = Subsample {
            stride: 2,
            before: 1,
            after: 2,
        };
        let y = forward(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], image, subsample);
        assert_eq!(y, [0.0, 1.0, 0.0, 0.0, 0.0, 5.0, 0.0, 0.0]);
        let dx = grad(&[9.0, 1.0, 9.0, 9.0, 9.0, 2.0, 9.0, 9.0], image, subsample);
        assert_eq!(dx, [1.0, 0.0, 0.0, 0.0, 2.0, 0.0]);
    }
}
