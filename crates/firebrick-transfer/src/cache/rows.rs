//! The blocks of a file of features: which rows it has, and where.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use firebrick_types::positioned::read_exact_at;

use super::{BLOCK, BLOCK_HEAD, ROW_HEAD};
use super::{Found, Key};
use crate::error::TransferError;

/// Where a row lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// Where its features begin.
    pub(super) at: u64,
    pub(super) label: u32,
}

/// The rows of a file, by image and view.
#[derive(Debug)]
pub(super) struct Rows {
    pub(super) places: BTreeMap<(u32, u32), Place>,
    /// Where the last whole block ends.
    pub(super) end: u64,
}

impl Rows {
    /// None yet: blocks begin here.
    pub(super) fn from(start: u64) -> Self {
        Self {
            places: BTreeMap::new(),
            end: start,
        }
    }

    /// Takes in the whole blocks behind those that it has, each of which is compared with its checksum.
    pub(super) fn scan(
        &mut self,
        path: &Path,
        file: &File,
        key: &Key,
    ) -> Result<Found, TransferError> {
        let size = file
            .metadata()
            .map_err(|error| TransferError::io(path, error))?
            .len();
        let mut block = Vec::new();
        while let Some(bytes) = self.block(path, file, key, size, &mut block)? {
            self.take(&block, key);
            self.end += bytes;
        }
        Ok(Found {
            rows: self.places.len(),
            torn_bytes: size.saturating_sub(self.end),
        })
    }

    /// Reads the block at the end of the others, behind its head; nothing where there is no whole block. What cannot be
    /// read because the file was made shorter meanwhile is no whole block either.
    fn block(
        &self,
        path: &Path,
        file: &File,
        key: &Key,
        size: u64,
        block: &mut Vec<u8>,
    ) -> Result<Option<u64>, TransferError> {
        let mut head = [0; BLOCK_HEAD];
        if self.end + BLOCK_HEAD as u64 > size || !read(path, file, &mut head, self.end)? {
            return Ok(None);
        }
        let [count, crc] = [4, 8].map(|at| number(&head, at));
        let bytes = u64::from(count) * key.row_bytes() as u64;
        if &head[..4] != BLOCK || self.end + BLOCK_HEAD as u64 + bytes > size {
            return Ok(None);
        }
        block.resize(bytes as usize, 0);
        if !read(path, file, block, self.end + BLOCK_HEAD as u64)? || crc != checksum(count, block)
        {
            return Ok(None);
        }
        Ok(is_of(block, key).then_some(BLOCK_HEAD as u64 + bytes))
    }

    fn take(&mut self, block: &[u8], key: &Key) {
        let count = block.len() / key.row_bytes();
        let features = self.end + (BLOCK_HEAD + count * ROW_HEAD) as u64;
        let heads = block[..count * ROW_HEAD].chunks_exact(ROW_HEAD);
        for (row, head) in heads.enumerate() {
            let [image, view, label] = [0, 4, 8].map(|at| number(head, at));
            let at = features + (row * 4 * key.width()) as u64;
            self.places.insert((image, view), Place { at, label });
        }
    }
}

/// Whether all rows are of images, views and classes that there are.
fn is_of(block: &[u8], key: &Key) -> bool {
    let count = block.len() / key.row_bytes();
    let mut heads = block[..count * ROW_HEAD].chunks_exact(ROW_HEAD);
    heads.all(|head| {
        let [image, view, label] = [0, 4, 8].map(|at| number(head, at) as usize);
        image < key.images && view < key.views.len() && label < key.classes.len()
    })
}

/// The checksum of a block with so many rows.
pub(super) fn checksum(count: u32, rows: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&count.to_le_bytes());
    crc.update(rows);
    crc.finalize()
}

fn number(bytes: &[u8], at: usize) -> u32 {
    bytes[at..]
        .first_chunk()
        .map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

/// Whether as much could be read.
fn read(path: &Path, file: &File, buffer: &mut [u8], at: u64) -> Result<bool, TransferError> {
    match read_exact_at(file, buffer, at) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(TransferError::io(path, error)),
    }
}
