//! Rows of 8-bit RGB pixels, mirrored.

use crate::wide;

/// Five pixels in reverse order; the byte before them comes last.
#[rustfmt::skip]
#[inline(always)]
fn reversed([before, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o]: [u8; 16]) -> [u8; 16] {
    [m, n, o, j, k, l, g, h, i, d, e, f, a, b, c, before]
}

/// The pixels of each row of so many pixels from right to left.
///
/// ```
/// use firebrick_kernels::mirror::mirrored_rows;
/// assert_eq!(mirrored_rows(&[1, 2, 3, 4, 5, 6], 2), [4, 5, 6, 1, 2, 3]);
/// ```
///
/// # Panics
/// When the rows are not whole, or have no pixels.
#[must_use]
pub fn mirrored_rows(pixels: &[u8], width: usize) -> Vec<u8> {
    let length = 3 * width;
    assert!(
        length > 0 && pixels.len().is_multiple_of(length),
        "mirror: rows of {width} pixels"
    );
    mirrored(pixels, length)
}

wide! {
    fn mirrored(pixels: &[u8], length: usize) -> Vec<u8> {
        let mut all = Vec::with_capacity(pixels.len());
        let to: *mut u8 = all.as_mut_ptr();
        for (first, row) in (0..).step_by(length).zip(pixels.chunks_exact(length)) {
            let from = row.as_ptr();
            let (mut done, mut left) = (0, length);
            // SAFETY: `done` and `left` are whole pixels and sum to the length of a row. The byte that is written behind five
            // pixels belongs to the next one, which is written later.
            unsafe {
                let to = to.add(first);
                while left > 15 {
                    let five = from.add(left - 16).cast::<[u8; 16]>().read_unaligned();
                    to.add(done).cast::<[u8; 16]>().write_unaligned(reversed(five));
                    (done, left) = (done + 15, left - 15);
                }
                while left > 0 {
                    let pixel = from.add(left - 3).cast::<[u8; 3]>().read_unaligned();
                    to.add(done).cast::<[u8; 3]>().write_unaligned(pixel);
                    (done, left) = (done + 3, left - 3);
                }
            }
        }
        // SAFETY: every row has been written.
        unsafe { all.set_len(pixels.len()) };
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_any_length_are_mirrored() {
        for width in 1..60 {
            let pixels: Vec<u8> = (0..3 * 3 * width).map(|at| (at * 31 % 251) as u8).collect();
            let found = mirrored_rows(&pixels, width);
            for (row, expected) in found
                .chunks_exact(3 * width)
                .zip(pixels.chunks_exact(3 * width))
            {
                assert!(
                    row.iter().eq(expected.chunks_exact(3).rev().flatten()),
                    "{width}"
                );
            }
        }
    }
}
