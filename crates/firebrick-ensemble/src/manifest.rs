//! `ensemble.json`: which model files make an ensemble.
//!
//! A directory with this file is an ensemble. Its members are model files, named relative to the directory. The file
//! holds no times and no absolute paths, so the directory can be moved, and a checksum over its own content.

use std::path::{Component, Path, PathBuf};

use firebrick_core::checksum;
use serde::{Deserialize, Serialize};

/// The name of the file.
pub const FILE: &str = "ensemble.json";
/// The version of the format.
const FORMAT: u64 = 1;

/// The members of an ensemble.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    format: u64,
    /// How the members came about.
    pub kind: Kind,
    /// The members, in order.
    pub members: Vec<Member>,
    /// A checksum over the recipes of members that are runs of their own; empty for others.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    plan: String,
    /// Over all that comes before it.
    #[serde(default)]
    checksum: String,
}

/// How the members of an ensemble came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Moments of one run.
    Snapshots,
    /// Runs of their own.
    Independent,
}

/// One member of an ensemble.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// Its name: `snapshot-1`, `member-3`.
    pub name: String,
    /// Its model file, relative to the directory, with `/`.
    pub file: String,
}

/// Why a directory is no ensemble that can be used.
#[derive(Debug, thiserror::Error)]
#[error("{}: {problem}", path.display())]
pub struct ManifestError {
    /// The file or directory.
    pub path: PathBuf,
    /// What is wrong and how to mend it.
    pub problem: String,
}

impl Manifest {
    /// Of these members.
    #[must_use]
    pub fn new(kind: Kind, members: Vec<Member>) -> Self {
        Self {
            format: FORMAT,
            kind,
            members,
            plan: String::new(),
            checksum: String::new(),
        }
    }

    /// With a checksum over the recipes of the members, so that no others are trained into the same directory.
    #[must_use]
    pub fn of_plan(self, plan: String) -> Self {
        Self { plan, ..self }
    }

    /// The file's content, the same for equal manifests.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let sealed = Self {
            checksum: self.sum(),
            ..self.clone()
        };
        // Strings and numbers alone: nothing of it can fail.
        serde_json::to_vec_pretty(&sealed).unwrap_or_default()
    }

    fn sum(&self) -> String {
        let open = Self {
            checksum: String::new(),
            ..self.clone()
        };
        checksum::of(&serde_json::to_vec(&open).unwrap_or_default())
    }

    /// Whether the directory says that it is an ensemble.
    #[must_use]
    pub fn is_in(directory: &Path) -> bool {
        directory.join(FILE).is_file()
    }

    /// Reads and checks the manifest of a directory. Whether the members are there is not looked at.
    ///
    /// # Errors
    /// [`ManifestError`] when there is none, or when it is damaged or was edited, names a member twice, or a file
    /// outside of the directory.
    pub fn read(directory: &Path) -> Result<Self, ManifestError> {
        let path = directory.join(FILE);
        let refused = |problem: String| ManifestError {
            path: path.clone(),
            problem,
        };
        let bytes = std::fs::read(&path).map_err(|error| {
            let problem = if directory.is_dir() && error.kind() == std::io::ErrorKind::NotFound {
                format!(
                    "this directory is no ensemble: it has no {FILE}. `train --snapshots all` and `ensemble train` make one"
                )
            } else {
                format!("cannot be read: {error}")
            };
            ManifestError {
                path: directory.into(),
                problem,
            }
        })?;
        let manifest: Self = serde_json::from_slice(&bytes)
            .map_err(|error| refused(format!("it is damaged: {error}")))?;
        if manifest.format != FORMAT {
            return Err(refused(format!(
                "it has format {}, but this version reads format {FORMAT}",
                manifest.format
            )));
        }
        if manifest.checksum != manifest.sum() {
            return Err(refused(
                "it was changed after it was written: its checksum does not match. To leave out a member, use `ensemble prune`"
                    .into(),
            ));
        }
        for (at, member) in manifest.members.iter().enumerate() {
            let inside = |part: Component<'_>| matches!(part, Component::Normal(_));
            if !Path::new(&member.file).components().all(inside) || member.file.is_empty() {
                return Err(refused(format!(
                    "`{}` is no file of this directory",
                    member.file
                )));
            }
            let same = |other: &&Member| other.name == member.name || other.file == member.file;
            if let Some(other) = manifest.members[..at].iter().find(same) {
                return Err(refused(format!("member `{}` is listed twice", other.name)));
            }
        }
        Ok(manifest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(files: &[&str]) -> Manifest {
        let member = |(at, file): (usize, &&str)| Member {
            name: format!("member-{}", at + 1),
            file: (*file).into(),
        };
        let members = files.iter().enumerate().map(member);
        Manifest::new(Kind::Independent, members.collect())
    }

    fn read(bytes: &[u8]) -> Result<Manifest, String> {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join(FILE), bytes).unwrap();
        Manifest::read(directory.path()).map_err(|error| error.to_string())
    }

    #[test]
    fn what_was_written_is_read_back() {
        let written = manifest(&["a/model.safetensors", "b/model.safetensors"]);
        let read = read(&written.to_bytes()).unwrap();
        assert_eq!(read.members, written.members);
        assert_eq!(read.to_bytes(), written.to_bytes());
    }

    #[test]
    fn damaged_edited_and_foreign_manifests_are_refused() {
        let text = String::from_utf8(manifest(&["a", "b"]).to_bytes()).unwrap();
        for (bytes, needle) in [
            (text.replace("\"b\"", "\"c\""), "was changed"),
            (text.replace("independent", "snapshots"), "was changed"),
            (text.replace("\"format\": 1", "\"format\": 2"), "format 2"),
            (text[..text.len() / 2].to_string(), "damaged"),
            (text.replace("kind", "sort"), "damaged"),
        ] {
            let error = read(bytes.as_bytes()).unwrap_err();
            assert!(error.contains(needle) && error.contains(FILE), "{error}");
        }
        for (files, needle) in [
            (["../a", "b"], "no file of this directory"),
            (["/etc/passwd", "b"], "no file of this directory"),
            (["", "b"], "no file of this directory"),
            (["a", "a"], "listed twice"),
        ] {
            let error = read(&manifest(&files).to_bytes()).unwrap_err();
            assert!(error.contains(needle), "{error}");
        }
        let empty = tempfile::tempdir().unwrap();
        let error = Manifest::read(empty.path()).unwrap_err().to_string();
        assert!(error.contains("no ensemble"), "{error}");
    }
}
