//! Image folders: `split/class/image` or `class/image`, decoded one by one when they are asked for. A pack of a folder
//! ([`crate::pack`]) is read as the folder was.

mod checksums;
mod layout;
mod renewed;

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use firebrick_types::data::{DataError, Dataset, Sample};
use rayon::prelude::*;
use sha2::{Digest, Sha256};

pub use checksums::Changes;
pub(crate) use renewed::modified;

use crate::decode;
use crate::image_files::{EXTENSIONS, Found, Kind, LeftOut, entries};
use crate::pack_file::index::{Index, PackedSplit};
use crate::pack_file::{self, PackFile, Stored};
use crate::split_names::Split;
use checksums::Sum;
use layout::{Layout, counted, invalid, refuse_parts, subfolders};

/// Labelled image files, or the images of a pack. Only their paths are in memory.
#[derive(Debug, Clone)]
pub struct FolderDataset {
    root: PathBuf,
    /// What has the images, if the root lies in a pack.
    pack: Option<Arc<PackFile>>,
    channels: usize,
    classes: Vec<String>,
    files: Vec<Arc<ImageFile>>,
    labels: Vec<usize>,
    left_out: LeftOut,
}

/// Shared by all sets that have the file, so that it is hashed once.
#[derive(Debug)]
struct ImageFile {
    /// Relative to the root.
    path: PathBuf,
    /// `None` when the file cannot be read; computed when it is first asked for. In a pack, that of the file that was
    /// packed.
    sum: OnceLock<Option<Sum>>,
    /// In a pack, where it is.
    stored: Option<Stored>,
}

impl ImageFile {
    fn new(path: PathBuf) -> Arc<Self> {
        Arc::new(Self {
            path,
            sum: OnceLock::new(),
            stored: None,
        })
    }
}

/// The parts of an image folder.
#[derive(Debug, Clone)]
pub struct Folders {
    root: PathBuf,
    /// The splits that were found, in the order of [`Split`]; or only [`Split::All`], when the folders
    /// in `root` are classes.
    pub splits: Vec<(Split, FolderDataset)>,
    /// What the user should know about the files, one sentence each.
    pub notes: Vec<String>,
}

/// Reads the names of the images below `root`; `channels` (1 or 3) is what they will be decoded to. A `root` that is a
/// file is opened as a pack of such a folder; a note says so if the folder is there too and has changed since.
///
/// The folders in `root` are splits when one of them has the name of a train split
/// ([`Split::of_folder`]) and folders in it, or when all of them have names of splits; otherwise they
/// are classes. Classes are sorted by name, and the images of one class by path. Subfolders of a class
/// are searched too, and links are followed. Which files are images: [`crate::image_files`].
///
/// # Errors
/// [`DataError`] naming the folder: it does not exist, has no class folders, a class without an image,
/// a folder next to the train split that has images but is not a split, two folders for one split, or
/// "classes" that are parts of a data set; or a pack that is damaged.
pub fn open(root: &Path, channels: usize) -> Result<Folders, DataError> {
    if root.is_file() {
        return open_pack(root, channels);
    }
    let Layout {
        mut splits,
        mut notes,
    } = Layout::read(root)?;
    splits.sort();
    let splits: Vec<(Split, FolderDataset)> = splits
        .into_iter()
        .map(|(split, name)| {
            let folder = match split {
                Split::All => root.into(),
                _ => root.join(name),
            };
            Ok((split, FolderDataset::scan(&folder, channels)?))
        })
        .collect::<Result<_, DataError>>()?;
    for (_, set) in &splits {
        notes.extend(note_of_left_out(set));
    }
    Ok(Folders {
        root: root.into(),
        splits,
        notes,
    })
}

fn open_pack(path: &Path, channels: usize) -> Result<Folders, DataError> {
    let (pack, index) = PackFile::open(path)?;
    let notes = note_of_changes(path, &pack, &index);
    let pack = Arc::new(pack);
    let images = index.splits.iter().flat_map(|part| &part.images);
    let mut places = pack_file::places(images);
    let splits = index.splits.iter().map(|part| {
        let set = FolderDataset::packed(path, channels, &pack, part, &mut places);
        (part.split, set)
    });
    Ok(Folders {
        root: path.into(),
        splits: splits.collect(),
        notes: notes.into_iter().collect(),
    })
}

/// Tells that the folder of a pack has changed since the pack was made. Only names, sizes and times are compared, and the
/// content of files whose time is another. A folder with none of the files is another one that has the name now.
fn note_of_changes(path: &Path, pack: &PackFile, index: &Index) -> Option<String> {
    let source = index.source(path);
    if !renewed::has_any(&source, index) {
        return None;
    }
    let changes = match open(&source, 3) {
        Ok(now) => {
            let changes = renewed::changes(&source, index, now.paths());
            if changes.is_empty() {
                return None;
            }
            changes.to_string()
        }
        Err(error) => error.to_string(),
    };
    Some(format!(
        "{} is older than its folder {}: {changes}. The images of the pack are used as they are; to renew them: {}",
        path.display(),
        source.display(),
        pack.remedy()
    ))
}

