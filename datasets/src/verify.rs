//! Getting the files of a data set, and checking those that are there.

use std::path::{Path, PathBuf};

use firebrick_core::data::DataError;

use crate::catalogue::{RemoteFile, folders, info};
use crate::download;
use crate::registry::DatasetError;

/// Downloads the files of a data set below `data_dir`, leaving those that are already right, and
/// gives their folder. `progress` is called with the name of the file, the bytes done, and the
/// bytes in all.
///
/// # Errors
/// An unknown name, a set without files, or what [`download::fetch`] says.
pub fn fetch(
    name: &str,
    data_dir: &Path,
    progress: &mut dyn FnMut(&str, u64, Option<u64>),
) -> Result<PathBuf, DatasetError> {
    let entry = info(name)?;
    let Some(folder) = folders(&entry.build, data_dir).into_iter().next() else {
        let problem = format!("`{}` is embedded: there is nothing to fetch", entry.name);
        return Err(DataError::Invalid(problem).into());
    };
    for file in entry.build.files {
        let mut progress = |done, total: Option<u64>| {
            progress(file.name, done, total.or(Some(file.bytes)));
        };
        download::fetch(
            &file.url(),
            file.sha256,
            &folder.join(file.name),
            &mut progress,
        )?;
    }
    Ok(folder)
}

/// One published file as it is on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileCheck {
    /// Where it is, or would be.
    pub path: PathBuf,
    /// What is with it.
    pub state: FileState,
}

/// Whether a file is what was published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileState {
    /// Size and hash are right.
    Good,
    /// It is not there; the set may still be there in another form, such as unpacked.
    Missing,
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
            Self::Missing => f.write_str("not there"),
            Self::WrongSize { expected, found } => {
                write!(f, "has {found} bytes, expected {expected}")
            }
            Self::WrongHash { expected, found } => {
                write!(f, "has sha256 {found}, expected {expected}")
            }
        }
    }
}

/// Compares the published files of a data set below `data_dir` with their sizes and hashes; empty
/// for a set without files.
///
/// # Errors
/// An unknown name, or a file that cannot be read.
pub fn verify(name: &str, data_dir: &Path) -> Result<Vec<FileCheck>, DatasetError> {
    let entry = info(name)?;
    let folders = folders(&entry.build, data_dir);
    let check = |file: &RemoteFile| {
        let mut paths = folders.iter().map(|folder| folder.join(file.name));
        let first = folders
            .first()
            .map_or(PathBuf::new(), |folder| folder.join(file.name));
        let Some(path) = paths.find(|path| path.is_file()) else {
            return Ok(FileCheck {
                path: first,
                state: FileState::Missing,
            });
        };
        let found = std::fs::metadata(&path)
            .map_err(|source| DataError::io(&path, source))?
            .len();
        if found != file.bytes {
            let state = FileState::WrongSize {
                expected: file.bytes,
                found,
            };
            return Ok(FileCheck { path, state });
        }
        let found = download::sha256_of(&path)?;
        let state = if found == file.sha256 {
            FileState::Good
        } else {
            FileState::WrongHash {
                expected: file.sha256.into(),
                found,
            }
        };
        Ok(FileCheck { path, state })
    };
    entry.build.files.iter().map(check).collect()
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
    fn an_embedded_set_cannot_be_fetched() {
        let error = fetch("glyphs", Path::new("."), &mut |_, _, _| {})
            .unwrap_err()
            .to_string();
        assert!(error.contains("nothing to fetch"), "{error}");
    }
}
