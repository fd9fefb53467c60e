//! The named data sets: where they come from, how they are verified, and how they are read.

mod files;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use firebrick_types::ConfigError;
use firebrick_types::about::{About, Field, Range};
use firebrick_types::data::Dataset;
use firebrick_types::registry::{Entry, Registry};
use firebrick_types::spec::Spec;
use serde::{Deserialize, Serialize};

pub use files::{RemoteFile, UnpackedFile};

use crate::cifar::{Cifar, Labels};
use crate::dataset_error::DatasetError;
use crate::emnist::{EmnistConfig, EmnistSplit};
use crate::glyphs::GlyphsConfig;
use crate::in_memory::InMemory;
use crate::mnist::IdxSet;
use crate::pack_file;

/// What is known of a data set besides its name, its summary and its options.
#[derive(Debug, Clone, Copy)]
pub struct Card {
    /// Where it is described.
    pub homepage: &'static str,
    /// The licence that its makers state, or that none is stated.
    pub licence: &'static str,
    /// The published files; none when it is drawn by a program.
    pub files: &'static [RemoteFile],
    /// Images for training, with the default options.
    pub train: usize,
    /// Images for testing, with the default options.
    pub test: usize,
    /// `[height, width]` in pixels.
    pub size: [usize; 2],
    /// 1 (grey) or 3 (RGB), with the default options.
    pub channels: usize,
    /// The class names, with the default options.
    pub classes: fn() -> Vec<String>,
    /// Folders below the data directory where the files may be, in the order they are looked for;
    /// a download goes to the first.
    pub folders: &'static [&'static str],
    /// Reads it; `None` when its files are in none of the folders.
    pub(crate) read: fn(&Spec, &[PathBuf]) -> Result<Option<Loaded>, DatasetError>,
}

/// The splits as they are published.
pub(crate) struct Loaded {
    pub(crate) name: String,
    pub(crate) train: Arc<dyn Dataset>,
    pub(crate) test: Arc<dyn Dataset>,
    pub(crate) channels: usize,
    pub(crate) size: [usize; 2],
}

/// The options of a set that has none.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct NoOptions {}

/// `cifar100(labels=fine)`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Cifar100Config {
    labels: Labels,
}

const CIFAR_LICENCE: &str = "none stated; cite Krizhevsky, \"Learning Multiple Layers of Features \
                              from Tiny Images\", 2009";

const MNIST: About = About::new("mnist", "handwritten digits, 28 × 28 grey", &[]);

const FASHION_MNIST: About = About::new("fashion_mnist", "photos of clothes, 28 × 28 grey", &[]);

const KMNIST: About = About::new("kmnist", "handwritten cursive Japanese, 28 × 28 grey", &[]);

const EMNIST: About = About::new(
    "emnist",
    "handwritten letters and digits, 28 × 28 grey, six splits",
    &[Field::new(
        "split",
        Range::Choice(&[
            "balanced", "letters", "digits", "mnist", "byclass", "bymerge",
        ]),
    )],
);

const CIFAR10: About = About::new(
    "cifar10",
    "photos of ten kinds of objects, 32 × 32 RGB",
    &[],
);

const CIFAR100: About = About::new(
    "cifar100",
    "photos of a hundred kinds of objects in twenty groups, 32 × 32 RGB",
    &[Field::new("labels", Range::Choice(&["fine", "coarse"]))],
);

