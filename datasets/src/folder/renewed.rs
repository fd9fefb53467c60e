//! Whether a folder has changed since a pack of it was made.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use rayon::prelude::*;

use super::checksums::{self, Changes};
use crate::pack_file::index::{Index, SourceFile};

/// When a file was last written, in nanoseconds since 1970; 0 where that is not known.
pub(crate) fn modified(metadata: &Metadata) -> u64 {
    let time = metadata.modified().ok();
    let since = time.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    since.map_or(0, |since| {
        u64::try_from(since.as_nanos()).unwrap_or_default()
    })
}

/// Whether one of the files of a pack is still below `root`.
pub(super) fn has_any(root: &Path, index: &Index) -> bool {
    root.is_dir()
        && index.splits.iter().any(|part| {
            let folder = root.join(&part.folder);
            let mut images = part.images.iter();
            images.any(|image| folder.join(&image.source.path).is_file())
        })
}

/// How the files `now`, with paths from `root`, differ from those of a pack. A file of the same size and time is taken to
/// be the same; one of the same size and another time is read and hashed.
pub(super) fn changes(root: &Path, index: &Index, now: Vec<PathBuf>) -> Changes {
    let mut packed: BTreeMap<PathBuf, &SourceFile> = BTreeMap::new();
    for part in &index.splits {
        for image in &part.images {
            packed.insert(
                Path::new(&part.folder).join(&image.source.path),
                &image.source,
            );
        }
    }
    // Their paths begin at the root.
    for file in &index.left_out {
        packed.insert(PathBuf::from(&file.path), file);
    }
    let mut changes = Changes::default();
    let mut both = Vec::new();
    let now: BTreeSet<PathBuf> = now.into_iter().collect();
    for path in &now {
        match packed.remove(path) {
            None => changes.added.push(path.display().to_string()),
            Some(file) => both.push((path, file)),
        }
    }
    let is_other = |(path, file): &&(&PathBuf, &SourceFile)| !is_same(&root.join(path), file);
    let other: Vec<_> = both.par_iter().filter(is_other).collect();
    let names = other
        .into_iter()
        .map(|(path, _)| path.display().to_string());
    changes.changed = names.collect();
    let gone = packed.into_keys().map(|path| path.display().to_string());
    changes.missing = gone.collect();
    changes
}

fn is_same(path: &Path, file: &SourceFile) -> bool {
    let Ok(metadata) = path.metadata() else {
        return false;
    };
    if metadata.len() != file.bytes {
        return false;
    }
    let same_time = file.modified != 0 && modified(&metadata) == file.modified;
    same_time || checksums::of_file(path).ok() == file.sum()
}
