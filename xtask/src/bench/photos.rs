//! The made-up photos of `cargo xtask bench augment`.

use std::path::{Path, PathBuf};

/// Side of the photos.
pub(super) const SIDE: usize = 256;
/// Photos that one repetition changes.
pub(super) const PHOTOS: usize = 16;

/// The photos as JPEGs, as a data set with one class.
pub(super) fn dataset(folder: &Path) -> PathBuf {
    folder.join("photos")
}

/// The folder of the photos as JPEGs.
pub(super) fn jpegs(folder: &Path) -> PathBuf {
    dataset(folder).join("made-up")
}
