//! The shape of images in memory.

/// The shape of a batch of images in memory: `[n, h, w, c]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Image {
    /// Images.
    pub n: usize,
    /// Rows.
    pub h: usize,
    /// Columns.
    pub w: usize,
    /// Channels.
    pub c: usize,
}

impl Image {
    /// Elements.
    ///
    /// # Panics
    /// When no memory can hold so many, or when it could not if each side were at least 1: so no product
    /// of some of the sides overflows either.
    #[must_use]
    pub fn len(&self) -> usize {
        let Self { n, h, w, c } = *self;
        self.checked_len().unwrap_or_else(|| {
            panic!("no memory holds {n} images of {h} x {w} pixels with {c} channels")
        })
    }

    /// [`Self::len`]; none where that panics.
    pub(crate) fn checked_len(&self) -> Option<usize> {
        let sides = [self.n, self.h, self.w, self.c];
        let most = isize::MAX as usize / size_of::<f32>();
        let room = |len: usize, side: &usize| len.checked_mul((*side).max(1));
        let fits = sides.iter().try_fold(1, room)? <= most;
        fits.then(|| sides.iter().product())
    }

    /// Whether there are no elements.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
