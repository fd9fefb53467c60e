//! Image folders: `split/class/image` or `class/image`, decoded one by one when they are asked for.

use std::fs;
use std::path::{Path, PathBuf};

use firebrick_core::data::{DataError, Dataset, Sample};
use rayon::prelude::*;
use sha2::{Digest, Sha256};

use crate::decode::decode;

/// The names that the validation split goes by.
const VALID: [&str; 3] = ["val", "valid", "validation"];
/// File names that are taken for images; the content then decides the format.
const EXTENSIONS: [&str; 11] = [
    "jpg", "jpeg", "jpe", "jfif", "png", "webp", "bmp", "dib", "gif", "tif", "tiff",
];

/// Labelled image files. Only their paths are in memory.
#[derive(Debug, Clone)]
pub struct FolderDataset {
    root: PathBuf,
    channels: usize,
    classes: Vec<String>,
    files: Vec<Entry>,
    ignored: usize,
    fingerprint: String,
}

#[derive(Debug, Clone)]
struct Entry {
    /// Relative to the root.
    path: PathBuf,
    bytes: u64,
    label: usize,
}

/// The splits of an image folder.
#[derive(Debug, Clone)]
pub struct Folders {
    /// `train`, or everything when the folders below are classes.
    pub train: FolderDataset,
    /// `val`, `valid` or `validation`, if there is one.
    pub valid: Option<FolderDataset>,
    /// `test`, if there is one.
    pub test: Option<FolderDataset>,
}

/// Reads the names of the images below `root`; `channels` (1 or 3) is what they will be decoded to.
///
/// When `root/train` has folders in it, the folders of `root` are splits (`train`; `val`, `valid`
/// or `validation`; `test`), else they are classes. Classes are sorted by name, and the images of
/// one class by path. Folders inside a class are searched too; links are followed, once. Names
/// that begin with `.` or `__` are skipped; files without an image extension are counted.
///
/// # Errors
/// [`DataError`] naming the folder: it does not exist, has no class folders or a single one, a
/// class without an image, a folder beside `train` that is no split, or a split whose classes are
/// not those of `train`.
pub fn open(root: &Path, channels: usize) -> Result<Folders, DataError> {
    let folders = subfolders(root)?;
    let train = root.join("train");
    if !folders.iter().any(|name| name == "train") || subfolders(&train)?.is_empty() {
        return Ok(Folders {
            train: FolderDataset::scan(root, channels, None)?,
            valid: None,
            test: None,
        });
    }
    let valid: Vec<_> = folders
        .iter()
        .filter(|name| VALID.contains(&name.as_str()))
        .collect();
    if valid.len() > 1 {
        return Err(invalid(
            root,
            &format!(
                "`{}` and `{}` are both validation splits: keep one",
                valid[0], valid[1]
            ),
        ));
    }
    let is_split = |name: &str| name == "train" || name == "test" || VALID.contains(&name);
    if let Some(stray) = folders.iter().find(|name| !is_split(name)) {
        return Err(invalid(
            root,
            &format!(
                "`{stray}` lies beside `train` but is no split: rename it to val or test, or move \
                 it away"
            ),
        ));
    }
    let train = FolderDataset::scan(&train, channels, None)?;
    let split = |name: &str| {
        FolderDataset::scan(&root.join(name), channels, Some(&train.classes)).map(Some)
    };
    let valid = valid
        .first()
        .map_or(Ok(None), |name| split(name.as_str()))?;
    let has_test = folders.iter().any(|name| name == "test");
    let test = if has_test { split("test")? } else { None };
    Ok(Folders { train, valid, test })
}

fn invalid(folder: &Path, problem: &str) -> DataError {
    DataError::Invalid(format!("{}: {problem}", folder.display()))
}

fn is_hidden(name: &str) -> bool {
    name.starts_with('.') || name.starts_with("__")
}

/// The names in a folder, sorted, without hidden ones.
fn names(folder: &Path) -> Result<Vec<String>, DataError> {
    let io = |source| DataError::io(folder, source);
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(io)? {
        let name = entry.map_err(io)?.file_name();
        let Some(name) = name.to_str() else {
            return Err(invalid(
                folder,
                &format!(
                    "the name `{}` is not valid UTF-8: rename it",
                    name.display()
                ),
            ));
        };
        if !is_hidden(name) {
            names.push(name.to_string());
        }
    }
    names.sort();
    Ok(names)
}

fn subfolders(folder: &Path) -> Result<Vec<String>, DataError> {
    let mut names = names(folder)?;
    names.retain(|name| folder.join(name).is_dir());
    Ok(names)
}

fn is_image(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|extension| {
        EXTENSIONS
            .iter()
            .any(|known| known.eq_ignore_ascii_case(extension))
    })
}

