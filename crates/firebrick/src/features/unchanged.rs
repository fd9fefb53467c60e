//! Whether the files of images are those whose fingerprint was taken.

use std::path::Path;
use std::time::SystemTime;

use firebrick_core::data::{DataError, Dataset};

/// The size and time of the file of each image; none for images that are no files.
pub(super) struct Files(Vec<Option<(u64, SystemTime)>>);

impl Files {
    /// As they are now: before the fingerprint is taken.
    pub(super) fn of(dataset: &dyn Dataset) -> Self {
        Self((0..dataset.len()).map(|at| state(dataset, at)).collect())
    }

    /// Refuses images whose file has changed since.
    pub(super) fn check(&self, dataset: &dyn Dataset, images: &[usize]) -> Result<(), DataError> {
        let changed = |image: &&usize| state(dataset, **image) != self.0[**image];
        match images.iter().find(changed) {
            None => Ok(()),
            Some(image) => Err(DataError::Invalid(format!(
                "{}: this image was changed while its features were being computed: run the command again when nothing changes the images any more",
                dataset.describe(*image)
            ))),
        }
    }
}

fn state(dataset: &dyn Dataset, image: usize) -> Option<(u64, SystemTime)> {
    let file = std::fs::metadata(Path::new(&dataset.describe(image))).ok()?;
    Some((file.len(), file.modified().ok()?))
}
