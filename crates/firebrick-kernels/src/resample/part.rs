//! Which pixels are resampled.

/// The channels of a pixel.
pub(super) const CHANNELS: usize = 3;

/// A part of an image of RGB pixels.
#[derive(Debug, Clone, Copy)]
pub struct Part<'a> {
    /// The pixels of the whole image, row by row.
    pub pixels: &'a [u8],
    /// Columns of the whole image.
    pub width: usize,
    /// The first column and row of the part.
    pub first: [usize; 2],
    /// The columns and rows of the part.
    pub size: [usize; 2],
}

impl Part<'_> {
    pub(super) fn check(&self) {
        let ([left, top], [columns, rows]) = (self.first, self.size);
        let fits = |end: usize| end <= self.width;
        let values = |end: usize| end.checked_mul(self.width)?.checked_mul(CHANNELS);
        let inside = left.checked_add(columns).is_some_and(fits)
            && (top.checked_add(rows).and_then(values))
                .is_some_and(|values| values <= self.pixels.len());
        assert!(inside, "resample: the part is inside the image");
    }

    /// Values from one row to the next.
    #[cfg(target_arch = "x86_64")]
    fn stride(&self) -> usize {
        self.width * CHANNELS
    }

    /// The place of the first value of a row.
    #[cfg(target_arch = "x86_64")]
    pub(super) fn row(&self, row: usize) -> usize {
        (self.first[1] + row) * self.stride() + self.first[0] * CHANNELS
    }
}
