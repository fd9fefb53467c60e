//! MNIST and its relatives in the same files: Fashion-MNIST, KMNIST, EMNIST.
//!
//! Files are found under their usual names in a folder, or (EMNIST) in the zip archive that is
//! published.

use std::io::Read;
use std::path::{Path, PathBuf};

use firebrick_types::data::DataError;

use crate::idx::{Images, open, parse_images, parse_labels};
use crate::in_memory::InMemory;

/// One member of the family: where its files are found and how they are read.
#[derive(Debug, Clone)]
pub struct IdxSet {
    /// The name in messages.
    pub name: String,
    /// How the names of the train files begin: `train`, or `emnist-letters-train`.
    pub train: String,
    /// How the names of the test files begin: `t10k`, or `emnist-letters-test`.
    pub test: String,
    /// The class names.
    pub classes: Vec<String>,
    /// The label of the first class in the files: 0, or 1 for the letters of EMNIST.
    pub first_label: u8,
    /// Whether rows and columns are swapped in the files, as in EMNIST.
    pub transposed: bool,
}

/// Where the files of one set are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// In a folder.
    Folder(PathBuf),
    /// In a zip archive, such as EMNIST's `gzip.zip`.
    Zip(PathBuf),
}

/// What a file holds; it decides the name and the magic.
#[derive(Clone, Copy)]
enum Kind {
    Images,
    Labels,
}

impl Kind {
    /// The two spellings in use: `train-images-idx3-ubyte` and `train-images.idx3-ubyte`.
    fn names(self, stem: &str) -> [String; 2] {
        let (what, dimensions) = match self {
            Self::Images => ("images", 3),
            Self::Labels => ("labels", 1),
        };
        ["-", "."].map(|dash| format!("{stem}-{what}{dash}idx{dimensions}-ubyte"))
    }
}

impl IdxSet {
    /// The first of `folders` that holds the train images, in a file or in EMNIST's archive.
    #[must_use]
    pub fn locate(&self, folders: &[PathBuf]) -> Option<Location> {
        folders.iter().find_map(|folder| {
            if find(folder, &self.train, Kind::Images).is_some() {
                return Some(Location::Folder(folder.clone()));
            }
            // Only EMNIST is published as an archive; the name alone says nothing of the content.
            let archives = ["gzip.zip", "emnist.zip"].map(|name| folder.join(name));
            let archive = archives.into_iter().find(|path| path.is_file())?;
            self.train
                .starts_with("emnist")
                .then_some(Location::Zip(archive))
        })
    }

    /// Reads the train and the test split.
    ///
    /// # Errors
    /// [`DataError`] naming the file and what is wrong with it: absent, cut off, longer than its
    /// header says, of another kind, as many labels as there are not images, a label out of range.
    pub fn read(&self, location: &Location) -> Result<(InMemory, InMemory), DataError> {
        let train = self.split(location, &self.train, "train")?;
        let test = self.split(location, &self.test, "test")?;
        if train.size() != test.size() {
            return Err(DataError::Invalid(format!(
                "{}: the train images are {} × {} pixels, the test images {} × {}",
                self.name,
                train.size()[1],
                train.size()[0],
                test.size()[1],
                test.size()[0],
            )));
        }
        Ok((train, test))
    }

    fn split(&self, location: &Location, stem: &str, split: &str) -> Result<InMemory, DataError> {
        let (images, images_path) = location.open(stem, Kind::Images, parse_images)?;
        let (labels, path) = location.open(stem, Kind::Labels, parse_labels)?;
        if labels.len() != images.count {
            return Err(DataError::corrupt(
                path,
                format!(
                    "it holds {} labels, but {} holds {} images",
                    labels.len(),
                    images_path.display(),
                    images.count
                ),
            ));
        }
        let labels = self.classes_of(&labels, &path)?;
        let images = if self.transposed {
            transpose(&images)
        } else {
            images
        };
        InMemory::new(
            format!("{}/{split}", self.name),
            [images.rows, images.columns, 1],
            images.pixels,
            labels,
            self.classes.clone(),
        )
    }

    /// Labels counted from 0, checked.
    fn classes_of(&self, labels: &[u8], path: &Path) -> Result<Vec<usize>, DataError> {
        let first = usize::from(self.first_label);
        let classes = self.classes.len();
        let check = |(index, label): (usize, &u8)| {
            let label = usize::from(*label);
            label
                .checked_sub(first)
                .filter(|class| *class < classes)
                .ok_or_else(|| {
                    DataError::corrupt(
                        path,
                        format!(
                            "label {label} of image {index} is out of range: {} has the labels {first} to {}",
                            self.name,
                            first + classes - 1
                        ),
                    )
                })
        };
        labels.iter().enumerate().map(check).collect()
    }
}

impl Location {
    /// Opens the file of one kind and parses it; also gives its path, for messages.
    fn open<T>(
        &self,
        stem: &str,
        kind: Kind,
        parse: impl FnOnce(&mut dyn Read, &Path) -> Result<T, DataError>,
    ) -> Result<(T, PathBuf), DataError> {
        match self {
            Self::Folder(folder) => {
                let path = find(folder, stem, kind).ok_or_else(|| {
                    DataError::Invalid(format!(
                        "{}: there is no {}.gz (nor the same without .gz) beside the others",
                        folder.display(),
                        kind.names(stem)[0]
                    ))
                })?;
                let parsed = parse(&mut open(&path)?, &path)?;
                Ok((parsed, path))
            }
            Self::Zip(path) => {
                let damaged = |error: zip::result::ZipError| {
                    DataError::corrupt(path, format!("it cannot be read as a zip archive: {error}"))
                };
                let mut archive = zip::ZipArchive::new(open(path)?).map_err(damaged)?;
                let names = kind.names(stem);
                let is_wanted = |entry: &String| {
                    let file = entry.rsplit('/').next().unwrap_or_default();
                    let plain = file.strip_suffix(".gz").unwrap_or(file);
                    names.iter().any(|name| name == plain)
                };
                let mut entries = archive.file_names().map_while(Result::ok);
                let Some(entry) = entries.find_map(|e| Some(e.into_owned()).filter(is_wanted))
                else {
                    return Err(DataError::corrupt(
                        path,
                        format!("there is no {}.gz in it", names[0]),
                    ));
                };
                drop(entries);
                let inner = path.join(&entry);
                let mut file = archive.by_name(&entry).map_err(damaged)?;
                Ok((parse(&mut file, &inner)?, inner))
            }
        }
    }
}

/// The file in any of the four spellings.
fn find(folder: &Path, stem: &str, kind: Kind) -> Option<PathBuf> {
    let names = kind.names(stem);
    ["", ".gz"]
        .iter()
        .flat_map(|suffix| names.iter().map(move |name| format!("{name}{suffix}")))
        .map(|name| folder.join(name))
        .find(|path| path.is_file())
}

/// Swaps rows and columns of every image.
fn transpose(images: &Images) -> Images {
    let (rows, columns) = (images.rows, images.columns);
    let mut pixels = Vec::with_capacity(images.pixels.len());
    for image in images.pixels.chunks_exact(rows * columns) {
        for column in 0..columns {
            pixels.extend(image[column..].iter().step_by(columns));
        }
    }
    Images {
        rows: columns,
        columns: rows,
        pixels,
        count: images.count,
    }
}

#[cfg(test)]
#[path = "mnist/tests.rs"]
mod tests;
