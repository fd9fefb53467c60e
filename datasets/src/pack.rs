//! Packs the images of a folder into one file that is read faster, and read as the folder is.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use firebrick_types::ConfigError;
use firebrick_types::data::{DataError, Dataset, Image};
use firebrick_types::error::check;
use firebrick_types::image::{Filter, Size, resize};
use image::ExtendedColorType;
use image::codecs::jpeg::JpegEncoder;
use rayon::prelude::*;
use sha2::{Digest, Sha256};

use crate::dataset_error::DatasetError;
use crate::decode::{MAX_SIDE, decode_as_stored};
use crate::folder::{self, FolderDataset, modified};
use crate::image_files;
use crate::pack_file::index::{Content, Index, PackedImage, PackedSplit, SourceFile};
pub use crate::pack_file::index::{Making, PackFormat};
use crate::pack_file::{BEGIN, END, EXTENSION, begins_as_pack};
use crate::registry::OnBadImage;
use crate::split_names::Split;

/// The quality of images that become JPEG, where none is given.
pub const QUALITY: u8 = 90;

/// What a pack has in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Packed {
    /// How it was made, with every choice.
    pub made: Making,
    /// Images of each split.
    pub splits: Vec<(Split, usize)>,
    /// Images that were made smaller.
    pub smaller: usize,
    /// The size of the pack.
    pub bytes: u64,
    /// The size of the image files that are in it.
    pub source_bytes: u64,
    /// The images that were left out because they cannot be read, each with the reason.
    pub skipped: Vec<String>,
    /// What the user should know about the folder, one sentence each.
    pub notes: Vec<String>,
}

/// Where the pack of a folder is, if nothing else is said: beside it, with the extension of packs.
#[must_use]
pub fn beside(folder: &Path) -> PathBuf {
    let absolute = std::path::absolute(folder).unwrap_or_else(|_| folder.into());
    let name = absolute.file_name().unwrap_or_default().to_string_lossy();
    let name = if name.is_empty() {
        "images".into()
    } else {
        name
    };
    let parent = match folder.file_name() {
        Some(_) => folder.parent(),
        // `.` and `..`
        None => absolute.parent(),
    };
    let parent = parent.unwrap_or(Path::new(""));
    parent.join(format!("{name}.{EXTENSION}"))
}

/// The size of an image whose longer side is reduced to `max_side`: the other side keeps the proportions, rounded down, and
/// is at least one pixel, as `max_size` of torchvision's `Resize`. `None` for an image that is no larger.
#[must_use]
pub fn reduced(size: Size, max_side: usize) -> Option<Size> {
    let longest = size.width.max(size.height);
    let side = |side: usize| (side * max_side / longest).max(1);
    (longest > max_side).then(|| Size::new(side(size.width), side(size.height)))
}