/// Every data set that has a name.
pub static REGISTRY: Registry<Card> = Registry::new(
    "data set",
    &[
        Entry::new::<GlyphsConfig>(
            &GlyphsConfig::ABOUT,
            Card {
                homepage: "drawn by this program",
                licence: "that of this program: MIT or Apache-2.0",
                files: &[],
                train: 8_000,
                test: 2_000,
                size: [32, 32],
                channels: 1,
                classes: glyphs_classes,
                folders: &[],
                read: read_glyphs,
            },
        ),
        Entry::new::<NoOptions>(
            &MNIST,
            Card {
                homepage: "http://yann.lecun.com/exdb/mnist/",
                licence: "none stated by its makers; mirrors say CC BY-SA 3.0",
                files: files::MNIST,
                train: 60_000,
                test: 10_000,
                size: [28, 28],
                channels: 1,
                classes: digits,
                folders: &["mnist", "MNIST/raw", ""],
                read: |spec, folders| read_mnist(spec, folders, digits()),
            },
        ),
        Entry::new::<NoOptions>(
            &FASHION_MNIST,
            Card {
                homepage: "https://github.com/zalandoresearch/fashion-mnist",
                licence: "MIT",
                files: files::FASHION_MNIST,
                train: 60_000,
                test: 10_000,
                size: [28, 28],
                channels: 1,
                classes: clothes,
                folders: &["fashion_mnist", "fashion-mnist", "FashionMNIST/raw", ""],
                read: |spec, folders| read_mnist(spec, folders, clothes()),
            },
        ),
        Entry::new::<NoOptions>(
            &KMNIST,
            Card {
                homepage: "https://codh.rois.ac.jp/kmnist/",
                licence: "CC BY-SA 4.0",
                files: files::KMNIST,
                train: 60_000,
                test: 10_000,
                size: [28, 28],
                channels: 1,
                classes: hiragana,
                folders: &["kmnist", "KMNIST/raw", ""],
                read: |spec, folders| read_mnist(spec, folders, hiragana()),
            },
        ),
        Entry::new::<EmnistConfig>(
            &EMNIST,
            Card {
                homepage: "https://www.nist.gov/itl/products-and-services/emnist-dataset",
                licence: "none stated; made by NIST and Western Sydney University",
                files: files::EMNIST,
                train: 112_800,
                test: 18_800,
                size: [28, 28],
                channels: 1,
                classes: || EmnistSplit::default().classes(),
                folders: &["emnist", "emnist/gzip", "EMNIST/raw", "gzip", ""],
                read: |spec, folders| read_idx(&spec.resolve::<EmnistConfig>()?.files(), folders),
            },
        ),
        Entry::new::<NoOptions>(
            &CIFAR10,
            Card {
                homepage: "https://www.cs.toronto.edu/~kriz/cifar.html",
                licence: CIFAR_LICENCE,
                files: files::CIFAR10,
                train: 50_000,
                test: 10_000,
                size: [32, 32],
                channels: 3,
                classes: || names(Cifar::Ten.classes()),
                folders: &["cifar10", "cifar-10", ""],
                read: |spec, folders| {
                    spec.resolve::<NoOptions>()?;
                    read_cifar(Cifar::Ten, spec.name.clone(), folders)
                },
            },
        ),
        Entry::new::<Cifar100Config>(
            &CIFAR100,
            Card {
                homepage: "https://www.cs.toronto.edu/~kriz/cifar.html",
                licence: CIFAR_LICENCE,
                files: files::CIFAR100,
                train: 50_000,
                test: 10_000,
                size: [32, 32],
                channels: 3,
                classes: || names(Cifar::Hundred(Labels::Fine).classes()),
                folders: &["cifar100", "cifar-100", ""],
                read: |spec, folders| {
                    let config: Cifar100Config = spec.resolve()?;
                    let name = Spec::canonical(&spec.name, &config).to_string();
                    read_cifar(Cifar::Hundred(config.labels), name, folders)
                },
            },
        ),
    ],
);

fn names(classes: &[&str]) -> Vec<String> {
    classes.iter().map(|name| (*name).to_string()).collect()
}

fn digits() -> Vec<String> {
    (0..10).map(|digit| digit.to_string()).collect()
}

fn clothes() -> Vec<String> {
    names(&[
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ])
}

fn hiragana() -> Vec<String> {
    names(&["o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"])
}

fn glyphs_classes() -> Vec<String> {
    let smallest = GlyphsConfig {
        train: 1,
        test: 1,
        ..GlyphsConfig::default()
    };
    smallest
        .build()
        .map_or(Vec::new(), |(train, _)| train.classes().to_vec())
}

fn read_glyphs(spec: &Spec, _: &[PathBuf]) -> Result<Option<Loaded>, DatasetError> {
    let config: GlyphsConfig = spec.resolve()?;
    let (train, test) = config.build()?;
    Ok(Some(Loaded {
        name: Spec::canonical(GlyphsConfig::NAME, &config).to_string(),
        train: Arc::new(train),
        test: Arc::new(test),
        channels: config.domain.channels(),
        size: [32, 32],
    }))
}

fn read_mnist(
    spec: &Spec,
    folders: &[PathBuf],
    classes: Vec<String>,
) -> Result<Option<Loaded>, DatasetError> {
    spec.resolve::<NoOptions>()?;
    let set = IdxSet {
        name: spec.name.clone(),
        train: "train".into(),
        test: "t10k".into(),
        classes,
        first_label: 0,
        transposed: false,
    };
    read_idx(&set, folders)
}

fn read_idx(set: &IdxSet, folders: &[PathBuf]) -> Result<Option<Loaded>, DatasetError> {
    match set.locate(folders) {
        Some(location) => Ok(Some(loaded(set.name.clone(), set.read(&location)?))),
        None => Ok(None),
    }
}

