//! Packs: the images of a folder in one file, which [`crate::pack`] writes and [`crate::folder`] reads.
//!
//! ```text
//! FBPACK1\n  images, one after the other  index  length of the index  SHA-256 of the index  FBPACKED
//! 8 bytes                                 JSON   8 bytes              32 bytes              8 bytes
//! ```
//!
//! The index has the place, the length and the CRC-32 of each image, so every byte of the file is covered by a checksum or
//! by a rule. An image is pixels as they are decoded, or an image file.
//!
//! Images are read where they lie when they are asked for. The page cache of the operating system keeps what is read
//! often and gives it up when memory is short, as it does for a mapped file, and no code of ours is unsafe.

pub(crate) mod index;

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use firebrick_types::data::{DataError, Image};
use firebrick_types::positioned;
use sha2::{Digest, Sha256};

use crate::decode;
use index::{Content, Index, PackedImage};

/// The extension that packs have.
pub const EXTENSION: &str = "fbpack";
/// What a pack begins with; the digit is the version of the format.
pub(crate) const BEGIN: &[u8; 8] = b"FBPACK1\n";
/// What a pack ends with.
pub(crate) const END: &[u8; 8] = b"FBPACKED";
/// Bytes after the index.
const TRAILER: u64 = 8 + 32 + 8;
/// The largest index that is read: some millions of images.
const MAX_INDEX: u64 = 1 << 30;

/// Whether a path leads to a pack: a file that has the extension of packs or begins as they do.
#[must_use]
pub fn is_pack(path: &Path) -> bool {
    // Before it is opened: opening a pipe waits for a writer.
    if !path.is_file() {
        return false;
    }
    has_extension(path) || begins_as_pack(path)
}

/// Whether a name has the extension of packs, in upper or lower case.
#[must_use]
pub fn has_extension(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case(EXTENSION))
}

/// Whether a file begins as packs do, of whatever version.
pub(crate) fn begins_as_pack(path: &Path) -> bool {
    let mut begin = [0; BEGIN.len()];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut begin));
    read.is_ok() && begin.starts_with(&BEGIN[..6])
}

/// An open pack.
#[derive(Debug)]
pub(crate) struct PackFile {
    path: PathBuf,
    file: File,
    /// The command that makes the pack again.
    remedy: String,
}

/// Where an image lies in a pack, and what is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stored {
    at: u64,
    length: usize,
    crc: u32,
    content: Content,
    /// Whether the image is another one than in the folder: it was made smaller.
    changed: bool,
}

impl Stored {
    /// What tells a changed image from another version of it; nothing for an image as it was in the folder.
    pub(crate) fn identity(&self) -> Option<String> {
        let Self {
            length,
            crc,
            content,
            ..
        } = self;
        self.changed
            .then(|| format!("{length} {crc:08x} {content:?}"))
    }
}

impl PackFile {
    /// Opens a pack and reads its index.
    ///
    /// # Errors
    /// [`DataError`] naming the file: it cannot be read, is no pack, is cut off or damaged.
    pub(crate) fn open(path: &Path) -> Result<(Self, Index), DataError> {
        let io = |source| DataError::io(path, source);
        let refuse = |problem: &str| {
            DataError::corrupt(
                path,
                format!("{problem}: make the pack again with `firebrick datasets pack`"),
            )
        };
        let mut file = File::open(path).map_err(io)?;
        let size = file.metadata().map_err(io)?.len();
        let mut begin = [0; BEGIN.len()];
        file.read_exact(&mut begin)
            .or_else(|error| match error.kind() {
                std::io::ErrorKind::UnexpectedEof => Ok(()),
                _ => Err(io(error)),
            })?;
        if &begin != BEGIN {
            if begin.starts_with(&BEGIN[..6]) && begin.ends_with(b"\n") {
                return Err(refuse(
                    "this pack was written by another version of the program",
                ));
            }
            if has_extension(path) {
                return Err(refuse("this is no pack, or its beginning is damaged"));
            }
            return Err(DataError::corrupt(
                path,
                "this is a file, not a folder of images or a pack of them",
            ));
        }
        let torn = || refuse("this pack is torn: its end is missing or was written over");
        let least = BEGIN.len() as u64 + TRAILER;
        if size < least {
            return Err(torn());
        }
        let mut trailer = [0; TRAILER as usize];
        positioned::read_exact_at(&file, &mut trailer, size - TRAILER).map_err(io)?;
        let ([length @ .., _, _, _, _, _, _, _, _], true) = (
            trailer.first_chunk::<16>().copied().unwrap_or_default(),
            trailer.ends_with(END),
        ) else {
            return Err(torn());
        };
        let length = u64::from_le_bytes(length);
        if length > size - least {
            return Err(torn());
        }
        let damaged = || refuse("the index of this pack is damaged");
        if length > MAX_INDEX {
            return Err(damaged());
        }
        let images_end = size - TRAILER - length;
        file.seek(SeekFrom::Start(images_end)).map_err(io)?;
        let mut bytes = Vec::new();
        file.by_ref()
            .take(length)
            .read_to_end(&mut bytes)
            .map_err(io)?;
        if Sha256::digest(&bytes)[..] != trailer[8..40] {
            return Err(damaged());
        }
        let index = Index::read(&bytes, images_end - BEGIN.len() as u64)
            .map_err(|problem| refuse(&format!("the index of this pack is wrong: {problem}")))?;
        let pack = Self {
            path: path.into(),
            file,
            remedy: index.command(path),
        };
        Ok((pack, index))
    }

    /// The command that makes the pack again.
    pub(crate) fn remedy(&self) -> &str {
        &self.remedy
    }

    /// Reads one image; `name` is for messages.
    ///
    /// # Errors
    /// [`DataError`] naming the image: it cannot be read, or is damaged.
    pub(crate) fn read(
        &self,
        stored: &Stored,
        name: &Path,
        channels: usize,
    ) -> Result<Image, DataError> {
        let mut bytes = vec![0; stored.length];
        let read = positioned::read_exact_at(&self.file, &mut bytes, stored.at);
        read.map_err(|source| match source.kind() {
            std::io::ErrorKind::UnexpectedEof => self.damaged(name, "is cut off"),
            _ => DataError::io(name, source),
        })?;
        if crc32fast::hash(&bytes) != stored.crc {
            return Err(self.damaged(name, "is damaged"));
        }
        match stored.content {
            Content::Pixels {
                width,
                height,
                channels: found,
            } => Ok(Image {
                width,
                height,
                channels: found,
                pixels: bytes,
            }
            .with_channels(channels)),
            Content::File => decode::decode(name, &bytes, channels),
        }
    }

    fn damaged(&self, name: &Path, what: &str) -> DataError {
        DataError::corrupt(
            name,
            format!(
                "this image {what} in the pack {}: make the pack again with `{}`",
                self.path.display(),
                self.remedy
            ),
        )
    }
}

/// Where the images of a pack lie, in the order of its index.
pub(crate) fn places<'a>(
    images: impl Iterator<Item = &'a PackedImage>,
) -> impl Iterator<Item = Stored> {
    let mut at = BEGIN.len() as u64;
    images.map(move |image| {
        let stored = Stored {
            at,
            length: image.length as usize,
            crc: image.crc,
            content: image.content,
            changed: image.changed,
        };
        at += image.length;
        stored
    })
}

#[cfg(test)]
#[path = "pack_file/tests.rs"]
mod tests;
