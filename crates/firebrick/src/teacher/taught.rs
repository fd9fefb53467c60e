//! Training batches with what a teacher says of their images.

use firebrick_core::Classifier;
use firebrick_core::data::{Batch, BatchSource, DataError};
use firebrick_datasets::Loader;

use super::Teacher;

/// The batches of a loader, with what the teacher says of them if there is one. As the loader's, they are a function of
/// the seed and the epoch alone.
pub(crate) struct Taught<'a, M> {
    pub(crate) images: &'a mut Loader,
    pub(crate) teacher: Option<&'a Teacher<M>>,
}

impl<M: Classifier> BatchSource for Taught<'_, M> {
    fn samples(&self) -> usize {
        self.images.samples()
    }

    fn batches(&self) -> usize {
        self.images.batches()
    }

    fn start(&mut self, epoch: u64, batch: usize) {
        self.images.start(epoch, batch);
    }

    fn next_batch(&mut self) -> Option<Result<Batch, DataError>> {
        let batch = self.images.next_batch()?;
        Some(match self.teacher {
            Some(teacher) => batch.and_then(|batch| teacher.teach(batch)),
            None => batch,
        })
    }

    fn next_images(&mut self) -> Option<Result<Batch, DataError>> {
        self.images.next_batch()
    }

    fn classes(&self) -> &[String] {
        self.images.classes()
    }

    fn fingerprint(&self) -> String {
        self.images.fingerprint()
    }

    fn skipped(&self) -> Vec<String> {
        self.images.skipped()
    }
}