fn note_of_left_out(set: &FolderDataset) -> Option<String> {
    let note = set.left_out.note()?;
    Some(format!("{}: {note}", set.root.display()))
}

impl Folders {
    /// The part with this name.
    #[must_use]
    pub fn get(&self, split: Split) -> Option<&FolderDataset> {
        let mut splits = self.splits.iter();
        splits
            .find(|(found, _)| *found == split)
            .map(|(_, set)| set)
    }

    /// The training images: the train split, or all images when there are no splits.
    ///
    /// # Errors
    /// [`DataError`] when there is no train split, when it has a single class, or when another split
    /// has other classes.
    pub fn train(&self) -> Result<&FolderDataset, DataError> {
        let Some(train) = self.get(Split::Train).or_else(|| self.get(Split::All)) else {
            let there: Vec<&str> = self.splits.iter().map(|(split, _)| split.name()).collect();
            return Err(invalid(
                &self.root,
                &format!(
                    "there is no train split here, only {}: put the training images into train/CLASS/",
                    there.join(" and ")
                ),
            ));
        };
        if let [only] = train.classes.as_slice() {
            return Err(invalid(
                &train.root,
                &format!(
                    "`{only}` is the only class folder: training needs at least two, laid out as \
                     CLASS/IMAGE or train/CLASS/IMAGE"
                ),
            ));
        }
        for (_, set) in &self.splits {
            same_classes(&set.root, &set.classes, &train.classes)?;
        }
        Ok(train)
    }

    /// The pack, if it is one rather than a folder.
    #[must_use]
    pub fn pack(&self) -> Option<&Path> {
        let is_pack = self.splits.iter().any(|(_, set)| set.pack.is_some());
        is_pack.then_some(&*self.root)
    }

    /// The paths of all images from the root.
    fn paths(&self) -> Vec<PathBuf> {
        let mut paths = Vec::new();
        for (_, set) in &self.splits {
            let prefix = set.root.strip_prefix(&self.root).unwrap_or(&set.root);
            paths.extend(set.files.iter().map(|file| prefix.join(&file.path)));
        }
        paths
    }

    /// The SHA-256 of every image, in the format of `sha256sum`, with paths from the root. Reads the
    /// files of every split whose [`Dataset::fingerprint`] was not asked for before.
    #[must_use]
    pub fn checksums(&self) -> String {
        let mut text = String::new();
        for (_, set) in &self.splits {
            let prefix = set.root.strip_prefix(&self.root).unwrap_or(&set.root);
            for (file, sum) in set.files.iter().zip(set.sums()) {
                text.push_str(&checksums::line(&prefix.join(&file.path), sum));
            }
        }
        text
    }
}

impl FolderDataset {
    /// Reads `root/class/**/image`.
    fn scan(root: &Path, channels: usize) -> Result<Self, DataError> {
        let classes = subfolders(root)?;
        if classes.is_empty() {
            let mut loose = entries(root)?;
            loose.retain(|entry| entry.kind == Kind::Image);
            let only = match loose.len() {
                0 => String::new(),
                count => format!(", only {}", counted(count, "loose image", "loose images")),
            };
            return Err(invalid(
                root,
                &format!(
                    "there are no class folders here{only}: put each image into a folder named after \
                     its class"
                ),
            ));
        }
        refuse_parts(root, &classes)?;
        let (mut files, mut labels) = (Vec::new(), Vec::new());
        let mut left_out = LeftOut::default();
        for (label, class) in classes.iter().enumerate() {
            let mut found = Found::default();
            found.search(root, Path::new(class))?;
            if found.images.is_empty() {
                let only = match found.left_out.count() {
                    0 => String::new(),
                    _ => format!(", only {}", found.left_out),
                };
                return Err(invalid(
                    &root.join(class),
                    &format!(
                        "this class folder has no images{only}: add images ({}) or remove the folder",
                        EXTENSIONS.join(", ")
                    ),
                ));
            }
            labels.resize(files.len() + found.images.len(), label);
            files.extend(found.images.into_iter().map(ImageFile::new));
            left_out.add(&found.left_out);
        }
        Ok(Self {
            root: root.into(),
            pack: None,
            channels,
            classes,
            files,
            labels,
            left_out,
        })
    }

    /// A split of a pack, whose images lie at the next of `places`.
    fn packed(
        path: &Path,
        channels: usize,
        pack: &Arc<PackFile>,
        part: &PackedSplit,
        places: &mut impl Iterator<Item = Stored>,
    ) -> Self {
        let files = part.images.iter().zip(places).map(|(image, stored)| {
            Arc::new(ImageFile {
                path: image.source.path.as_str().into(),
                sum: image.source.sum().into(),
                stored: Some(stored),
            })
        });
        Self {
            root: match part.split {
                Split::All => path.into(),
                _ => path.join(&part.folder),
            },
            pack: Some(pack.clone()),
            channels,
            classes: part.classes.clone(),
            files: files.collect(),
            labels: part.images.iter().map(|image| image.label).collect(),
            left_out: LeftOut::default(),
        }
    }

