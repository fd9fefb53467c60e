//! Recognizes the layout of a folder of images: splits that contain classes, or classes alone.

use std::path::Path;

use firebrick_types::data::DataError;

use crate::image_files::{Found, Kind, entries};
use crate::split_names::{Split, is_unlabelled};

/// Which folders hold classes.
#[derive(Debug, Default)]
pub(super) struct Layout {
    /// By [`Split`], with the folder's name. [`Split::All`] is the root itself.
    pub(super) splits: Vec<(Split, String)>,
    /// What the user should know about the files, one sentence each.
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
            });
        }
        if with_folders.is_empty() {
            return Err(invalid(
                root,
                &format!(
                    "{} but no class folders: put each image into SPLIT/CLASS/, such as train/cat/",
                    quoted(
                        &folders,
                        "has the name of a split",
                        "have the names of splits"
                    )
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

    /// Adds a folder of a root whose folders are splits.
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
                    "`{other}` and `{name}` both look like the {split} split: move one of them \
                     elsewhere"
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
                    "`{name}` is next to the train split, but it is not a split: rename it to val or \
                     test, or move it elsewhere"
                ),
            ));
        }
        self.notes.push(ignored(&folder));
        Ok(())
    }

    /// Notes what can be done with a folder of images without classes.
    fn add_unlabelled(&mut self, folder: &Path, name: &str) -> Result<(), DataError> {
        let mut found = Found::default();
        found.search(folder, Path::new(""))?;
        self.notes.push(match found.images.len() {
            0 => ignored(folder),
            count => format!(
                "{}: its {} no class folder, so `{name}` is not used as a test split; once a model is \
                 trained, `firebrick predict RUN {0}` predicts the classes",
                folder.display(),
                counted(count, "image lies in", "images lie in")
            ),
        });
        Ok(())
    }
}

fn ignored(folder: &Path) -> String {
    format!("{}: ignored, because it has no images", folder.display())
}

/// Whether a test folder has classes: more than one folder, or one named as a class of the train
/// split.
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

/// A note about images next to the class or split folders, which have no class.
fn loose(root: &Path, kind: &str) -> Result<Vec<String>, DataError> {
    let mut loose = entries(root)?;
    loose.retain(|entry| entry.kind == Kind::Image || entry.is_other_picture());
    let Some(first) = loose.first() else {
        return Ok(Vec::new());
    };
    let such = if loose.len() > 1 { ", such as" } else { ":" };
    Ok(vec![format!(
        "{}: ignored {} next to the {kind} folders{such} {}",
        root.display(),
        counted(loose.len(), "image", "images"),
        first.name.display()
    )])
}

/// The number with `one` or `more` after it.
pub(super) fn counted(count: usize, one: &str, more: &str) -> String {
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

/// Refuses "classes" that are parts of a data set: none of them has an image of its own, and one holds
/// splits, or all hold the same folders, or there is only one with several folders in it.
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
                "`{class}` holds splits ({}), not the images of a class: {}",
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

/// What is wrong in a folder.
pub(super) fn invalid(folder: &Path, problem: &str) -> DataError {
    DataError::Invalid(format!("{}: {problem}", folder.display()))
}
