//! Which files are images: one rule for training, evaluation and prediction.
//!
//! An image is a regular file, or a link to one, with one of [`EXTENSIONS`]; its content then decides
//! the format. Hidden files and folders, and those that operating systems leave behind, are ignored.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use firebrick_types::data::DataError;

/// File name extensions of images, in lower case.
pub const EXTENSIONS: [&str; 11] = [
    "jpg", "jpeg", "jpe", "jfif", "png", "webp", "bmp", "dib", "gif", "tif", "tiff",
];
/// File name extensions of images in formats that are not read, in lower case.
const OTHER_PICTURES: [&str; 30] = [
    "heic", "heif", "avif", "jp2", "j2k", "jpx", "jxl", "mpo", "svg", "psd", "dng", "raw", "cr2",
    "cr3", "nef", "arw", "orf", "rw2", "raf", "ppm", "pgm", "pbm", "pnm", "tga", "exr", "hdr",
    "dds", "ico", "pcx", "xcf",
];
/// Names that operating systems and programs leave in folders.
const SYSTEM: [&str; 11] = [
    "__MACOSX",
    "__pycache__",
    "Thumbs.db",
    "ehthumbs.db",
    "desktop.ini",
    "@eaDir",
    "#recycle",
    "$RECYCLE.BIN",
    "System Volume Information",
    "lost+found",
    "Icon\r",
];
/// The largest file that is read, in bytes: more than a decoded image may take.
pub(crate) const MAX_FILE: u64 = 1 << 30;

/// What a name in a folder stands for; links are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Folder,
    Image,
    /// A pipe, socket or device.
    Special,
    Other,
}

/// A name in a folder.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) name: OsString,
    pub(crate) kind: Kind,
}

impl Entry {
    /// Whether it is an image in a format that is not read, such as `heic`.
    pub(crate) fn is_other_picture(&self) -> bool {
        self.kind == Kind::Other && is_other_picture(&self.extension())
    }

    /// In lower case; empty when there is none.
    fn extension(&self) -> String {
        let extension = Path::new(&self.name).extension().unwrap_or_default();
        extension.to_string_lossy().to_lowercase()
    }
}

fn is_other_picture(extension: &str) -> bool {
    OTHER_PICTURES.contains(&extension)
}

/// Files that were ignored because they are not images that can be read; hidden ones are not counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// The number of files with each extension, in lower case; `""` is no extension.
    pub extensions: BTreeMap<String, usize>,
    /// Pipes, sockets and devices, whatever their name.
    pub special: usize,
}

impl LeftOut {
    /// The number of files.
    #[must_use]
    pub fn count(&self) -> usize {
        self.special + self.extensions.values().sum::<usize>()
    }

    /// Adds the counts of another folder.
    pub(crate) fn add(&mut self, other: &Self) {
        self.special += other.special;
        for (extension, count) in &other.extensions {
            *self.extensions.entry(extension.clone()).or_default() += count;
        }
    }

    /// A sentence about them; none where there are none.
    #[must_use]
    pub fn note(&self) -> Option<String> {
        let (count, pictures) = (self.count(), self.other_pictures());
        let files = match count {
            0 => return None,
            1 => "file that is not a readable image",
            _ => "files that are not readable images",
        };
        let advice = if pictures.is_empty() {
            String::new()
        } else {
            let names: Vec<String> = pictures.iter().map(|name| format!(".{name}")).collect();
            format!(
                "; to use the {} files, convert them to JPEG or PNG",
                names.join(" and ")
            )
        };
        Some(format!("ignored {count} {files}: {self}{advice}"))
    }

    /// The extensions of images in formats that are not read, such as `heic`.
    fn other_pictures(&self) -> Vec<&str> {
        let extensions = self.extensions.keys().map(String::as_str);
        extensions
            .filter(|extension| is_other_picture(extension))
            .collect()
    }

    fn count_in(&mut self, entry: &Entry) {
        if entry.kind == Kind::Special {
            self.special += 1;
        } else {
            *self.extensions.entry(entry.extension()).or_default() += 1;
        }
    }
}

/// `3 .heic, 1 .txt, 1 without extension`: the most frequent first, at most eight kinds.
impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 8;
        let mut kinds: Vec<(usize, String)> = self
            .extensions
            .iter()
            .map(|(extension, count)| match extension.as_str() {
                "" => (*count, "without extension".into()),
                extension => (*count, format!(".{extension}")),
            })
            .collect();
        match self.special {
            0 => {}
            1 => kinds.push((1, "pipe or device".into())),
            count => kinds.push((count, "pipes or devices".into())),
        }
        kinds.sort_by_key(|(count, _)| std::cmp::Reverse(*count));
        let mut shown: Vec<String> = kinds
            .iter()
            .take(SHOWN)
            .map(|(count, kind)| format!("{count} {kind}"))
            .collect();
        let rest: usize = kinds.iter().skip(SHOWN).map(|(count, _)| count).sum();
        if rest > 0 {
            shown.push(format!("{rest} others"));
        }
        f.write_str(&shown.join(", "))
    }
}

/// Whether a name is hidden (`.x`, and so `._x.jpg`) or one that operating systems leave behind
/// (`__MACOSX`, `Thumbs.db`, `@eaDir`).
fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".")
        || SYSTEM.iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// Whether the extension is that of an image, in upper or lower case.
