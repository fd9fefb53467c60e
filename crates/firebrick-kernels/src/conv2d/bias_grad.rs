//! The gradient of the bias.

use crate::scratch;
use crate::simd::{Simd, Task, Vectors};
use crate::threads::{Shared, for_each};

/// The gradient of the loss by the bias: the sum over all pixels, `[channels]`.
///
/// # Panics
/// When `dy` is not a whole number of pixels.
#[must_use]
pub fn bias_grad(dy: &[f32], channels: usize) -> Vec<f32> {
    let len = dy.len();
    assert!(
        channels > 0 && len.is_multiple_of(channels),
        "convolution: a gradient of {len} elements in pixels of {channels} channels"
    );
    let vectors = Vectors::in_use();
    let rows = dy.len() / channels;
    // A fixed cut, so that the sum does not depend on the number of threads.
    let rows_each = rows.div_ceil(64).max(8192 / channels.min(8192));
    let parts = rows.div_ceil(rows_each).max(1);
    scratch::with(parts * channels, |partial| {
        let shared = Shared::new(partial);
        for_each(parts, |part| {
            // SAFETY: the parts do not overlap.
            let sums = unsafe { shared.part(part * channels, channels) };
            let (from, to) = (part * rows_each, rows.min((part + 1) * rows_each));
            vectors.dispatch(SumRows {
                rows: &dy[from * channels..to * channels],
                sums,
            });
        });
        let mut total = vec![0.0; channels];
        for part in partial.chunks_exact(channels) {
            total
                .iter_mut()
                .zip(part)
                .for_each(|(sum, term)| *sum += term);
        }
        total
    })
}

/// Adds up rows, several at a time.
struct SumRows<'a> {
    rows: &'a [f32],
    sums: &'a mut [f32],
}

impl Task for SumRows<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let channels = self.sums.len();
        self.sums.fill(0.0);
        for channel in (0..channels).step_by(4 * S::LANES) {
            let width = (channels - channel).min(4 * S::LANES);
            // SAFETY: all accesses lie in the columns `channel..channel + width` of the rows.
            unsafe {
                let mut sums = [S::splat(0.0); 4];
                for row in self.rows.chunks_exact(channels) {
                    let row = row.as_ptr().add(channel);
                    if width == 4 * S::LANES {
                        for (vector, sum) in sums.iter_mut().enumerate() {
                            *sum = S::add(*sum, S::load(row.add(vector * S::LANES)));
                        }
                    } else {
                        for (vector, sum) in sums.iter_mut().enumerate() {
                            let count = width.saturating_sub(vector * S::LANES).min(S::LANES);
                            if count > 0 {
                                let term = S::load_first(row.add(vector * S::LANES), count);
                                *sum = S::add(*sum, term);
                            }
                        }
                    }
                }
                for (vector, sum) in sums.iter().enumerate() {
                    let count = width.saturating_sub(vector * S::LANES).min(S::LANES);
                    if count > 0 {
                        let to = self.sums.as_mut_ptr().add(channel + vector * S::LANES);
                        S::store_first(to, *sum, count);
                    }
                }
            }
        }
    }
}
