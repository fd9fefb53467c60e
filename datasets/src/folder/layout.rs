//! How a folder of images is laid out: splits with classes in them, or classes.

use std::path::{Path, PathBuf};

use firebrick_core::data::DataError;

use super::invalid;
use crate::image_files::{Found, Kind, LeftOut, entries};
use crate::split_names::{Split, is_unlabelled};

/// The folders that hold classes, and the images that have none.
#[derive(Debug, Default)]
pub(super) struct Layout {
    /// By [`Split`], with the folder's name. [`Split::All`] is the root itself.
    pub(super) splits: Vec<(Split, String)>,
    /// Folders without classes beside the train split, with the number of images.
    pub(super) unlabelled: Vec<(PathBuf, usize)>,
    /// What a person should know.
    pub(super) notes: Vec<String>,
}

impl Layout {
    pub(super) fn folder(&self, split: Split) -> Option<&str> {
        let mut splits = self.splits.iter();
        splits
            .find(|(found, _)| *found == split)
            .map(|(_, name)| name.as_str())
    }

    pub(super) fn read(root: &Path) -> Result<Self, DataError> {
        let folders = subfolders(root)?;
        let named: Vec<(Split, String)> = folders
            .iter()
            .filter_map(|name| Some((Split::of_folder(name)?, name.clone())))
            .collect();
        let mut with_folders = Vec::new();
        for split in &named {
            if !subfolders(&root.join(&split.1))?.is_empty() {
                with_folders.push(split.clone());
            }
        }
        let train = with_folders.iter().any(|(split, _)| *split == Split::Train);
        let all_splits = !folders.is_empty() && named.len() == folders.len();
        if !train && !all_splits {
            return Ok(Self {
                splits: vec![(Split::All, String::new())],
                notes: loose(root, "class")?,
                ..Self::default()
            });
        }
        if with_folders.is_empty() {
            return Err(invalid(
                root,
                &format!(
                    "{} by their names, but there are no class folders in them: put each image into \
                     SPLIT/CLASS/, such as train/cat/",
                    quoted(&folders, "is a split", "are splits")
                ),
            ));
        }
        let mut layout = Self {
            notes: loose(root, "split")?,
            ..Self::default()
        };
        for name in &folders {
            layout.add(root, name)?;
        }
        Ok(layout)
    }

    /// Adds a folder beside the train split.
    fn add(&mut self, root: &Path, name: &str) -> Result<(), DataError> {
        let folder = root.join(name);
        let Some(split) = Split::of_folder(name) else {
            return self.add_stray(root, name);
        };
        if split == Split::Test && !is_labelled(root, &folder)? {
            return self.add_unlabelled(&folder, name);
        }
        if let Some(other) = self.folder(split) {
            return Err(invalid(
                root,
                &format!(
                    "`{other}` and `{name}` both look like the {split} split: keep one, or move the \
                     other away"
                ),
            ));
        }
        self.splits.push((split, name.into()));
        Ok(())
    }

    fn add_stray(&mut self, root: &Path, name: &str) -> Result<(), DataError> {
        let folder = root.join(name);
        if is_unlabelled(name) {
            return self.add_unlabelled(&folder, name);
        }
        let mut found = Found::default();
        found.search(&folder, Path::new(""))?;
        if !found.images.is_empty() {
            return Err(invalid(
                root,
                &format!(
                    "`{name}` lies beside the train split but is no split: rename it to val or test, \
                     or move it away"
                ),
            ));
        }
        self.notes.push(format!(
            "{}: it holds no image and was left out",
            folder.display()
        ));
        Ok(())
    }

    fn add_unlabelled(&mut self, folder: &Path, name: &str) -> Result<(), DataError> {
        let mut found = Found::default();
        found.search(folder, Path::new(""))?;
        let count = found.images.len();
        self.notes.push(if count == 0 {
            format!("{}: it holds no image and was left out", folder.display())
        } else {
            format!(
                "{}: its {} no class folder, so `{name}` is no test split; once there is a model, \
                 `firebrick predict RUN {0}` tells the classes",
                folder.display(),
                images(count, "image lies in", "images lie in")
            )
        });
        if count > 0 {
            self.unlabelled.push((folder.into(), count));
        }
        Ok(())
    }
}

