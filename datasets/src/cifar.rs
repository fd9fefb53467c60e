//! CIFAR-10 and CIFAR-100 in their binary version: a folder of `.bin` files, or the `.tar.gz` that
//! is published.
//!
//! A record is the label (CIFAR-100: the coarse label, then the fine one) and 3072 values: the red
//! plane of 32 × 32, the green one, the blue one. Source: <https://www.cs.toronto.edu/~kriz/cifar.html>.

use std::fs::File;
use std::io::{BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};

use firebrick_types::data::DataError;
use flate2::read::GzDecoder;
use serde::{Deserialize, Serialize};

use crate::in_memory::InMemory;

const SIDE: usize = 32;
const PLANE: usize = SIDE * SIDE;

/// Which of the two sets, and for CIFAR-100 which labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cifar {
    /// Ten classes.
    Ten,
    /// A hundred classes, or the twenty groups of them.
    Hundred(Labels),
}

/// The labels of CIFAR-100.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Labels {
    /// The hundred classes.
    #[default]
    Fine,
    /// The twenty groups of five.
    Coarse,
}

/// Where the files are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// A folder of `.bin` files.
    Folder(PathBuf),
    /// The published `.tar.gz`.
    Archive(PathBuf),
}

impl Cifar {
    /// The name of the folder in the archive.
    fn folder(self) -> &'static str {
        match self {
            Self::Ten => "cifar-10-batches-bin",
            Self::Hundred(_) => "cifar-100-binary",
        }
    }

    /// The name of the published archive.
    #[must_use]
    pub fn archive(self) -> &'static str {
        match self {
            Self::Ten => "cifar-10-binary.tar.gz",
            Self::Hundred(_) => "cifar-100-binary.tar.gz",
        }
    }

    /// The train files in order, then the test file.
    fn files(self) -> &'static [&'static str] {
        match self {
            Self::Ten => &[
                "data_batch_1.bin",
                "data_batch_2.bin",
                "data_batch_3.bin",
                "data_batch_4.bin",
                "data_batch_5.bin",
                "test_batch.bin",
            ],
            Self::Hundred(_) => &["train.bin", "test.bin"],
        }
    }

    /// Bytes of labels before the pixels of a record, and which of them is the label.
    fn label_bytes(self) -> (usize, usize) {
        match self {
            Self::Ten => (1, 0),
            Self::Hundred(Labels::Coarse) => (2, 0),
            Self::Hundred(Labels::Fine) => (2, 1),
        }
    }

    /// The class names in the order of the labels.
    #[must_use]
    pub fn classes(self) -> &'static [&'static str] {
        match self {
            Self::Ten => &CIFAR10,
            Self::Hundred(Labels::Fine) => &CIFAR100,
            Self::Hundred(Labels::Coarse) => &CIFAR100_COARSE,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Ten => "cifar10",
            Self::Hundred(_) => "cifar100",
        }
    }

    /// The first of `folders` that holds the files, their folder, or the archive.
    #[must_use]
    pub fn locate(self, folders: &[PathBuf]) -> Option<Location> {
        folders.iter().find_map(|folder| {
            let inner = folder.join(self.folder());
            for candidate in [folder, &inner] {
                if candidate.join(self.files()[0]).is_file() {
                    return Some(Location::Folder(candidate.clone()));
                }
            }
            let archive = folder.join(self.archive());
            archive.is_file().then_some(Location::Archive(archive))
        })
    }

    /// Reads the train and the test split.
    ///
    /// # Errors
    /// [`DataError`] naming the file, and the record when it is cut off or its label is out of range.
    pub fn read(self, location: &Location) -> Result<(InMemory, InMemory), DataError> {
        let files = self.files();
        let mut parts: Vec<Option<Records>> = files.iter().map(|_| None).collect();
        match location {
            Location::Folder(folder) => {
                for (part, file) in parts.iter_mut().zip(files) {
                    let path = folder.join(file);
                    let file = File::open(&path).map_err(|source| DataError::io(&path, source))?;
                    *part = Some(self.records(BufReader::new(file), &path)?);
                }
            }
            Location::Archive(path) => self.read_archive(path, &mut parts)?,
        }
        let mut found = Vec::new();
        for (part, file) in parts.into_iter().zip(files) {
            found.push(part.ok_or_else(|| {
                let path = match location {
                    Location::Folder(path) | Location::Archive(path) => path,
                };
                DataError::corrupt(path, format!("there is no {file} in it"))
            })?);
        }
        let test = found.pop().unwrap_or_default();
        let train = found
            .into_iter()
            .reduce(Records::append)
            .unwrap_or_default();
        Ok((self.set(train, "train")?, self.set(test, "test")?))
    }

    fn set(self, records: Records, split: &str) -> Result<InMemory, DataError> {
        InMemory::new(
            format!("{}/{split}", self.name()),
            [SIDE, SIDE, 3],
            records.pixels,
            records.labels,
            self.classes()
                .iter()
                .map(|name| (*name).to_string())
                .collect(),
        )
    }

    fn read_archive(self, path: &Path, parts: &mut [Option<Records>]) -> Result<(), DataError> {
        let damaged = |source: std::io::Error| match source.kind() {
            ErrorKind::UnexpectedEof => {
                DataError::corrupt(path, "the archive is cut off: download it again")
            }
            _ => DataError::corrupt(path, format!("it cannot be read as .tar.gz: {source}")),
        };
        let file = File::open(path).map_err(|source| DataError::io(path, source))?;
        let mut archive = tar::Archive::new(GzDecoder::new(BufReader::new(file)));
        for entry in archive.entries().map_err(damaged)? {
            let entry = entry.map_err(damaged)?;
            let inside = entry.path().map_err(damaged)?.into_owned();
            let known = self
                .files()
                .iter()
                .position(|file| inside.file_name().is_some_and(|name| name == *file));
            if let Some(index) = known {
                parts[index] = Some(self.records(entry, &path.join(inside))?);
            }
        }
        Ok(())
    }

    /// Reads whole records to the end of `reader`.
    fn records(self, mut reader: impl Read, path: &Path) -> Result<Records, DataError> {
        let (label_bytes, label_at) = self.label_bytes();
        let mut record = vec![0; label_bytes + 3 * PLANE];
        let mut records = Records::default();
        loop {
            let read = fill(&mut reader, &mut record).map_err(|source| match source.kind() {
                ErrorKind::UnexpectedEof | ErrorKind::InvalidInput | ErrorKind::InvalidData => {
                    DataError::corrupt(
                        path,
                        format!(
                            "the compressed data breaks in record {}: {source}",
                            records.len()
                        ),
                    )
                }
                _ => DataError::io(path, source),
            })?;
            let index = records.len();
            if read == 0 && index > 0 {
                return Ok(records);
            }
            if read < record.len() {
                return Err(DataError::corrupt(
                    path,
                    format!(
                        "record {index} (from 0) is cut off: expected {} bytes from byte {}, found {read}",
                        record.len(),
                        index * record.len(),
                    ),
                ));
            }
            let label = usize::from(record[label_at]);
            if label >= self.classes().len() {
                return Err(DataError::corrupt(
                    path,
                    format!(
                        "label {label} of record {index} (byte {}) is out of range: the labels are 0 to {}",
                        index * record.len() + label_at,
                        self.classes().len() - 1
                    ),
                ));
            }
            records.labels.push(label);
            let (red, rest) = record[label_bytes..].split_at(PLANE);
            let (green, blue) = rest.split_at(PLANE);
            let pixels = red.iter().zip(green).zip(blue);
            records
                .pixels
                .extend(pixels.flat_map(|((r, g), b)| [*r, *g, *b]));
        }
    }
}