fn has_image_extension(path: &Path) -> bool {
    path.extension().is_some_and(|extension| {
        EXTENSIONS
            .iter()
            .any(|known| extension.eq_ignore_ascii_case(known))
    })
}

/// The files and folders in a folder, sorted by name, without hidden ones.
pub(crate) fn entries(folder: &Path) -> Result<Vec<Entry>, DataError> {
    let io = |source| DataError::io(folder, source);
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder).map_err(io)? {
        let entry = entry.map_err(io)?;
        let name = entry.file_name();
        if is_hidden(&name) {
            continue;
        }
        // Links are followed; one that leads nowhere is taken for what its name says, so that reading
        // it reports what is wrong.
        let kind = match entry.file_type().map_err(io)? {
            kind if kind.is_symlink() => fs::metadata(entry.path()).ok().map(|at| at.file_type()),
            kind => Some(kind),
        };
        let kind = match kind {
            Some(kind) if kind.is_dir() => Kind::Folder,
            Some(kind) if !kind.is_file() => Kind::Special,
            _ if has_image_extension(Path::new(&name)) => Kind::Image,
            _ => Kind::Other,
        };
        entries.push(Entry { name, kind });
    }
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(entries)
}

/// The images below a folder, and the files that were ignored.
#[derive(Debug, Clone, Default)]
pub(crate) struct Found {
    /// Relative to the root of the search, sorted by name.
    pub(crate) images: Vec<PathBuf>,
    pub(crate) left_out: LeftOut,
}

impl Found {
    /// Adds what is below `root/folder`. Links to folders are followed, except to one that is being
    /// searched already.
    pub(crate) fn search(&mut self, root: &Path, folder: &Path) -> Result<(), DataError> {
        self.descend(root, folder, &mut Vec::new())
    }

    /// `above`: the real paths of the folders that contain this one.
    fn descend(
        &mut self,
        root: &Path,
        folder: &Path,
        above: &mut Vec<PathBuf>,
    ) -> Result<(), DataError> {
        let absolute = root.join(folder);
        let real =
            fs::canonicalize(&absolute).map_err(|source| DataError::io(&absolute, source))?;
        if above.contains(&real) {
            return Ok(());
        }
        above.push(real);
        for entry in entries(&absolute)? {
            match entry.kind {
                Kind::Folder => self.descend(root, &folder.join(&entry.name), above)?,
                Kind::Image => self.images.push(folder.join(&entry.name)),
                Kind::Special | Kind::Other => self.left_out.count_in(&entry),
            }
        }
        above.pop();
        Ok(())
    }
}

/// What [`list`] found.
#[derive(Debug, Default)]
pub struct Listed {
    /// The image files in order, and an error for each path without any.
    pub files: Vec<Result<PathBuf, DataError>>,
    /// The other files in the folders.
    pub left_out: LeftOut,
}

/// The image files that `paths` name. A file is taken whatever it is called; a folder stands for all
/// images in it and in its subfolders, sorted.
#[must_use]
pub fn list(paths: &[PathBuf]) -> Listed {
    let mut listed = Listed::default();
    for path in paths {
        let mut found = Found::default();
        match fs::metadata(path) {
            Err(error) => listed.files.push(Err(DataError::io(path, error))),
            Ok(metadata) if !metadata.is_dir() => listed.files.push(Ok(path.clone())),
            Ok(_) => match found.search(path, Path::new("")) {
                Err(error) => listed.files.push(Err(error)),
                Ok(()) if found.images.is_empty() => {
                    listed.files.push(Err(no_images(path, &found.left_out)));
                }
                Ok(()) => {
                    let inside = found.images.iter().map(|image| Ok(path.join(image)));
                    listed.files.extend(inside);
                    listed.left_out.add(&found.left_out);
                }
            },
        }
    }
    listed
}

fn no_images(folder: &Path, left_out: &LeftOut) -> DataError {
    let others = if left_out.count() > 0 {
        format!("; it has {left_out}")
    } else {
        String::new()
    };
    DataError::Invalid(format!(
        "{}: no image files in this folder ({}){others}",
        folder.display(),
        EXTENSIONS.join(", ")
    ))
}

/// The bytes of an image file.
///
/// # Errors
/// [`DataError`] naming the file: it cannot be read, is a pipe or device, or is larger than any
/// image that could be decoded.
pub fn content(path: &Path) -> Result<Vec<u8>, DataError> {
    let io = |source| DataError::io(path, source);
    // Before it is opened: opening a pipe waits for a writer.
    let metadata = fs::metadata(path).map_err(io)?;
    if metadata.is_dir() {
        return Err(DataError::corrupt(
            path,
            "it is a folder, not an image file",
        ));
    }
    if !metadata.is_file() {
        return Err(DataError::corrupt(
            path,
            "it is a pipe or device, not an image file: save the image to a file first",
        ));
    }
    if metadata.len() > MAX_FILE {
        return Err(DataError::corrupt(
            path,
            format!(
                "it has {} MiB, more than any image that can be decoded",
                metadata.len() >> 20
            ),
        ));
    }
    fs::read(path).map_err(io)
}

#[cfg(test)]
#[path = "image_files/tests.rs"]
mod tests;
