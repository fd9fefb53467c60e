//! The made-up photos of `cargo xtask bench augment` and `cargo xtask bench transfer`.

use std::path::{Path, PathBuf};

/// So many square photos of one size.
#[derive(Debug, Clone, Copy)]
pub(super) struct Photos {
    /// Of a photo, in pixels.
    pub(super) side: usize,
    pub(super) count: usize,
}

/// Side of the photos that are changed.
pub(super) const SIDE: usize = 256;
/// Photos that one repetition changes.
pub(super) const PHOTOS: usize = 16;
/// The photos that are changed.
pub(super) const AUGMENTED: Photos = Photos {
    side: SIDE,
    count: PHOTOS,
};
/// The photos whose features are taken: as large as those that people make smaller to keep.
pub(super) const FROZEN: Photos = Photos {
    side: 512,
    count: 64,
};

/// The photos as JPEGs, as a data set with one class.
pub(super) fn dataset(folder: &Path, photos: Photos) -> PathBuf {
    folder.join(format!("photos-{}", photos.side))
}

/// The folder of the photos as JPEGs.
pub(super) fn jpegs(folder: &Path, photos: Photos) -> PathBuf {
    dataset(folder, photos).join("made-up")
}
