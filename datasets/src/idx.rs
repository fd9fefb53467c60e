//! IDX, the format of MNIST and its relatives: Fashion-MNIST, KMNIST, EMNIST.
//!
//! A file is four bytes of magic (`00 00`, the type of a value, the number of dimensions), one
//! big-endian `u32` for each dimension, and the values. Files are read plain or gzipped, whatever
//! their name says, from a folder or (EMNIST) from the zip archive that is published.
//! Source: <http://yann.lecun.com/exdb/mnist/>, section "file formats".

use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};

use firebrick_core::data::DataError;
use flate2::read::GzDecoder;

use crate::in_memory::InMemory;

/// No IDX set is nearly as large; a header that asks for more is taken for damage.
const MOST_BYTES: u64 = 4 << 30;

/// The images of one IDX file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Images {
    /// The number of images.
    pub count: usize,
    /// Height in pixels.
    pub rows: usize,
    /// Width in pixels.
    pub columns: usize,
    /// `count * rows * columns` grey values, row by row.
    pub pixels: Vec<u8>,
}

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
            transpose(images)
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

fn open(path: &Path) -> Result<BufReader<File>, DataError> {
    File::open(path)
        .map(BufReader::new)
        .map_err(|source| DataError::io(path, source))
}

/// Reads an IDX file of images, plain or gzipped.
///
/// # Errors
/// [`DataError`] naming the file, the place in it and what was expected.
pub fn images(path: &Path) -> Result<Images, DataError> {
    parse_images(&mut open(path)?, path)
}

/// Reads an IDX file of labels, plain or gzipped.
///
/// # Errors
/// [`DataError`] naming the file, the place in it and what was expected.
pub fn labels(path: &Path) -> Result<Vec<u8>, DataError> {
    parse_labels(&mut open(path)?, path)
}

fn parse_images(reader: &mut dyn Read, path: &Path) -> Result<Images, DataError> {
    let ([count, rows, columns], pixels) = parse(reader, path)?;
    if rows == 0 || columns == 0 {
        return Err(DataError::corrupt(
            path,
            format!("its header says that the images have {rows} rows of {columns} pixels"),
        ));
    }
    Ok(Images {
        count,
        rows,
        columns,
        pixels,
    })
}

fn parse_labels(reader: &mut dyn Read, path: &Path) -> Result<Vec<u8>, DataError> {
    let ([_], labels) = parse(reader, path)?;
    Ok(labels)
}

/// Reads a file of bytes in `D` dimensions. Memory follows what is really in the file, not what
/// its header promises.
fn parse<const D: usize>(
    reader: &mut dyn Read,
    path: &Path,
) -> Result<([usize; D], Vec<u8>), DataError> {
    let mut reader = BufReader::new(reader);
    let start = reader
        .fill_buf()
        .map_err(|source| DataError::io(path, source))?;
    if start.starts_with(&[0x1f, 0x8b]) {
        parse_plain(&mut GzDecoder::new(reader), path)
    } else {
        parse_plain(&mut reader, path)
    }
}

fn parse_plain<const D: usize>(
    reader: &mut dyn Read,
    path: &Path,
) -> Result<([usize; D], Vec<u8>), DataError> {
    let corrupt = |problem: String| Err(DataError::corrupt(path, problem));
    let header = read_up_to(reader, 4 + 4 * D as u64, path)?;
    let Some((magic, sizes)) = header
        .split_at_checked(4)
        .filter(|_| header.len() == 4 + 4 * D)
    else {
        return corrupt(format!(
            "it ends after {} bytes, inside the IDX header of {} bytes",
            header.len(),
            4 + 4 * D
        ));
    };
    let expected = [0, 0, 8, D as u8];
    if magic != expected {
        let hint = match magic {
            [0, 0, 8, 1] => "; this is a file of labels",
            [0, 0, 8, 3] => "; this is a file of images",
            _ => "",
        };
        return corrupt(format!(
            "its first four bytes are {}, expected {} (IDX, bytes, {D} dimensions){hint}",
            hex(magic),
            hex(&expected)
        ));
    }
    let mut shape = [0usize; D];
    let mut total = Some(1u64);
    for (side, bytes) in shape.iter_mut().zip(sizes.chunks_exact(4)) {
        let size = bytes
            .iter()
            .fold(0u32, |size, byte| size << 8 | u32::from(*byte));
        *side = size as usize;
        total = total.and_then(|total| total.checked_mul(u64::from(size)));
    }
    let promised = || shape.map(|side| side.to_string()).join(" × ");
    let Some(total) = total.filter(|total| *total <= MOST_BYTES) else {
        return corrupt(format!(
            "its header promises {} values, more than any IDX data set holds: the header is damaged",
            promised()
        ));
    };
    // One more than promised shows a file that goes on.
    let values = read_up_to(reader, total + 1, path)?;
    let found = values.len() as u64;
    if found != total {
        let (how, found) = if found < total {
            ("ends too early", found.to_string())
        } else {
            ("goes on too long", "more".to_string())
        };
        return corrupt(format!(
            "it {how}: its header promises {} = {total} values, found {found}",
            promised()
        ));
    }
    Ok((shape, values))
}

/// Reads at most `most` bytes.
fn read_up_to(reader: &mut dyn Read, most: u64, path: &Path) -> Result<Vec<u8>, DataError> {
    let mut bytes = Vec::with_capacity(most.min(64 << 20) as usize);
    match reader.take(most).read_to_end(&mut bytes) {
        Ok(_) => Ok(bytes),
        Err(source) => Err(match source.kind() {
            ErrorKind::UnexpectedEof => DataError::corrupt(
                path,
                format!(
                    "the compressed data is cut off, {} bytes into this part of its content",
                    bytes.len()
                ),
            ),
            ErrorKind::InvalidInput | ErrorKind::InvalidData => DataError::corrupt(
                path,
                format!(
                    "the compressed data is damaged, {} bytes into this part of its content: {source}",
                    bytes.len()
                ),
            ),
            _ => DataError::io(path, source),
        }),
    }
}

fn hex(bytes: &[u8]) -> String {
    let words: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    words.join(" ")
}

/// Swaps rows and columns of every image.
fn transpose(images: Images) -> Images {
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
        ..images
    }
}

#[cfg(test)]
#[path = "idx/tests.rs"]
mod tests;