fn read_cifar(
    cifar: Cifar,
    name: String,
    folders: &[PathBuf],
) -> Result<Option<Loaded>, DatasetError> {
    match cifar.locate(folders) {
        Some(location) => Ok(Some(loaded(name, cifar.read(&location)?))),
        None => Ok(None),
    }
}

fn loaded(name: String, (train, test): (InMemory, InMemory)) -> Loaded {
    Loaded {
        name,
        channels: train.channels(),
        size: train.size(),
        train: Arc::new(train),
        test: Arc::new(test),
    }
}

/// All known data sets.
#[must_use]
pub fn list() -> Vec<Entry<Card>> {
    REGISTRY.entries()
}

/// The data set that `name` means: its name in any usual spelling (`Fashion-MNIST`), or a whole
/// spec (`emnist(split=letters)`).
///
/// # Errors
/// [`ConfigError::UnknownName`] with the nearest name; [`ConfigError::Conflict`] for the path of a
/// folder, which needs `folder:` before it.
pub fn info(name: &str) -> Result<Entry<Card>, ConfigError> {
    let text = name.trim();
    let name = text.split('(').next().unwrap_or_default().trim();
    let plain = |name: &str| name.to_lowercase().replace(['-', '_', ' '], "");
    let mut all = list().into_iter();
    let known = all.find(|entry| plain(entry.about.name) == plain(name));
    known.ok_or_else(|| {
        if is_path(text) {
            return ConfigError::Conflict(format!(
                "unknown data set `{text}`; for the images of a folder or a pack write folder:{text}"
            ));
        }
        let known: Vec<_> = REGISTRY
            .names()
            .into_iter()
            .chain(["folder:PATH"])
            .collect();
        ConfigError::unknown_name(REGISTRY.family, name, known)
    })
}

/// Whether a text that names no data set is the path of a folder or a pack: it looks like one, or there is one.
fn is_path(text: &str) -> bool {
    let path = Path::new(text);
    let looks = text.contains(['/', '\\']) || text.starts_with(['~', '.']);
    looks || path.is_dir() || pack_file::has_extension(path)
}

/// The folders of one data set below `data_dir`.
pub(crate) fn folders(card: &Card, data_dir: &Path) -> Vec<PathBuf> {
    card.folders
        .iter()
        .map(|folder| data_dir.join(folder))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_is_complete() {
        for entry in list() {
            let card = &entry.build;
            let classes = (card.classes)();
            assert!(
                classes.len() >= 10 && card.train > card.test,
                "{}",
                entry.about.name
            );
            assert!(!entry.about.summary.is_empty() && !card.licence.is_empty());
            assert_eq!(
                card.files.is_empty(),
                card.folders.is_empty(),
                "{}",
                entry.about.name
            );
            for file in card.files {
                assert!(file.url().starts_with("http") && file.base.ends_with('/'));
                assert_eq!(file.sha256.len(), 64, "{}", file.name);
                let is_hex = |c: char| matches!(c, '0'..='9' | 'a'..='f');
                assert!(file.sha256.chars().all(is_hex), "{}", file.name);
                assert!(file.bytes > 4_000);
            }
        }
        let mut hashes: Vec<_> = list()
            .iter()
            .flat_map(|entry| entry.build.files)
            .map(|file| file.sha256)
            .collect();
        let all = hashes.len();
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!(hashes.len(), all);
    }

    #[test]
    fn names_are_found_in_their_usual_spellings() {
        for (spelling, name) in [
            ("mnist", "mnist"),
            ("fashion-mnist", "fashion_mnist"),
            ("FashionMNIST", "fashion_mnist"),
            ("CIFAR-10", "cifar10"),
            ("emnist(split=letters)", "emnist"),
            ("glyphs", "glyphs"),
        ] {
            assert_eq!(info(spelling).unwrap().about.name, name);
        }
        let error = info("mnits").err().unwrap().to_string();
        assert!(
            error.contains("unknown data set `mnits` (did you mean `mnist`?)"),
            "{error}"
        );
        assert!(error.contains("cifar100, folder:PATH"), "{error}");
    }

    #[test]
    fn paths_are_told_how_folders_are_written() {
        let temp = tempfile::tempdir().unwrap();
        let there = temp.path().display().to_string();
        for path in [
            &*there,
            "/data/photos",
            "photos/ants",
            "./photos",
            "~/photos",
            "C:\\photos",
            "photos.fbpack",
        ] {
            let error = info(path).err().unwrap().to_string();
            assert!(error.contains(&format!("write folder:{path}")), "{error}");
        }
        // A directory here, of a name without slashes.
        let error = info("src").err().unwrap().to_string();
        assert!(error.contains("write folder:src"), "{error}");
        let error = info("nowhere").err().unwrap().to_string();
        assert!(!error.contains("write folder:"), "{error}");
    }
}