/// Writes the images of a folder, in all its splits, to the pack `out`.
///
/// An image with a side longer than [`Making::max_side`] is decoded and [reduced], with linear interpolation and
/// antialiasing. Reading the pack gives the bits that a folder of these images would give, in PNG files for
/// [`PackFormat::Raw`] and in JPEG files for [`PackFormat::Jpeg`]; all others are, in both formats, what the folder gives.
///
/// The file is complete or not there at all; a pack that is there already is replaced. Images are decoded on all cores, a
/// few at a time. `progress` is told the images that are done, and how many there are.
///
/// # Errors
/// [`DatasetError`]: what is no folder of images, a setting out of range, an image that cannot be read (unless these are to
/// be left out), a file at `out` that is no pack, or a full disk.
pub fn pack(
    folder: &Path,
    out: &Path,
    made: Making,
    on_bad: OnBadImage,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Packed, DatasetError> {
    let made = checked(made)?;
    if folder.is_file() {
        let problem = "this is a file; only a folder of images can be packed";
        return Err(DataError::Invalid(format!("{}: {problem}", folder.display())).into());
    }
    check_place(out)?;
    let folders = folder::open(folder, 3)?;
    let parent = match out.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let io = |source| DataError::io(out, source);
    let mut file = tempfile::Builder::new()
        .prefix(".firebrick-pack-")
        .tempfile_in(parent)
        .map_err(io)?;
    let mut writer = Writer {
        made,
        on_bad,
        out,
        file: BufWriter::new(file.as_file_mut()),
        bytes: 0,
        done: 0,
        total: folders.splits.iter().map(|(_, set)| set.len()).sum(),
        progress,
        left_out: Vec::new(),
        skipped: Vec::new(),
    };
    writer.write(BEGIN)?;
    let mut splits = Vec::new();
    for (split, set) in &folders.splits {
        splits.push(writer.split(folder, *split, set)?);
    }
    let index = Index {
        folder: place_of(folder, out)?,
        made,
        splits,
        left_out: std::mem::take(&mut writer.left_out),
    };
    writer.finish(&index)?;
    let (bytes, skipped) = (writer.bytes, std::mem::take(&mut writer.skipped));
    drop(writer);
    keep(file, out, parent).map_err(io)?;
    let images = || index.splits.iter().flat_map(|part| &part.images);
    let counts = index
        .splits
        .iter()
        .map(|part| (part.split, part.images.len()));
    Ok(Packed {
        made,
        splits: counts.collect(),
        smaller: images().filter(|image| image.changed).count(),
        bytes,
        source_bytes: images().map(|image| image.source.bytes).sum(),
        skipped,
        notes: folders.notes,
    })
}

fn checked(made: Making) -> Result<Making, ConfigError> {
    if let Some(side) = made.max_side {
        check("pack", "max_side", side, 1..=MAX_SIDE as usize)?;
    }
    let quality = match (made.format, made.quality) {
        (PackFormat::Jpeg, quality) => Some(quality.unwrap_or(QUALITY)),
        (PackFormat::Raw, None) => None,
        (PackFormat::Raw, Some(_)) => {
            let problem = "pack: quality is for the format jpeg; raw pixels have none";
            return Err(ConfigError::Conflict(problem.into()));
        }
    };
    if let Some(quality) = quality {
        check("pack", "quality", quality, 1..=100)?;
    }
    Ok(Making { quality, ..made })
}

/// Refuses to replace what is no pack.
fn check_place(out: &Path) -> Result<(), DataError> {
    let problem = match fs::metadata(out) {
        Err(_) => return Ok(()),
        Ok(there) if there.is_dir() => "this is a folder; name the file of the pack",
        Ok(there) if there.is_file() && begins_as_pack(out) => return Ok(()),
        Ok(_) => "this file is no pack, so it is not replaced: name another file, or remove it",
    };
    Err(DataError::Invalid(format!("{}: {problem}", out.display())))
}

/// How the index names the folder: from where the pack lies, if the folder is below that.
fn place_of(folder: &Path, out: &Path) -> Result<String, DataError> {
    let io = |source| DataError::io(folder, source);
    let folder = std::path::absolute(folder).map_err(io)?;
    let out = std::path::absolute(out).map_err(io)?;
    let parent = out.parent().unwrap_or(Path::new(""));
    text(folder.strip_prefix(parent).unwrap_or(&folder))
}

/// A path in the index: with `/` between names, so that it can be read everywhere.
fn text(path: &Path) -> Result<String, DataError> {
    let Some(text) = path.to_str() else {
        return Err(DataError::Invalid(format!(
            "the name {} is not valid UTF-8, so it cannot be packed: rename it",
            path.display()
        )));
    };
    Ok(if cfg!(windows) {
        text.replace('\\', "/")
    } else {
        text.into()
    })
}

/// Makes a complete file the pack.
fn keep(file: tempfile::NamedTempFile, out: &Path, parent: &Path) -> std::io::Result<()> {
    file.as_file().sync_all()?;
    // Temporary files are private; what is kept should be as readable as any other file.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        file.as_file()
            .set_permissions(fs::Permissions::from_mode(0o644))?;
    }
    file.persist(out).map_err(|error| error.error)?;
    if cfg!(unix) {
        // Makes the new name survive a power cut.
        File::open(parent)?.sync_all()?;
    }
    Ok(())
}

/// What is being written.
struct Writer<'a> {
    made: Making,
    on_bad: OnBadImage,
    out: &'a Path,
    file: BufWriter<&'a mut File>,
    bytes: u64,
    done: usize,
    total: usize,
    progress: &'a mut dyn FnMut(usize, usize),
    left_out: Vec<SourceFile>,
    skipped: Vec<String>,
}