impl FolderDataset {
    /// Reads `root/class/**/image`; `expected` are the classes that must be there.
    fn scan(root: &Path, channels: usize, expected: Option<&[String]>) -> Result<Self, DataError> {
        let classes = subfolders(root)?;
        if classes.is_empty() {
            let loose = names(root)?
                .iter()
                .filter(|name| is_image(Path::new(name)))
                .count();
            return Err(invalid(
                root,
                &format!(
                    "there are no class folders here ({loose} images lie loose): put each image into \
                     a folder named after its class"
                ),
            ));
        }
        match expected {
            Some(expected) => same_classes(root, &classes, expected)?,
            None if classes.len() == 1 => {
                return Err(invalid(
                    root,
                    &format!(
                        "`{}` is the only class folder: at least two classes are needed, as \
                         class/image or as train/class/image",
                        classes[0]
                    ),
                ));
            }
            None => {}
        }
        let mut found = Self {
            root: root.into(),
            channels,
            files: Vec::new(),
            ignored: 0,
            fingerprint: String::new(),
            classes,
        };
        for (label, class) in found.classes.clone().iter().enumerate() {
            let (before, ignored) = (found.files.len(), found.ignored);
            found.collect(Path::new(class), label, &mut Vec::new())?;
            if found.files.len() == before {
                return Err(invalid(
                    &root.join(class),
                    &format!(
                        "this class folder holds no image ({} other files): fill it or remove it",
                        found.ignored - ignored
                    ),
                ));
            }
        }
        found.fingerprint = found.hash();
        Ok(found)
    }

    /// Collects the images below `folder`; `above` are the real paths of the folders around it, so
    /// that a link to one of them ends there.
    fn collect(
        &mut self,
        folder: &Path,
        label: usize,
        above: &mut Vec<PathBuf>,
    ) -> Result<(), DataError> {
        let absolute = self.root.join(folder);
        let real =
            fs::canonicalize(&absolute).map_err(|source| DataError::io(&absolute, source))?;
        if above.contains(&real) {
            return Ok(());
        }
        above.push(real);
        for name in names(&absolute)? {
            let path = folder.join(name);
            let absolute = self.root.join(&path);
            if absolute.is_dir() {
                self.collect(&path, label, above)?;
            } else if is_image(&path) {
                // A dangling link is kept: reading it says what is wrong.
                let bytes = fs::metadata(&absolute).map_or(0, |metadata| metadata.len());
                self.files.push(Entry { path, bytes, label });
            } else {
                self.ignored += 1;
            }
        }
        above.pop();
        Ok(())
    }

    /// SHA-256 over relative paths and sizes, cut to 128 bits; the pixels are not read for it.
    fn hash(&self) -> String {
        let mut hasher = Sha256::new();
        hasher.update([self.channels as u8]);
        for file in &self.files {
            for part in &file.path {
                hasher.update(part.as_encoded_bytes());
                hasher.update(b"/");
            }
            hasher.update(file.bytes.to_le_bytes());
        }
        let mut digest = format!("{:x}", hasher.finalize());
        digest.truncate(32);
        digest
    }

    /// Files that are no images by their name and were left out.
    #[must_use]
    pub fn ignored(&self) -> usize {
        self.ignored
    }

    /// Decodes every image once and leaves out those that cannot be read; also gives the reasons,
    /// each naming its file, in the order of the files. Runs on all cores and keeps no pixels.
    ///
    /// # Errors
    /// [`DataError`] when a class has no readable image left.
    pub fn without_bad_images(&self) -> Result<(Self, Vec<String>), DataError> {
        let check = |index| self.get(index).err().map(|error| error.to_string());
        let problems: Vec<Option<String>> = (0..self.len()).into_par_iter().map(check).collect();
        let mut good = self.clone();
        let mut is_good = problems.iter().map(Option::is_none);
        good.files.retain(|_| is_good.next().unwrap_or(true));
        for (label, class) in self.classes.iter().enumerate() {
            if !good.files.iter().any(|file| file.label == label) {
                let problem = "this class folder holds no image that can be read";
                return Err(invalid(&self.root.join(class), problem));
            }
        }
        good.fingerprint = good.hash();
        Ok((good, problems.into_iter().flatten().collect()))
    }
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
        let bytes = fs::read(&path).map_err(|source| DataError::io(&path, source))?;
        Ok(Sample {
            image: decode(&path, &bytes, self.channels)?,
            label: file.label,
        })
    }

    fn label(&self, index: usize) -> usize {
        self.files[index].label
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

    fn fingerprint(&self) -> String {
        self.fingerprint.clone()
    }
}

#[cfg(test)]
#[path = "folder/tests.rs"]
mod tests;
