//! Downloads the files of a data set, and verifies files that are already there.

use std::path::{Path, PathBuf};

use firebrick_types::checksum;
use firebrick_types::data::DataError;
use firebrick_types::spec::Spec;

use crate::catalogue::{UnpackedFile, folders, info};
use crate::dataset_error::DatasetError;

/// Downloads the files of a data set below `data_dir`, leaving those that are already right, and
/// gives their folder. `progress` is called with the name of the file, the bytes done, and the
/// bytes in all.
///
/// # Errors
/// An unknown name, a set without files, or what the download says: no network, a broken transfer, another
/// content than expected.
pub fn fetch(
    name: &str,
    data_dir: &Path,
    progress: &mut dyn FnMut(&str, u64, Option<u64>),
) -> Result<PathBuf, DatasetError> {
    let entry = info(name)?;
    let Some(folder) = folders(&entry.build, data_dir).into_iter().next() else {
        let problem = format!(
            "`{}` is built in: there is nothing to download",
            entry.about.name
        );
        return Err(DataError::Invalid(problem).into());
    };
    for file in entry.build.files {
        let mut progress = |done, total: Option<u64>| {
            progress(file.name, done, total.or(Some(file.bytes)));
        };
        download(
            &file.url(),
            file.sha256,
            &folder.join(file.name),
            &mut progress,
        )?;
    }
    Ok(folder)
}

#[cfg(feature = "download")]
use firebrick_download::fetch as download;

#[cfg(not(feature = "download"))]
fn download(
    url: &str,
    _sha256: &str,
    target: &Path,
    _progress: &mut dyn FnMut(u64, Option<u64>),
) -> Result<(), DataError> {
    Err(DataError::Invalid(format!(
        "this program was built without downloads: build it with `--features download`, or put {url} at {} by hand",
        target.display()
    )))
}

/// One published file as it is on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileCheck {
    /// Where it is, or would be.
    pub path: PathBuf,
    /// Whether it is what was published.
    pub state: FileState,
}

/// Whether a file is what was published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileState {
    /// Size and hash are right.
    Good,
    /// It does not exist.
    Missing,
    /// The data set is there in another form and can be read in full, but the hashes of that form are
    /// not known.
    Readable,
    /// It has another size.
    WrongSize {
        /// In bytes.
        expected: u64,
        /// In bytes.
        found: u64,
    },
    /// It has the right size and another hash.
    WrongHash {
        /// The SHA-256 that was published.
        expected: String,
        /// The SHA-256 of the file.
        found: String,
    },
}

impl std::fmt::Display for FileState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Good => f.write_str("good"),
            Self::Missing => f.write_str("missing"),
            Self::Readable => f.write_str(
                "can be read in full, but is not in the published form for which checksums are known",
            ),
            Self::WrongSize { expected, found } => {
                write!(f, "has {found} bytes, expected {expected}")
            }
            Self::WrongHash { expected, found } => {
                write!(f, "has sha256 {found}, expected {expected}")
            }
        }
    }
}

impl FileState {
    /// Whether nothing is wrong with the file.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        matches!(self, Self::Good | Self::Readable)
    }
}