/// The content of one file, pixels interleaved.
#[derive(Default)]
struct Records {
    pixels: Vec<u8>,
    labels: Vec<usize>,
}

impl Records {
    fn len(&self) -> usize {
        self.labels.len()
    }

    fn append(mut self, other: Self) -> Self {
        self.pixels.extend(other.pixels);
        self.labels.extend(other.labels);
        self
    }
}

/// Fills `buffer` as far as the reader goes; gives the number of bytes.
fn fill(reader: &mut impl Read, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

const CIFAR10: [&str; 10] = [
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
];

#[rustfmt::skip]
const CIFAR100: [&str; 100] = [
    "apple", "aquarium_fish", "baby", "bear", "beaver", "bed", "bee", "beetle", "bicycle", "bottle",
    "bowl", "boy", "bridge", "bus", "butterfly", "camel", "can", "castle", "caterpillar", "cattle",
    "chair", "chimpanzee", "clock", "cloud", "cockroach", "couch", "crab", "crocodile", "cup", "dinosaur",
    "dolphin", "elephant", "flatfish", "forest", "fox", "girl", "hamster", "house", "kangaroo", "keyboard",
    "lamp", "lawn_mower", "leopard", "lion", "lizard", "lobster", "man", "maple_tree", "motorcycle", "mountain",
    "mouse", "mushroom", "oak_tree", "orange", "orchid", "otter", "palm_tree", "pear", "pickup_truck", "pine_tree",
    "plain", "plate", "poppy", "porcupine", "possum", "rabbit", "raccoon", "ray", "road", "rocket",
    "rose", "sea", "seal", "shark", "shrew", "skunk", "skyscraper", "snail", "snake", "spider",
    "squirrel", "streetcar", "sunflower", "sweet_pepper", "table", "tank", "telephone", "television", "tiger", "tractor",
    "train", "trout", "tulip", "turtle", "wardrobe", "whale", "willow_tree", "wolf", "woman", "worm",
];

#[rustfmt::skip]
const CIFAR100_COARSE: [&str; 20] = [
    "aquatic_mammals", "fish", "flowers", "food_containers", "fruit_and_vegetables",
    "household_electrical_devices", "household_furniture", "insects", "large_carnivores",
    "large_man-made_outdoor_things", "large_natural_outdoor_scenes", "large_omnivores_and_herbivores",
    "medium_mammals", "non-insect_invertebrates", "people", "reptiles", "small_mammals", "trees",
    "vehicles_1", "vehicles_2",
];

#[cfg(test)]
#[path = "cifar/tests.rs"]
mod tests;