impl Writer<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), DataError> {
        self.bytes += bytes.len() as u64;
        let written = self.file.write_all(bytes);
        written.map_err(|source| DataError::io(self.out, source))
    }

    fn split(
        &mut self,
        root: &Path,
        split: Split,
        set: &FolderDataset,
    ) -> Result<PackedSplit, DataError> {
        use firebrick_types::data::Dataset;
        let (at, _) = set.place(0);
        let folder = text(at.strip_prefix(root).unwrap_or(at))?;
        let mut images = Vec::new();
        // So many are in memory at once.
        let few = 2 * rayon::current_num_threads();
        for first in (0..set.len()).step_by(few) {
            let indices = first..(first + few).min(set.len());
            let made: Vec<_> = indices
                .into_par_iter()
                .map(|index| prepare(set, index, self.made))
                .collect();
            for prepared in made {
                self.done += 1;
                (self.progress)(self.done, self.total);
                let Prepared { source, outcome } = prepared?;
                match outcome {
                    Ok((mut image, bytes)) => {
                        image.source = source;
                        self.write(&bytes)?;
                        images.push(image);
                    }
                    Err(error) if self.on_bad == OnBadImage::Fail => return Err(error),
                    Err(error) => {
                        self.skipped.push(error.to_string());
                        let path = match folder.as_str() {
                            "" => source.path,
                            folder => format!("{folder}/{}", source.path),
                        };
                        self.left_out.push(SourceFile { path, ..source });
                    }
                }
            }
        }
        for (label, class) in set.classes().iter().enumerate() {
            if !images.iter().any(|image| image.label == label) {
                let problem = "no image in this class folder can be read";
                return Err(DataError::Invalid(format!(
                    "{}: {problem}",
                    at.join(class).display()
                )));
            }
        }
        Ok(PackedSplit {
            split,
            folder,
            classes: set.classes().to_vec(),
            images,
        })
    }

    fn finish(&mut self, index: &Index) -> Result<(), DataError> {
        let json = serde_json::to_vec(index)
            .map_err(|error| DataError::corrupt(self.out, error.to_string()))?;
        self.write(&json)?;
        self.write(&(json.len() as u64).to_le_bytes())?;
        self.write(&Sha256::digest(&json))?;
        self.write(END)?;
        self.file
            .flush()
            .map_err(|source| DataError::io(self.out, source))
    }
}

/// A file, and what is written of it.
struct Prepared {
    source: SourceFile,
    outcome: Result<(PackedImage, Vec<u8>), DataError>,
}

/// Reads file `index` and makes of it what the pack gets.
///
/// # Errors
/// [`DataError`] for a file whose name cannot be packed.
fn prepare(set: &FolderDataset, index: usize, made: Making) -> Result<Prepared, DataError> {
    let (root, path) = set.place(index);
    let mut source = SourceFile {
        path: text(path)?,
        bytes: 0,
        modified: 0,
        sha256: "0".repeat(64),
    };
    let path = root.join(path);
    // Before the content: what is written meanwhile counts as a change.
    if let Ok(metadata) = path.metadata() {
        source.modified = modified(&metadata);
        source.bytes = metadata.len();
    }
    let outcome = image_files::content(&path).and_then(|bytes| {
        source.bytes = bytes.len() as u64;
        source.sha256 = Sha256::digest(&bytes)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let (content, changed, bytes) = content(&path, bytes, made)?;
        let image = PackedImage {
            source: source.clone(),
            label: set.label(index),
            content,
            length: bytes.len() as u64,
            crc: crc32fast::hash(&bytes),
            changed,
        };
        Ok((image, bytes))
    });
    Ok(Prepared { source, outcome })
}

/// What the pack gets of an image file, and whether that is another image.
fn content(
    path: &Path,
    bytes: Vec<u8>,
    made: Making,
) -> Result<(Content, bool, Vec<u8>), DataError> {
    let image = decode_as_stored(path, &bytes)?;
    let smaller = made.max_side.and_then(|side| reduced(image.size(), side));
    let pixels = |image: Image| {
        let content = Content::Pixels {
            width: image.width,
            height: image.height,
            channels: image.channels,
        };
        (content, image.pixels)
    };
    Ok(match (made.format, smaller) {
        (PackFormat::Raw, None) => {
            let (content, bytes) = pixels(image);
            (content, false, bytes)
        }
        (PackFormat::Raw, Some(size)) => {
            let (content, bytes) = pixels(resize(image, size, Filter::Bilinear));
            (content, true, bytes)
        }
        (PackFormat::Jpeg, None) => (Content::File, false, bytes),
        (PackFormat::Jpeg, Some(size)) => {
            let image = resize(image, size, Filter::Bilinear);
            let jpeg = jpeg(&image, made.quality.unwrap_or(QUALITY))
                .map_err(|problem| DataError::corrupt(path, problem))?;
            (Content::File, true, jpeg)
        }
    })
}

fn jpeg(image: &Image, quality: u8) -> Result<Vec<u8>, String> {
    let colour = match image.channels {
        1 => ExtendedColorType::L8,
        _ => ExtendedColorType::Rgb8,
    };
    let mut bytes = Vec::new();
    let mut encoder = JpegEncoder::new_with_quality(&mut bytes, quality);
    // No side is longer than what JPEG can say.
    let (width, height) = (image.width as u32, image.height as u32);
    encoder
        .encode(&image.pixels, width, height, colour)
        .map_err(|error| format!("it cannot be written as JPEG: {error}"))?;
    Ok(bytes)
}

#[cfg(test)]
#[path = "pack/tests.rs"]
mod tests;
