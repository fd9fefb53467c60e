//! A factor for each channel: of each image, as squeeze-and-excite has it, or of all images, as layer scale has it.
//!
//! Sources: Hu, Shen and Sun, "Squeeze-and-Excitation Networks", CVPR 2018; Touvron et al., "Going deeper with Image
//! Transformers", ICCV 2021.
//!
//! ```text
//! y = x · factor + residual?        dx = dy · factor,  dfactor = Σ dy · x over the pixels that it multiplies
//! ```
//!
//! Both gradients come from one pass over `x` and `dy`. The pixels are cut into chunks of a fixed size, whose sums are
//! combined in order in f64.

use std::ops::Range;

use crate::Image;
use crate::elementwise::flat::{Part, Step, parts_of, soon, walk_lines};
use crate::lines::Lines;
use crate::output::written;
use crate::scratch;
use crate::simd::{Simd, Task, Vectors};
use crate::threads::Shared;

/// `x · factor + residual?`.
///
/// # Shapes
/// `x` and the residual as `image`; the factors `[n, c]`, or `[c]` for all images.
///
/// # Panics
/// When a slice does not have that shape.
#[must_use]
pub fn forward(x: &[f32], image: Image, factors: &[f32], residual: Option<&[f32]>) -> Vec<f32> {
    assert_eq!(x.len(), image.len(), "channel scale: x of {image:?}");
    if let Some(residual) = residual {
        assert_eq!(residual.len(), x.len(), "channel scale: a residual like x");
    }
    if x.is_empty() {
        return Vec::new();
    }
    let cut = Cut::new(image, factors);
    // SAFETY: the chunks cover all elements.
    unsafe {
        written(x.len(), |to: *mut f32| {
            let to = Shared::at(to);
            cut.each(|_, own, range| {
                let factors = cut.lines.expanded(&factors[own]);
                let task = Scale {
                    x: &x[range.clone()],
                    residual: residual.map_or(&[], |residual| &residual[range.clone()]),
                    factors: &factors,
                    line: cut.lines.line,
                    // SAFETY: the chunks are disjoint and lie in the result.
                    to: to.pointer().add(range.start),
                };
                if residual.is_some() {
                    cut.lines.vectors.dispatch(Plus::<true>(task));
                } else {
                    cut.lines.vectors.dispatch(Plus::<false>(task));
                }
            });
        })
    }
}

/// The gradients of `x` and of the factors; that of a residual is `dy` itself.
///
/// # Shapes
/// As [`forward`]; the results as `image` and as the factors.
///
/// # Panics
/// When a slice does not have that shape.
#[must_use]
pub fn backward(x: &[f32], image: Image, factors: &[f32], dy: &[f32]) -> (Vec<f32>, Vec<f32>) {
    assert_eq!(x.len(), image.len(), "channel scale: x of {image:?}");
    assert_eq!(dy.len(), x.len(), "channel scale: dy like x");
    if x.is_empty() {
        return (Vec::new(), vec![0.0; factors.len()]);
    }
    let cut = Cut::new(image, factors);
    let (lines, c) = (cut.lines, image.c);
    let mut sums = vec![0.0; factors.len()];
    // SAFETY: the chunks cover all elements.
    let dx = unsafe {
        written(x.len(), |to: *mut f32| {
            let to = Shared::at(to);
            scratch::with(cut.count() * c, |chunks| {
                let shared = Shared::new(chunks);
                cut.each(|index, own, range| {
                    let factors = lines.expanded(&factors[own]);
                    scratch::with(lines.padded, |sum| {
                        sum.fill(0.0);
                        lines.vectors.dispatch(Gradients {
                            x: &x[range.clone()],
                            dy: &dy[range.clone()],
                            factors: &factors,
                            line: lines.line,
                            sum: sum.as_mut_ptr(),
                            // SAFETY: the chunks are disjoint and lie in the result.
                            to: to.pointer().add(range.start),
                        });
                        lines.fold(sum);
                        // SAFETY: every chunk has its own part of the buffer.
                        let to = shared.part(index * c, c);
                        to.copy_from_slice(&sum[..c]);
                    });
                });
                let chunks_of_one = chunks.chunks_exact(cut.chunks * c);
                for (sums, chunks) in sums.chunks_exact_mut(c).zip(chunks_of_one) {
                    for (channel, sum) in sums.iter_mut().enumerate() {
                        let own = chunks.iter().skip(channel).step_by(c);
                        *sum = own.map(|value| f64::from(*value)).sum::<f64>() as f32;
                    }
                }
            });
        })
    };
    (dx, sums)
}