/// Compares the files of a data set below `data_dir` with the published sizes and hashes; empty for a
/// data set without files. When a published file is missing, the files that it unpacks to are checked
/// instead; when all are missing, any other form of the data set that can be trained on is read.
///
/// # Errors
/// An unknown name, or a file that cannot be read.
pub fn verify(name: &str, data_dir: &Path) -> Result<Vec<FileCheck>, DatasetError> {
    let entry = info(name)?;
    let folders = folders(&entry.build, data_dir);
    let mut checks = Vec::new();
    for file in entry.build.files {
        let published = Expected {
            names: vec![file.name.into()],
            bytes: file.bytes,
            sha256: file.sha256,
        };
        let check = published.check(&folders)?;
        if check.state != FileState::Missing {
            checks.push(check);
            continue;
        }
        let unpacked = file
            .unpacked
            .iter()
            .map(|file| Expected::from(file).check(&folders));
        let unpacked: Vec<_> = unpacked.collect::<Result<_, _>>()?;
        if unpacked
            .iter()
            .any(|check| check.state != FileState::Missing)
        {
            checks.extend(unpacked);
        } else {
            checks.push(check);
        }
    }
    let missing = |check: &FileCheck| check.state == FileState::Missing;
    if !checks.is_empty()
        && checks.iter().all(missing)
        && (entry.build.read)(&Spec::new(entry.about.name), &folders)?.is_some()
    {
        let path = folders.into_iter().find(|folder| folder.is_dir());
        return Ok(vec![FileCheck {
            path: path.unwrap_or_else(|| data_dir.into()),
            state: FileState::Readable,
        }]);
    }
    Ok(checks)
}

/// A file with a known hash.
struct Expected {
    /// Its possible places in a folder, the usual one first.
    names: Vec<PathBuf>,
    bytes: u64,
    sha256: &'static str,
}

impl From<&UnpackedFile> for Expected {
    fn from(file: &UnpackedFile) -> Self {
        // Some mirrors write `train-images.idx3-ubyte`.
        let names = [file.name.to_string(), file.name.replace("-idx", ".idx")];
        let inside = names.iter().map(|name| Path::new(file.folder).join(name));
        Self {
            names: names.iter().map(PathBuf::from).chain(inside).collect(),
            bytes: file.bytes,
            sha256: file.sha256,
        }
    }
}

