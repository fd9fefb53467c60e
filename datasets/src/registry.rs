//! Opens any data set by its spec, such as `mnist`, `glyphs(train=6000)` or `folder:PATH`, and returns its train,
//! validation and test splits.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use firebrick_types::ConfigError;
use firebrick_types::data::{DataError, Dataset};
use firebrick_types::error::check;
use firebrick_types::spec::Spec;
use serde::{Deserialize, Serialize};

pub use crate::catalogue::{Card, REGISTRY, RemoteFile, UnpackedFile, info, list};
pub use crate::dataset_error::DatasetError;
use crate::folder::{self, FolderDataset, Folders};
use crate::split_names::Split;
pub use crate::verify::{FileCheck, FileState, fetch, verify};
use crate::{catalogue, split};

/// What is done about an image that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnBadImage {
    /// Stop with an error that names the file.
    #[default]
    Fail,
    /// Leave it out and list it.
    Skip,
}

/// How a data set is opened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OpenOptions {
    /// Where the files are: the folder of the set, or one that has it inside.
    pub data_dir: Option<PathBuf>,
    /// Where they are looked for when `data_dir` is not given: where downloads go.
    pub default_data_dir: PathBuf,
    /// 1 (grey) or 3 (RGB, the default): what the images of a folder are decoded to.
    pub channels: Option<usize>,
    /// With [`OnBadImage::Skip`], every image of a folder is decoded once when it is opened, and
    /// those that cannot be read are left out of the splits and listed in [`Splits::skipped`].
    pub on_bad_image: OnBadImage,
    /// The part of the train split that is kept for validation when the set has no validation
    /// split of its own; in [0, 1).
    pub valid_fraction: f64,
    /// Decides which images are kept for validation and which `limit_train` takes.
    pub seed: u64,
    /// Train on at most this many images, each class with its share; taken after validation.
    pub limit_train: Option<usize>,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self {
            data_dir: None,
            default_data_dir: PathBuf::from("data"),
            channels: None,
            on_bad_image: OnBadImage::Fail,
            valid_fraction: 0.1,
            seed: 0,
            limit_train: None,
        }
    }
}

/// An open data set.
#[derive(Clone)]
pub struct Splits {
    /// The spec in full, with every option; for a folder, `folder:PATH`.
    pub name: String,
    /// What is trained on.
    pub train: Arc<dyn Dataset>,
    /// What models are chosen by; none when it was not asked for or there is too little data.
    pub valid: Option<Arc<dyn Dataset>>,
    /// What is evaluated once, at the end.
    pub test: Option<Arc<dyn Dataset>>,
    /// 1 (grey) or 3 (RGB).
    pub channels: usize,
    /// `[height, width]` in pixels; none when the images have any size.
    pub size: Option<[usize; 2]>,
    /// The images that were left out because they cannot be read, each with the reason.
    pub skipped: Vec<String>,
    /// Whether the validation split was cut off the train split, rather than being one of its own.
    pub valid_is_cut: bool,
    /// What the user should know about the files, one sentence each: what was ignored, and why.
    pub notes: Vec<String>,
    /// For a folder or a pack: its files, including those that cannot be read.
    pub folders: Option<Folders>,
}

impl Splits {
    /// A data set of your own: images of any size with this number of channels to train on, and no others
    /// yet. `name` says in recipes and reports what they are.
    pub fn new(name: impl Into<String>, channels: usize, train: Arc<dyn Dataset>) -> Self {
        Self {
            name: name.into(),
            train,
            valid: None,
            test: None,
            channels,
            size: None,
            skipped: Vec::new(),
            valid_is_cut: false,
            notes: Vec::new(),
            folders: None,
        }
    }

