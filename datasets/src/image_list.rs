//! The images that paths on a command line stand for: files, those in folders, and those in packs.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use firebrick_types::data::{DataError, Image};

use crate::decode;
use crate::image_files::{self, LeftOut};
use crate::pack_file::{self, PackFile, Stored};

/// An image file, an image in a pack, or one that is decoded already.
#[derive(Debug, Clone)]
pub struct ListedImage {
    path: PathBuf,
    source: Source,
}

#[derive(Debug, Clone)]
enum Source {
    File,
    Pack(Arc<PackFile>, Stored),
    Decoded(Arc<Image>),
}

impl From<PathBuf> for ListedImage {
    fn from(path: PathBuf) -> Self {
        Self {
            path,
            source: Source::File,
        }
    }
}

impl ListedImage {
    /// An image that is decoded already; `name` is for messages.
    #[must_use]
    pub fn decoded(name: impl Into<PathBuf>, image: Image) -> Self {
        Self {
            path: name.into(),
            source: Source::Decoded(Arc::new(image)),
        }
    }

    /// Its path; in a pack, that of the pack with the path in the packed folder behind it.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads and decodes it to `channels` (1: grey, 3: RGB).
    ///
    /// # Errors
    /// [`DataError`] naming the image.
    pub fn read(&self, channels: usize) -> Result<Image, DataError> {
        match &self.source {
            Source::Pack(pack, stored) => pack.read(stored, &self.path, channels),
            Source::File => decode::read(&self.path, channels),
            Source::Decoded(image) => Ok(Image::clone(image).with_channels(channels)),
        }
    }
}

/// What [`list`] found.
#[derive(Debug, Default)]
pub struct ListedImages {
    /// The images in order, and an error for each path without any.
    pub images: Vec<Result<ListedImage, DataError>>,
    /// The other files in the folders.
    pub left_out: LeftOut,
}

/// The images that `paths` name: as [`image_files::list`], and a pack stands for all images in it.
#[must_use]
pub fn list(paths: &[PathBuf]) -> ListedImages {
    let mut listed = ListedImages::default();
    for path in paths {
        if pack_file::is_pack(path) {
            match in_pack(path) {
                Ok(images) => listed.images.extend(images.into_iter().map(Ok)),
                Err(error) => listed.images.push(Err(error)),
            }
            continue;
        }
        let found = image_files::list(std::slice::from_ref(path));
        let files = found.files.into_iter();
        listed
            .images
            .extend(files.map(|file| file.map(ListedImage::from)));
        listed.left_out.add(&found.left_out);
    }
    listed
}

fn in_pack(path: &Path) -> Result<Vec<ListedImage>, DataError> {
    let (pack, index) = PackFile::open(path)?;
    let pack = Arc::new(pack);
    let names = index.splits.iter().flat_map(|part| {
        let images = part.images.iter();
        images.map(|image| path.join(&part.folder).join(&image.source.path))
    });
    let images = index.splits.iter().flat_map(|part| &part.images);
    let listed = names.zip(pack_file::places(images));
    Ok(listed
        .map(|(path, stored)| ListedImage {
            path,
            source: Source::Pack(pack.clone(), stored),
        })
        .collect())
}
