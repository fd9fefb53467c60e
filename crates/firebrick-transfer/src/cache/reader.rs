//! Reading features, also while they are being written.

use std::fs::File;
use std::path::{Path, PathBuf};

use firebrick_types::error::{excerpt, nearest};
use firebrick_types::positioned::read_exact_at;

use super::rows::Rows;
use super::{Found, Key};
use crate::error::TransferError;
use crate::features::Features;

/// A file of features, open for reading.
#[derive(Debug)]
pub struct CacheReader {
    path: PathBuf,
    file: File,
    key: Key,
    rows: Rows,
    found: Found,
}

impl CacheReader {
    /// Opens a file of features.
    ///
    /// # Errors
    /// [`TransferError`] naming the file: it cannot be read, is no file of features, or its beginning is damaged.
    pub fn open(path: &Path) -> Result<Self, TransferError> {
        let file = File::open(path).map_err(|error| TransferError::io(path, error))?;
        let (key, start) = Key::read(path, &file)?;
        let mut reader = Self {
            path: path.into(),
            file,
            key,
            rows: Rows::from(start),
            found: Found::default(),
        };
        reader.refresh()?;
        Ok(reader)
    }

    /// Opens a file of the features that are wanted.
    ///
    /// # Errors
    /// As [`Self::open`], and where the features are of other weights, preprocessing, data or stages.
    pub fn open_of(path: &Path, wanted: &Key) -> Result<Self, TransferError> {
        let reader = Self::open(path)?;
        reader.key.check(path, wanted)?;
        Ok(reader)
    }

    /// Looks for rows that were written meanwhile.
    ///
    /// # Errors
    /// [`TransferError::Io`].
    pub fn refresh(&mut self) -> Result<Found, TransferError> {
        self.found = self.rows.scan(&self.path, &self.file, &self.key)?;
        Ok(self.found)
    }

    /// What the features are of.
    #[must_use]
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// What was found in the file.
    #[must_use]
    pub fn found(&self) -> Found {
        self.found
    }

    /// Whether every view of every image is there.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.found.rows == self.key.images * self.key.views.len()
    }

    /// The features of one stage, of some of the views: those that are there, in the order of images and, within an image,
    /// of views.
    ///
    /// # Errors
    /// [`TransferError`] for a stage or a view that does not exist, for no row at all, and where the file cannot be read.
    pub fn features(&self, stage: &str, views: &[usize]) -> Result<Features, TransferError> {
        let mut before = 0;
        let mut width = None;
        for found in &self.key.stages {
            if found.name == stage {
                width = Some(found.width);
                break;
            }
            before += found.width;
        }
        let Some(width) = width else {
            let names = self.key.stages.iter().map(|stage| stage.name.as_str());
            let near = nearest(stage, names).map_or(String::new(), |name| {
                format!(" (did you mean `{}`?)", excerpt(&name))
            });
            return Err(TransferError::cache(
                &self.path,
                format!(
                    "there is no stage `{}`{near}; its stages: {}",
                    excerpt(stage),
                    self.key.stage_names()
                ),
            ));
        };
        if let Some(view) = views.iter().find(|view| **view >= self.key.views.len()) {
            return Err(TransferError::cache(
                &self.path,
                format!(
                    "there is no view {view}: it has {} views, which count from 0",
                    self.key.views.len()
                ),
            ));
        }
        let wanted = |view: u32| views.contains(&(view as usize));
        let rows: Vec<_> = self
            .rows
            .places
            .iter()
            .filter(|((_, view), _)| wanted(*view))
            .collect();
        if rows.is_empty() {
            return Err(TransferError::cache(
                &self.path,
                "there are no features in this file yet: wait until some are computed",
            ));
        }
        let mut values = Vec::with_capacity(rows.len() * width);
        let mut bytes = vec![0; 4 * width];
        for (_, place) in &rows {
            read_exact_at(&self.file, &mut bytes, place.at + 4 * before as u64)
                .map_err(|error| TransferError::io(&self.path, error))?;
            let (numbers, _) = bytes.as_chunks();
            values.extend(numbers.iter().map(|number| f32::from_le_bytes(*number)));
        }
        let labels = rows.iter().map(|(_, place)| place.label as usize).collect();
        let images = rows.iter().map(|((image, _), _)| *image as usize).collect();
        Features::new(values, width, labels, self.key.classes.clone())?.with_images(images)
    }
}