    /// Changes when an image that the course of training depends on changes: one that is trained on,
    /// or one of a validation split of its own. Where the files lie does not matter.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let train = self.train.fingerprint();
        match self.valid.as_ref().filter(|_| !self.valid_is_cut) {
            Some(valid) => format!("{train}+{}", valid.fingerprint()),
            None => train,
        }
    }

    /// Decodes every image of the validation and test splits once, on all cores, so that one that
    /// cannot be read is found before training rather than after an epoch of it. Does nothing for data
    /// sets that are not folders; not needed for those opened with [`OnBadImage::Skip`].
    ///
    /// # Errors
    /// [`DataError`] of the first image that cannot be read, and the number of the others.
    pub fn check_held_out(&self) -> Result<(), DataError> {
        if self.folders.is_none() {
            return Ok(());
        }
        let held_out = [&self.valid, &self.test].into_iter().flatten();
        let mut bad = held_out.flat_map(|set| folder::bad_images(&**set));
        let Some((_, first)) = bad.next() else {
            return Ok(());
        };
        let more = match bad.count() {
            0 => return Err(first),
            1 => "1 more image".to_string(),
            more => format!("{more} more images"),
        };
        Err(DataError::Invalid(format!(
            "{first} (and {more} in the validation and test splits; --on-bad-image skip leaves out \
             images that cannot be read)"
        )))
    }
}

impl fmt::Debug for Splits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let len = |split: &Option<Arc<dyn Dataset>>| split.as_ref().map(|split| split.len());
        f.debug_struct("Splits")
            .field("name", &self.name)
            .field("train", &self.train.len())
            .field("valid", &len(&self.valid))
            .field("test", &len(&self.test))
            .finish_non_exhaustive()
    }
}

/// Opens the data set that `spec` names: `glyphs`, `glyphs(train=6000, domain=rgb)`, `mnist`,
/// `fashion_mnist`, `kmnist`, `emnist(split=letters)`, `cifar10`, `cifar100`, or `folder:PATH`, where the path leads to a
/// folder of images or to a pack of one.
///
/// Nothing is downloaded. A set without a validation split gives up `valid_fraction` of its train
/// split, class by class, chosen by the seed.
///
/// ```
/// use firebrick_datasets::{OpenOptions, open};
/// let splits = open("glyphs(train=200, test=50)", &OpenOptions::default())?;
/// assert_eq!([splits.train.len(), splits.valid.map_or(0, |v| v.len())], [180, 20]);
/// # Ok::<(), firebrick_datasets::DatasetError>(())
/// ```
///
/// # Errors
/// [`DatasetError`]: an unknown name (with the nearest one) or option, files that are not there
/// (with the way to get them), or files that are damaged.
pub fn open(spec: &str, options: &OpenOptions) -> Result<Splits, DatasetError> {
    check("data", "valid_fraction", options.valid_fraction, 0.0..1.0)?;
    let mut splits = match folder_path(spec) {
        Some(path) => open_folder(Path::new(path), options)?,
        None => open_named(spec, options)?,
    };
    if splits.valid.is_none() {
        let (train, valid) =
            split::split(splits.train, options.valid_fraction, options.seed, true)?;
        splits.train = train;
        splits.valid_is_cut = valid.is_some();
        splits.valid = valid;
    }
    if let Some(count) = options.limit_train {
        splits.train = split::limit(splits.train, count, options.seed)?;
    }
    Ok(splits)
}

/// The path in `folder:PATH`: that of a folder of images, or of a pack of one.
#[must_use]
pub fn folder_path(spec: &str) -> Option<&str> {
    spec.trim().strip_prefix("folder:").map(str::trim)
}

fn open_named(text: &str, options: &OpenOptions) -> Result<Splits, DatasetError> {
    let entry = info(text)?;
    // The name may be spelt as the world spells it; the arguments follow our grammar.
    let arguments = text.find('(').map_or("", |at| &text[at..]);
    let spec: Spec = format!("{}{arguments}", entry.about.name).parse()?;
    let directory = options
        .data_dir
        .as_ref()
        .unwrap_or(&options.default_data_dir);
    if let Some(given) = options.data_dir.as_ref().filter(|given| !given.is_dir()) {
        let problem = format!(
            "{}: there is no such directory (--data-dir)",
            given.display()
        );
        return Err(DataError::Invalid(problem).into());
    }
    let folders = catalogue::folders(&entry.build, directory);
    let Some(loaded) = (entry.build.read)(&spec, &folders)? else {
        let files: Vec<_> = entry.build.files.iter().map(|file| file.name).collect();
        return Err(DatasetError::Missing {
            name: entry.about.name.into(),
            directory: directory.clone(),
            files: files.join(", "),
        });
    };
    Ok(Splits {
        name: loaded.name,
        train: loaded.train,
        valid: None,
        test: Some(loaded.test),
        channels: loaded.channels,
        size: Some(loaded.size),
        skipped: Vec::new(),
        valid_is_cut: false,
        notes: Vec::new(),
        folders: None,
    })
}