    /// Where the files are, and the path of file `index` from there.
    pub(crate) fn place(&self, index: usize) -> (&Path, &Path) {
        (&self.root, &self.files[index].path)
    }

    /// How many images have a checksum that occurs in `checksums`, whatever they are called there.
    #[must_use]
    pub fn known(&self, checksums: &str) -> usize {
        checksums::known(&self.sums(), checksums)
    }

    /// The hash of each file, in order. Reads those that have not been read yet, on all cores.
    fn sums(&self) -> Vec<Option<Sum>> {
        let sum = |file: &Arc<ImageFile>| self.sum(file);
        self.files.par_iter().map(sum).collect()
    }

    fn sum(&self, file: &ImageFile) -> Option<Sum> {
        let read = || checksums::of_file(&self.root.join(&file.path)).ok();
        *file.sum.get_or_init(read)
    }

    /// The images that cannot be read, by index, with errors that name the file. Decodes every image
    /// once, on all cores, and keeps no pixels.
    #[must_use]
    pub fn bad_images(&self) -> Vec<(usize, DataError)> {
        bad_images(self)
    }

    /// The same images without [`Self::bad_images`], and the reason for each of those.
    ///
    /// # Errors
    /// [`DataError`] when a class has no readable image left.
    pub fn without_bad_images(&self) -> Result<(Self, Vec<String>), DataError> {
        let bad = self.bad_images();
        if bad.is_empty() {
            return Ok((self.clone(), Vec::new()));
        }
        let mut is_good = vec![true; self.len()];
        for (index, _) in &bad {
            is_good[*index] = false;
        }
        let kept = || (0..self.len()).filter(|index| is_good[*index]);
        let good = Self {
            files: kept().map(|index| self.files[index].clone()).collect(),
            labels: kept().map(|index| self.labels[index]).collect(),
            ..self.clone()
        };
        for (label, class) in self.classes.iter().enumerate() {
            if !good.labels.contains(&label) {
                let problem = "no image in this class folder can be read";
                return Err(invalid(&self.root.join(class), problem));
            }
        }
        let reasons = bad.into_iter().map(|(_, error)| error.to_string());
        Ok((good, reasons.collect()))
    }
}

/// As [`FolderDataset::bad_images`], of any data set.
pub(crate) fn bad_images(dataset: &dyn Dataset) -> Vec<(usize, DataError)> {
    (0..dataset.len())
        .into_par_iter()
        .filter_map(|index| dataset.get(index).err().map(|error| (index, error)))
        .collect()
}

/// Both ways round, so that a misspelt class folder is named.
fn same_classes(root: &Path, found: &[String], expected: &[String]) -> Result<(), DataError> {
    if let Some(stray) = found.iter().find(|class| !expected.contains(class)) {
        return Err(invalid(
            root,
            &format!("the class `{stray}` is not in the train split"),
        ));
    }
    if let Some(absent) = expected.iter().find(|class| !found.contains(class)) {
        return Err(invalid(
            root,
            &format!("the class `{absent}` of the train split has no folder here"),
        ));
    }
    Ok(())
}

impl Dataset for FolderDataset {
    fn len(&self) -> usize {
        self.files.len()
    }

    fn get(&self, index: usize) -> Result<Sample, DataError> {
        let Some(file) = self.files.get(index) else {
            return Err(invalid(
                &self.root,
                &format!("there is no image {index}, the folder has {}", self.len()),
            ));
        };
        let path = self.root.join(&file.path);
        let image = match (&self.pack, &file.stored) {
            (Some(pack), Some(stored)) => pack.read(stored, &path, self.channels)?,
            _ => decode::read(&path, self.channels)?,
        };
        Ok(Sample {
            image,
            label: self.labels[index],
        })
    }

    fn label(&self, index: usize) -> usize {
        self.labels[index]
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn describe(&self, index: usize) -> String {
        match self.files.get(index) {
            Some(file) => self.root.join(&file.path).display().to_string(),
            None => format!("{}[{index}]", self.root.display()),
        }
    }

    fn checksum(&self, index: usize) -> Option<[u8; 32]> {
        self.sum(self.files.get(index)?)
    }

    /// The first 128 bits of a SHA-256 over the relative paths and the content of all files; where the
    /// folder is does not matter. The first call reads every file, on all cores.
    ///
    /// A pack whose images are those of the folder has the folder's; where images were made smaller, those count.
    fn fingerprint(&self) -> String {
        let mut hasher = Sha256::new();
        hasher.update([self.channels as u8]);
        for (file, sum) in self.files.iter().zip(self.sums()) {
            for part in &file.path {
                hasher.update(part.as_encoded_bytes());
                hasher.update(b"/");
            }
            // A file that cannot be read counts as such.
            hasher.update([u8::from(sum.is_some())]);
            hasher.update(sum.unwrap_or_default());
            if let Some(changed) = file.stored.and_then(|stored| stored.identity()) {
                hasher.update(changed);
            }
        }
        let mut digest = format!("{:x}", hasher.finalize());
        digest.truncate(32);
        digest
    }
}

#[cfg(test)]
#[path = "folder/tests.rs"]
mod tests;