/// How the pixels are cut into chunks, each of which has the same factors.
struct Cut {
    lines: Lines,
    /// Images with factors of their own.
    images: usize,
    /// Elements of each.
    size: usize,
    /// Chunks of each.
    chunks: usize,
}

impl Cut {
    fn new(image: Image, factors: &[f32]) -> Self {
        let Image { n, c, .. } = image;
        assert!(
            factors.len() == n * c || factors.len() == c,
            "channel scale: a factor for each channel of {image:?}"
        );
        let lines = Lines::new(c, Vectors::in_use());
        let images = factors.len() / c;
        let size = image.len() / images;
        Self {
            lines,
            images,
            size,
            chunks: lines.chunks(size / c),
        }
    }

    fn count(&self) -> usize {
        self.images * self.chunks
    }

    /// Calls `work` with the number of each chunk, the range of its factors and that of its elements.
    fn each(&self, work: impl Fn(usize, Range<usize>, Range<usize>) + Sync) {
        let channels = self.lines.channels;
        let most = self.lines.rows * channels;
        parts_of(self.count(), 1, self.size.min(most), |part| {
            for index in part {
                let (image, chunk) = (index / self.chunks, index % self.chunks);
                let start = image * self.size + chunk * most;
                let end = (start + most).min((image + 1) * self.size);
                work(index, image * channels..(image + 1) * channels, start..end);
            }
        });
    }
}

/// A chunk. `factors` holds a line, `to` has room for all of `x`, and `residual` is as long as `x` where it is used.
struct Scale<'a> {
    x: &'a [f32],
    residual: &'a [f32],
    factors: &'a [f32],
    line: usize,
    to: *mut f32,
}

struct Plus<'a, const RESIDUAL: bool>(Scale<'a>);

impl<const RESIDUAL: bool> Task for Plus<'_, RESIDUAL> {
    type Output = ();
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        // SAFETY: every line lies inside `x`.
        unsafe { walk_lines::<S, Self>(&self, self.0.x.len(), self.0.line) }
    }
}

impl<const RESIDUAL: bool> Step for Plus<'_, RESIDUAL> {
    #[inline(always)]
    unsafe fn step<S: Simd, P: Part>(&self, at: usize, column: usize, part: P) {
        let task = &self.0;
        // SAFETY: as of the trait; the factors hold whole vectors of a line.
        unsafe {
            let factor = S::load(task.factors.as_ptr().add(column));
            let x = task.x.as_ptr().add(at);
            soon(x);
            let mut y = S::mul(part.load::<S>(x), factor);
            if RESIDUAL {
                let residual = task.residual.as_ptr().add(at);
                soon(residual);
                y = S::add(y, part.load::<S>(residual));
            }
            part.store::<S>(task.to.add(at), y);
        }
    }
}

/// The gradients of a chunk; `sum` and `factors` hold a line of whole vectors, and `to` has room for all of `x`.
struct Gradients<'a> {
    x: &'a [f32],
    dy: &'a [f32],
    factors: &'a [f32],
    line: usize,
    sum: *mut f32,
    to: *mut f32,
}

impl Task for Gradients<'_> {
    type Output = ();
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        // SAFETY: every line lies inside `x`.
        unsafe { walk_lines::<S, Self>(&self, self.x.len(), self.line) }
    }
}

impl Step for Gradients<'_> {
    #[inline(always)]
    unsafe fn step<S: Simd, P: Part>(&self, at: usize, column: usize, part: P) {
        // SAFETY: as of the trait; the lines hold whole vectors. Lanes that `part` leaves out are zero in both slices.
        unsafe {
            let factor = S::load(self.factors.as_ptr().add(column));
            let (x, dy) = (self.x.as_ptr().add(at), self.dy.as_ptr().add(at));
            soon(x);
            soon(dy);
            let (x, dy) = (part.load::<S>(x), part.load::<S>(dy));
            part.store::<S>(self.to.add(at), S::mul(dy, factor));
            let sum = self.sum.add(column);
            S::store(sum, S::fma(dy, x, S::load(sum)));
        }
    }
}
