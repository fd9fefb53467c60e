//! The index of a pack: which images it has, what they are called, and of which files they were made.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::decode::{MAX_BYTES, MAX_SIDE};
use crate::image_files::MAX_FILE;
use crate::split_names::Split;

/// How images lie in a pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PackFormat {
    /// Pixels as they are decoded: large, and read without decoding.
    #[default]
    Raw,
    /// Image files: those of the folder, or JPEG where an image was made smaller.
    Jpeg,
}

/// How a pack was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Making {
    /// The longest side that an image has in the pack, in pixels; `None` leaves images as they are.
    pub max_side: Option<usize>,
    /// How images lie in it.
    pub format: PackFormat,
    /// The quality of images that became JPEG, 1 to 100; only with [`PackFormat::Jpeg`].
    pub quality: Option<u8>,
}

/// All of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Index {
    /// The folder of which the pack was made: from the folder of the pack where it lies below that, else its whole path.
    pub(crate) folder: String,
    pub(crate) made: Making,
    pub(crate) splits: Vec<PackedSplit>,
    /// Files that could not be read when the pack was made.
    pub(crate) left_out: Vec<SourceFile>,
}

/// A split with its images in order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PackedSplit {
    pub(crate) split: Split,
    /// The name of its folder; empty for a folder without splits.
    pub(crate) folder: String,
    pub(crate) classes: Vec<String>,
    pub(crate) images: Vec<PackedImage>,
}

/// An image and what lies in the pack of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PackedImage {
    pub(crate) source: SourceFile,
    pub(crate) label: usize,
    pub(crate) content: Content,
    /// Bytes in the pack.
    pub(crate) length: u64,
    /// The CRC-32 of these bytes.
    pub(crate) crc: u32,
    /// Whether it was made smaller.
    pub(crate) changed: bool,
}

/// What the bytes of an image are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Content {
    /// As in [`Image`](firebrick_types::image::Image).
    Pixels {
        width: usize,
        height: usize,
        channels: usize,
    },
    /// An image file in a format that is read.
    File,
}

/// A file of the folder as it was when the pack was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SourceFile {
    /// From the folder of its split, with `/` between names.
    pub(crate) path: String,
    pub(crate) bytes: u64,
    /// When it was last written, in nanoseconds since 1970; 0 where that is not known.
    pub(crate) modified: u64,
    /// In hexadecimal digits.
    pub(crate) sha256: String,
}

impl SourceFile {
    /// The SHA-256 as bytes; `None` if it is none.
    pub(crate) fn sum(&self) -> Option<[u8; 32]> {
        let mut sum = [0; 32];
        if self.sha256.len() != 2 * sum.len() {
            return None;
        }
        for (byte, digits) in sum.iter_mut().zip(self.sha256.as_bytes().chunks_exact(2)) {
            let digits = std::str::from_utf8(digits).ok()?;
            *byte = u8::from_str_radix(digits, 16).ok()?;
        }
        Some(sum)
    }
}

impl Index {
    /// Reads an index whose images have this many bytes in all.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn read(bytes: &[u8], images: u64) -> Result<Self, String> {
        let index: Self = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        let mut left = Some(images);
        let mut seen = BTreeSet::new();
        for part in &index.splits {
            let is_root = part.split == Split::All;
            if !seen.insert(part.split) || (is_root && index.splits.len() > 1) {
                return Err(format!("it has the split {} beside others", part.split));
            }
            if is_root != part.folder.is_empty() || (!is_root && !is_inside(&part.folder)) {
                return Err(format!("the split {} has no folder", part.split));
            }
            if part.images.is_empty() {
                return Err(format!("the split {} has no images", part.split));
            }
            for image in &part.images {
                image
                    .check(part.classes.len())
                    .map_err(|problem| format!("{:.200}: {problem}", image.source.path))?;
                left = left.and_then(|left| left.checked_sub(image.length));
            }
        }
        if index.splits.is_empty() {
            return Err("it has no splits".into());
        }
        if left != Some(0) {
            return Err("its images are not as long as the file".into());
        }
        Ok(index)
    }

    /// The folder of which the pack at `pack` was made.
    pub(crate) fn source(&self, pack: &Path) -> PathBuf {
        pack.parent().unwrap_or(Path::new("")).join(&self.folder)
    }

    /// The command that makes the pack at `pack` again.
    pub(crate) fn command(&self, pack: &Path) -> String {
        let Making {
            max_side,
            format,
            quality,
        } = self.made;
        let (folder, pack) = (word(&self.source(pack)), word(pack));
        let mut command = format!("firebrick datasets pack {folder} --out {pack}");
        if let Some(side) = max_side {
            command.push_str(&format!(" --max-side {side}"));
        }
        if format == PackFormat::Jpeg {
            command.push_str(" --format jpeg");
        }
        if let Some(quality) = quality {
            command.push_str(&format!(" --quality {quality}"));
        }
        command
    }
}

/// A path as one word of a command line.
fn word(path: &Path) -> String {
    let path = path.display().to_string();
    let plain = |c: char| c.is_alphanumeric() || "/\\._-+,:@%".contains(c);
    if !path.is_empty() && path.chars().all(plain) {
        path
    } else {
        format!("'{}'", path.replace('\'', r"'\''"))
    }
}

impl PackedImage {
    fn check(&self, classes: usize) -> Result<(), &'static str> {
        if !is_inside(&self.source.path) || self.source.sum().is_none() {
            return Err("its name or checksum is none");
        }
        if self.label >= classes {
            return Err("it has no class");
        }
        let fits = match self.content {
            Content::File => (1..=MAX_FILE).contains(&self.length),
            Content::Pixels {
                width,
                height,
                channels,
            } => {
                let sides = 1..=MAX_SIDE as usize;
                sides.contains(&width)
                    && sides.contains(&height)
                    && matches!(channels, 1 | 3)
                    && (width * height * channels) as u64 == self.length
                    && self.length <= MAX_BYTES
            }
        };
        if fits {
            Ok(())
        } else {
            Err("its size is wrong")
        }
    }
}

/// Whether a path leads to something below where it begins.
fn is_inside(path: &str) -> bool {
    let mut parts = Path::new(path).components();
    !path.is_empty() && parts.all(|part| matches!(part, Component::Normal(_)))
}
