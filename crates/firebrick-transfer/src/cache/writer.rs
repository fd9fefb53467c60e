//! Writing features, row by row.

use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::rows::{Rows, checksum};
use super::{BLOCK, Found, Key};
use crate::error::TransferError;

/// Which row is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// The image, from 0.
    pub image: usize,
    /// The augmentation view, from 0.
    pub view: usize,
    /// The class of the image.
    pub label: usize,
}

/// Writes a file of features, or goes on where another program was cut off. No other program can write it meanwhile;
/// others can read it.
#[derive(Debug)]
pub struct CacheWriter {
    path: PathBuf,
    file: File,
    key: Key,
    rows: Rows,
    /// Holds the file beside it for as long as this writes.
    _lock: File,
}

impl CacheWriter {
    /// Opens a file to write to, and makes it where there is none. A block at its end that is not whole is dropped.
    ///
    /// Beside it lies `.NAME.lock`, which keeps two programs from writing at once.
    ///
    /// # Errors
    /// [`TransferError`] naming the file: it cannot be written, another program writes to it, it is no file of features,
    /// or its features are of other weights, preprocessing or data.
    pub fn open(path: &Path, key: &Key) -> Result<(Self, Found), TransferError> {
        let io = |error| TransferError::io(path, error);
        let header = key.header(path)?;
        let lock = lock(path)?;
        if !path.exists() {
            let folder = match path.parent() {
                Some(parent) if !parent.as_os_str().is_empty() => parent,
                _ => Path::new("."),
            };
            // Under another name first: a file of this name has its whole header.
            let mut new = tempfile::NamedTempFile::new_in(folder).map_err(io)?;
            new.write_all(&header).map_err(io)?;
            new.as_file().sync_all().map_err(io)?;
            new.persist(path).map_err(|error| io(error.error))?;
        }
        let mut file = File::options()
            .read(true)
            .write(true)
            .open(path)
            .map_err(io)?;
        let (found_key, start) = Key::read(path, &file)?;
        found_key.check(path, key)?;
        let mut rows = Rows::from(start);
        let found = rows.scan(path, &file, &found_key)?;
        if found.torn_bytes > 0 {
            file.set_len(rows.end).map_err(io)?;
        }
        file.seek(SeekFrom::Start(rows.end)).map_err(io)?;
        let writer = Self {
            path: path.into(),
            file,
            key: found_key,
            rows,
            _lock: lock,
        };
        Ok((writer, found))
    }

    /// What the features are of: where the file was there already, it may have more stages than were asked for.
    #[must_use]
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// Whether a row is there.
    #[must_use]
    pub fn has(&self, image: usize, view: usize) -> bool {
        self.rows.places.contains_key(&(image as u32, view as u32))
    }

    /// The images of which a view is not there yet, in order.
    pub fn missing(&self, view: usize) -> impl Iterator<Item = usize> + '_ {
        (0..self.key.images).filter(move |image| !self.has(*image, view))
    }

    /// Writes the features of some rows, `[rows × features of all stages]`, as one block. They are there for others at
    /// once; [`Self::sync`] makes them outlast a power failure.
    ///
    /// # Errors
    /// [`TransferError`] for features that are not finite or of another shape, and where the file cannot be written; nothing
    /// is written then.
    pub fn append(&mut self, rows: &[Row], features: &[f32]) -> Result<(), TransferError> {
        let width = self.key.width();
        if rows.len().checked_mul(width) != Some(features.len()) || rows.len() > u32::MAX as usize {
            return Err(TransferError::Features(format!(
                "{} values are not {} rows of {width} features",
                features.len(),
                rows.len()
            )));
        }
        let Key {
            images,
            views,
            classes,
            ..
        } = &self.key;
        let within = |row: &&Row| {
            row.image >= *images || row.view >= views.len() || row.label >= classes.len()
        };
        if let Some(row) = rows.iter().find(within) {
            return Err(TransferError::Features(format!(
                "there is no image {}, view {} of class {}: these features are of {images} images, {} views and {} classes",
                row.image,
                row.view,
                row.label,
                views.len(),
                classes.len()
            )));
        }
        if let Some(at) = features.iter().position(|value| !value.is_finite()) {
            return Err(TransferError::NotFinite {
                image: format!("image {}", rows[at / width].image),
                column: at % width,
                value: features[at],
            });
        }
        if rows.is_empty() {
            return Ok(());
        }
        let count = rows.len() as u32;
        let mut body = Vec::with_capacity(rows.len() * self.key.row_bytes());
        for row in rows {
            for number in [row.image, row.view, row.label] {
                body.extend((number as u32).to_le_bytes());
            }
        }
        body.extend(features.iter().flat_map(|value| value.to_le_bytes()));
        let mut block = BLOCK.to_vec();
        block.extend(count.to_le_bytes());
        block.extend(checksum(count, &body).to_le_bytes());
        block.extend(body);
        let written = self.file.write_all(&block).and_then(|()| {
            // What this sees, others see.
            self.file.flush()
        });
        if let Err(error) = written {
            // Part of a block may be there: the next one is written over it.
            let _ = self.file.set_len(self.rows.end);
            let _ = self.file.seek(SeekFrom::Start(self.rows.end));
            return Err(TransferError::io(&self.path, error));
        }
        self.rows.scan(&self.path, &self.file, &self.key)?;
        Ok(())
    }

    /// Waits until what was written would outlast a power failure.
    ///
    /// # Errors
    /// [`TransferError::Io`].
    pub fn sync(&self) -> Result<(), TransferError> {
        self.file
            .sync_data()
            .map_err(|error| TransferError::io(&self.path, error))
    }
}

/// Takes hold of a file of features until the lock is dropped or the process ends.
fn lock(path: &Path) -> Result<File, TransferError> {
    let Some(name) = path.file_name() else {
        return Err(TransferError::cache(path, "this is no name of a file"));
    };
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    hidden.push(".lock");
    let lock = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path.with_file_name(hidden))
        .map_err(|error| TransferError::io(path, error))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(fs::TryLockError::WouldBlock) => Err(TransferError::cache(
            path,
            "another process is computing these features; wait for it or give another file",
        )),
        Err(fs::TryLockError::Error(error)) => Err(TransferError::io(path, error)),
    }
}