fn open_folder(path: &Path, options: &OpenOptions) -> Result<Splits, DatasetError> {
    let channels = folder_channels(path, options)?;
    let folders = folder::open(path, channels)?;
    let mut skipped = Vec::new();
    let mut part = |set: &FolderDataset| -> Result<Arc<dyn Dataset>, DataError> {
        Ok(Arc::new(clean(set, options, &mut skipped)?))
    };
    let train = part(folders.train()?)?;
    let valid = folders.get(Split::Valid).map(&mut part).transpose()?;
    let test = folders.get(Split::Test).map(&mut part).transpose()?;
    Ok(Splits {
        name: format!("folder:{}", path.display()),
        train,
        valid,
        test,
        channels,
        size: None,
        skipped,
        valid_is_cut: false,
        notes: folders.notes.clone(),
        folders: Some(folders),
    })
}

/// Checks what must be right before a folder is read; gives the channels of its images.
fn folder_channels(path: &Path, options: &OpenOptions) -> Result<usize, DatasetError> {
    let channels = options.channels.unwrap_or(3);
    if !matches!(channels, 1 | 3) {
        let range = "1 (grey) or 3 (RGB)";
        return Err(ConfigError::out_of_range("data", "channels", channels, range).into());
    }
    if path.as_os_str().is_empty() {
        let problem = "`folder:` needs the path of a folder: folder:PATH";
        return Err(ConfigError::Conflict(problem.into()).into());
    }
    if !path.is_dir() && !path.is_file() {
        let problem = if path.exists() {
            "this is a pipe or device, not a folder of images or a pack of them"
        } else {
            "there is no such folder; if it was moved, give its new path with --dataset folder:PATH"
        };
        return Err(DataError::Invalid(format!("{}: {problem}", path.display())).into());
    }
    Ok(channels)
}

/// The images without those that cannot be read, if that is what was asked for.
fn clean(
    set: &FolderDataset,
    options: &OpenOptions,
    skipped: &mut Vec<String>,
) -> Result<FolderDataset, DataError> {
    if options.on_bad_image == OnBadImage::Fail {
        return Ok(set.clone());
    }
    let (good, bad) = set.without_bad_images()?;
    skipped.extend(bad);
    Ok(good)
}

/// A folder of images that a finished model is scored on.
pub struct HeldOut {
    /// The test split if there is one, [`Split::All`] for a folder without splits, else the validation
    /// split.
    pub split: Split,
    /// The images of that split.
    pub images: FolderDataset,
    /// The images that were left out because they cannot be read, each with the reason.
    pub skipped: Vec<String>,
    /// What the user should know about the files, one sentence each.
    pub notes: Vec<String>,
}

/// Opens a folder for scoring rather than training: no validation split is cut off, no train split is
/// needed, and a single class is enough.
///
/// # Errors
/// [`DatasetError`]: files that cannot be read, or a folder with a train split only.
pub fn open_held_out(path: &str, options: &OpenOptions) -> Result<HeldOut, DatasetError> {
    let path = Path::new(path);
    let channels = folder_channels(path, options)?;
    let mut folders = folder::open(path, channels)?;
    let wanted = [Split::Test, Split::All, Split::Valid];
    let place = |wanted: &Split| folders.splits.iter().position(|(split, _)| split == wanted);
    let Some(at) = wanted.iter().find_map(place) else {
        return Err(DataError::Invalid(format!(
            "{}: it has only a train split: give the folder of the images to score, or use --split \
             train",
            path.display()
        ))
        .into());
    };
    let (split, set) = folders.splits.swap_remove(at);
    let mut skipped = Vec::new();
    let images = clean(&set, options, &mut skipped)?;
    Ok(HeldOut {
        split,
        images,
        skipped,
        notes: folders.notes,
    })
}

#[cfg(test)]
#[path = "registry/tests.rs"]
mod tests;
