//! Between channels-first and channels-last images.

use crate::Image;
use crate::output::written;
use crate::threads::{Shared, for_each};

/// `[n, c, h, w]` to `[n, h, w, c]`.
///
/// # Panics
/// When `x` does not have that many elements.
#[must_use]
pub fn to_channels_last(x: &[f32], image: Image) -> Vec<f32> {
    check(x, image);
    transposed(x, image.n, image.c, image.h * image.w)
}

/// `[n, h, w, c]` to `[n, c, h, w]`.
///
/// # Panics
/// When `x` does not have that many elements.
#[must_use]
pub fn to_channels_first(x: &[f32], image: Image) -> Vec<f32> {
    check(x, image);
    transposed(x, image.n, image.h * image.w, image.c)
}

fn check(x: &[f32], image: Image) {
    assert_eq!(x.len(), image.len(), "layout: {image:?}");
}

/// `[n, rows, columns]` to `[n, columns, rows]`.
fn transposed(x: &[f32], n: usize, rows: usize, columns: usize) -> Vec<f32> {
    /// Side of the squares that are transposed at a time: 16 lines of 64 bytes.
    const SIDE: usize = 16;
    if rows == 1 || columns == 1 {
        return x.to_vec();
    }
    let bands = columns.div_ceil(SIDE);
    // SAFETY: the bands cover the columns of every matrix.
    unsafe {
        written(x.len(), |to: *mut f32| {
            let shared = Shared::at(to);
            let work = |index: usize| {
                let (matrix, band) = (index / bands, index % bands);
                let x = &x[matrix * rows * columns..(matrix + 1) * rows * columns];
                let first = band * SIDE;
                let width = SIDE.min(columns - first);
                // SAFETY: each band is written by one piece of work.
                let to = shared.part((matrix * columns + first) * rows, width * rows);
                for row in (0..rows).step_by(SIDE) {
                    let height = SIDE.min(rows - row);
                    for column in 0..width {
                        let to = &mut to[column * rows + row..column * rows + row + height];
                        for (place, value) in to.iter_mut().enumerate() {
                            *value = x[(row + place) * columns + first + column];
                        }
                    }
                }
            };
            if x.len() < 16384 {
                (0..n * bands).for_each(work);
            } else {
                for_each(n * bands, work);
            }
        })
    }
}