/// Whether a test folder has classes: folders, one of which is a class of the train split, or more
/// than one.
fn is_labelled(root: &Path, folder: &Path) -> Result<bool, DataError> {
    let classes = subfolders(folder)?;
    if classes.len() != 1 {
        return Ok(!classes.is_empty());
    }
    // A single folder may just be where the images were unpacked to.
    for name in subfolders(root)? {
        if Split::of_folder(&name) == Some(Split::Train) {
            return Ok(subfolders(&root.join(name))?.contains(&classes[0]));
        }
    }
    Ok(true)
}

/// A note about pictures that lie beside the folders, where no class is theirs.
fn loose(root: &Path, kind: &str) -> Result<Vec<String>, DataError> {
    let mut names = Vec::new();
    for entry in entries(root)? {
        let mut left_out = LeftOut::default();
        left_out.see(&entry);
        let unread = entry.kind == Kind::Other && !left_out.other_pictures().is_empty();
        if entry.kind == Kind::Image || unread {
            names.push(entry.name.to_string_lossy().into_owned());
        }
    }
    let Some(first) = names.first() else {
        return Ok(Vec::new());
    };
    let such = if names.len() > 1 { ", such as" } else { ":" };
    Ok(vec![format!(
        "{}: {} the {kind} folders and were left out{such} {first}",
        root.display(),
        images(names.len(), "image lies beside", "images lie beside"),
    )])
}

fn images(count: usize, one: &str, more: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { more })
}

/// `` `a` is one`` or `` `a`, `b` and 7 more are many``.
fn quoted(names: &[String], one: &str, many: &str) -> String {
    const SHOWN: usize = 5;
    let shown: Vec<String> = names
        .iter()
        .take(SHOWN)
        .map(|name| format!("`{name}`"))
        .collect();
    match (shown.as_slice(), names.len().saturating_sub(SHOWN)) {
        ([name], _) => format!("{name} {one}"),
        ([first @ .., last], 0) => format!("{} and {last} {many}", first.join(", ")),
        (_, more) => format!("{} and {more} more {many}", shown.join(", ")),
    }
}

/// The names of the folders in a folder, sorted.
pub(super) fn subfolders(folder: &Path) -> Result<Vec<String>, DataError> {
    let mut names = Vec::new();
    for entry in entries(folder)? {
        if entry.kind == Kind::Folder {
            names.push(entry.name.into_string().map_err(|name| {
                invalid(
                    folder,
                    &format!(
                        "the folder name `{}` is not valid UTF-8: rename it",
                        name.display()
                    ),
                )
            })?);
        }
    }
    Ok(names)
}

/// Refuses "classes" that are parts of a data set: no image lies directly in any of them, and they
/// hold splits, or the same folders; or there is only one of them.
pub(super) fn refuse_parts(root: &Path, classes: &[String]) -> Result<(), DataError> {
    let mut inside = Vec::new();
    for class in classes {
        let folder = root.join(class);
        if entries(&folder)?
            .iter()
            .any(|entry| entry.kind == Kind::Image)
        {
            return Ok(());
        }
        inside.push(subfolders(&folder)?);
    }
    let use_it = |class: &str| format!("use folder:{}", root.join(class).display());
    let holds_splits = |names: &Vec<String>| {
        let splits: Vec<_> = names
            .iter()
            .filter_map(|name| Split::of_folder(name))
            .collect();
        splits.contains(&Split::Train) || (splits.len() > 1 && splits.len() == names.len())
    };
    if let Some(at) = inside.iter().position(holds_splits) {
        let class = &classes[at];
        return Err(invalid(
            root,
            &format!(
                "`{class}` holds splits ({}), not images of one class: {}",
                inside[at].join(", "),
                use_it(class)
            ),
        ));
    }
    match (classes, inside.as_slice()) {
        ([class], [names]) if names.len() > 1 => Err(invalid(
            root,
            &format!(
                "`{class}` is the only folder here and {} in it: {}",
                quoted(names, "lies", "lie"),
                use_it(class)
            ),
        )),
        ([first, _, ..], [names, others @ ..]) => {
            let shared: Vec<String> = names
                .iter()
                .filter(|name| others.iter().all(|other| other.contains(name)))
                .cloned()
                .collect();
            if shared.len() < 2 {
                return Ok(());
            }
            Err(invalid(
                root,
                &format!(
                    "{} the same folders ({}) and no images of their own, so they look like parts of \
                     a data set rather than classes: {}; if they are the classes, move their images \
                     directly into them",
                    quoted(classes, "holds", "hold"),
                    shared.join(", "),
                    use_it(first)
                ),
            ))
        }
        _ => Ok(()),
    }
}