impl Expected {
    /// Checks the first of its places that has it.
    fn check(&self, folders: &[PathBuf]) -> Result<FileCheck, DatasetError> {
        let places = folders
            .iter()
            .flat_map(|folder| self.names.iter().map(|name| folder.join(name)));
        let mut places = places.peekable();
        let first = places.peek().cloned().unwrap_or_default();
        let Some(path) = places.find(|path| path.is_file()) else {
            return Ok(FileCheck {
                path: first,
                state: FileState::Missing,
            });
        };
        let found = std::fs::metadata(&path)
            .map_err(|source| DataError::io(&path, source))?
            .len();
        let expected = self.bytes;
        if found != expected {
            let state = FileState::WrongSize { expected, found };
            return Ok(FileCheck { path, state });
        }
        let found = checksum::of_file(&path).map_err(|source| DataError::io(&path, source))?;
        let state = if found == self.sha256 {
            FileState::Good
        } else {
            FileState::WrongHash {
                expected: self.sha256.into(),
                found,
            }
        };
        Ok(FileCheck { path, state })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shared() -> PathBuf {
        concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data").into()
    }

    #[test]
    fn verify_tells_good_files_from_others() {
        let folder = tempfile::tempdir().unwrap();
        let states = |name: &str, folder: &Path| -> Vec<FileState> {
            let checks = verify(name, folder).unwrap();
            checks.into_iter().map(|check| check.state).collect()
        };
        assert_eq!(states("mnist", folder.path()), vec![FileState::Missing; 4]);
        assert_eq!(states("glyphs", folder.path()), []);
        std::fs::create_dir(folder.path().join("mnist")).unwrap();
        let labels = folder.path().join("mnist/t10k-labels-idx1-ubyte.gz");
        std::fs::write(&labels, b"short").unwrap();
        assert_eq!(
            states("mnist", folder.path())[3],
            FileState::WrongSize {
                expected: 4_542,
                found: 5
            }
        );
        std::fs::write(&labels, vec![0; 4_542]).unwrap();
        let checks = verify("mnist", folder.path()).unwrap();
        assert_eq!(checks[3].path, labels);
        assert!(
            checks[3].state.to_string().starts_with("has sha256"),
            "{}",
            checks[3].state
        );
    }

    #[test]
    fn the_real_files_have_the_listed_hashes() {
        for name in ["mnist", "fashion_mnist"] {
            let checks = verify(name, &shared()).unwrap();
            if checks.iter().all(|check| check.state == FileState::Missing) {
                println!("SKIPPED: {name} is not in {}", shared().display());
                continue;
            }
            assert!(
                checks.iter().all(|check| check.state == FileState::Good),
                "{checks:?}"
            );
        }
    }

    #[test]
    fn unpacked_files_are_compared_with_what_the_archive_holds() {
        let temp = tempfile::tempdir().unwrap();
        let inner = temp.path().join("cifar10/cifar-10-batches-bin");
        std::fs::create_dir_all(&inner).unwrap();
        // The right size and other bytes in one file, the wrong size in another.
        let sized = std::fs::File::create(inner.join("data_batch_2.bin")).unwrap();
        sized.set_len(30_730_000).unwrap();
        std::fs::write(inner.join("test_batch.bin"), b"short").unwrap();
        let checks = verify("cifar10", temp.path()).unwrap();
        let states: Vec<_> = checks.iter().map(|check| &check.state).collect();
        assert_eq!(
            states.len(),
            6,
            "each of the files in the archive: {checks:?}"
        );
        assert!(
            matches!(states[1], FileState::WrongHash { .. }),
            "{checks:?}"
        );
        assert!(matches!(states[5], FileState::WrongSize { found: 5, .. }));
        assert!(
            states
                .iter()
                .filter(|state| ***state == FileState::Missing)
                .count()
                == 4
        );
        assert!(checks.iter().all(|check| !check.state.is_sound()));
    }

    #[test]
    fn a_form_without_known_hashes_is_read_in_full() {
        let temp = tempfile::tempdir().unwrap();
        let folder = temp.path().join("cifar100");
        std::fs::create_dir(&folder).unwrap();
        let record = [vec![1, 1], vec![7; 3072]].concat();
        for name in ["train.bin", "test.bin"] {
            std::fs::write(folder.join(name), record.repeat(3)).unwrap();
        }
        let checks = verify("cifar100", temp.path()).unwrap();
        let expected = FileCheck {
            path: folder.clone(),
            state: FileState::Readable,
        };
        assert_eq!(checks, [expected]);
        std::fs::write(folder.join("train.bin"), &record[..100]).unwrap();
        let error = verify("cifar100", temp.path()).unwrap_err().to_string();
        assert!(
            error.contains("train.bin") && error.contains("cut off"),
            "{error}"
        );
    }

    #[test]
    fn the_real_files_unpacked_have_the_listed_hashes() {
        use std::io::Read;
        let temp = tempfile::tempdir().unwrap();
        for (set, folder) in [("mnist", "mnist"), ("fashion_mnist", "fashion-mnist")] {
            let packed = shared().join(folder);
            if !packed.is_dir() {
                println!("SKIPPED: {set} is not in {}", shared().display());
                continue;
            }
            std::fs::create_dir(temp.path().join(set)).unwrap();
            for file in info(set).unwrap().build.files {
                let packed = std::fs::File::open(packed.join(file.name)).unwrap();
                let mut bytes = Vec::new();
                flate2::read::GzDecoder::new(packed)
                    .read_to_end(&mut bytes)
                    .unwrap();
                let name = file.name.trim_end_matches(".gz").replace("-idx", ".idx");
                std::fs::write(temp.path().join(set).join(name), bytes).unwrap();
            }
            let checks = verify(set, temp.path()).unwrap();
            assert_eq!(checks.len(), 4);
            assert!(
                checks.iter().all(|check| check.state == FileState::Good),
                "{checks:?}"
            );
        }
    }

    #[test]
    fn an_embedded_set_cannot_be_fetched() {
        let error = fetch("glyphs", Path::new("."), &mut |_, _, _| {})
            .unwrap_err()
            .to_string();
        assert!(error.contains("nothing to download"), "{error}");
    }
}
