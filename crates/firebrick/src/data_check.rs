//! Looks at the images of a run before it is trained: images that are in the training split and in another one too, and
//! how many images each class has.
//!
//! Files are compared by the SHA-256 that a run takes of them anyway. Pixels are compared by the hashes of
//! [`duplicates`]: every image is decoded once, on all cores, which takes about as long as reading
//! the images in an epoch.

use std::collections::HashMap;
use std::sync::Arc;

use firebrick_core::data::{Dataset, Preprocessing};
use firebrick_core::run::{
    CheckedImage, Copies, CopiesOfSplit, DATA_CHECK, DataCheck, ImageCopy, Likeness, SplitCounts,
};
use firebrick_core::{ConfigError, Recipe};
use firebrick_datasets::Splits;
use firebrick_transfer::duplicates::{self, Fingerprint, NEAR, Pair};
use rayon::prelude::*;

use crate::mistakes;
use crate::overview::DataOverview;
use crate::prepared::Prepared;

/// The most images of which the pixels are compared where nobody asked for it.
pub const MOST_IMAGES: usize = 2000;
/// Smaller images are compared by their files alone: the hashes of icons and digits say little.
pub const SMALLEST_SIDE: usize = 64;
/// A class with fewer training images is named in a warning.
pub const FEW: usize = 10;
/// The most copies that are kept with their pictures.
const SHOWN: usize = 12;
/// The most names in a sentence.
const NAMED: usize = 5;

/// How images that are in two splits are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckDuplicates {
    /// By their files and, in a folder or pack of at most [`MOST_IMAGES`] images, by their pixels.
    Auto,
    /// By their files and their pixels, however many there are.
    All,
    /// By their files alone.
    Files,
}

impl CheckDuplicates {
    /// Reads `auto`, `all` or `files`.
    ///
    /// # Errors
    /// [`ConfigError`] for another name.
    pub fn from_name(name: &str) -> Result<Self, ConfigError> {
        match name {
            "auto" => Ok(Self::Auto),
            "all" => Ok(Self::All),
            "files" => Ok(Self::Files),
            other => Err(ConfigError::unknown_name(
                "check_duplicates",
                other,
                ["auto", "all", "files"],
            )),
        }
    }

    fn compares_pixels(self, splits: &Splits, images: usize) -> bool {
        match self {
            Self::Auto => splits.folders.is_some() && images <= MOST_IMAGES,
            Self::All => true,
            Self::Files => false,
        }
    }
}

/// Counts the images of each class, and looks for images of the other splits that are in the training split too.
/// `preprocessing` makes the small pictures of those that are found.
#[must_use]
pub fn data_check(
    splits: &Splits,
    preprocessing: &Preprocessing,
    how: CheckDuplicates,
) -> DataCheck {
    let counted = DataOverview::of(splits).splits.into_iter();
    let held_out = [("valid", &splits.valid), ("test", &splits.test)];
    let held_out = held_out
        .into_iter()
        .filter_map(|(name, split)| Some((name, split.as_ref()?)));
    let mut copies = Copies::default();
    let images = splits.train.len() + held_out.clone().map(|(_, s)| s.len()).sum::<usize>();
    let pixels = how.compares_pixels(splits, images);
    let train = Compared::new(&splits.train, pixels);
    note(&mut copies, &train, pixels);
    for (name, split) in held_out {
        let held_out = Compared::new(split, pixels);
        note(&mut copies, &held_out, pixels);
        let found = held_out.copies_of(&train);
        if found.is_empty() {
            continue;
        }
        let other_class =
            |pair: &&(usize, usize, Likeness)| split.label(pair.0) != splits.train.label(pair.1);
        copies.found.push(CopiesOfSplit {
            split: name.into(),
            images: split.len(),
            copies: found.len(),
            other_class: found.iter().filter(other_class).count(),
        });
        let room = SHOWN - copies.shown.len();
        let shown = found.into_iter().take(room).map(|(image, of, likeness)| {
            let checked = |name: &str, split: &Arc<dyn Dataset>, index| CheckedImage {
                name: split.describe(index),
                split: name.into(),
                class: split.label(index),
                picture: mistakes::picture(index, &**split, preprocessing).unwrap_or_default(),
            };
            ImageCopy {
                image: checked(name, split, image),
                of: checked("train", &splits.train, of),
                likeness,
            }
        });
        copies.shown.extend(shown);
    }
    DataCheck {
        splits: counted
            .map(|split| SplitCounts {
                split: split.name.into(),
                per_class: split.per_class,
            })
            .collect(),
        copies,
    }
}

fn note(copies: &mut Copies, compared: &Compared, pixels: bool) {
    copies.files += compared.files.iter().flatten().count();
    if pixels {
        *copies.pixels.get_or_insert(0) += compared.pixels.len();
    }
}

/// What a run notes of its images in its record, by the name of the section. Tells of what is wrong with images that are the user's
/// own.
///
/// # Errors
/// [`ConfigError`] for a recipe with another `check_duplicates`.
pub(crate) fn section(
    data: &Prepared,
    recipe: &Recipe,
    notice: &mut dyn FnMut(&str),
) -> Result<(&'static str, serde_json::Value), ConfigError> {
    let how = CheckDuplicates::from_name(&recipe.check_duplicates)?;
    let found = data_check(&data.splits, &data.preprocessing, how);
    if data.splits.folders.is_some() {
        let warnings = warnings(&found, data.splits.train.classes());
        warnings
            .iter()
            .for_each(|text| notice(&format!("warning: {text}")));
    }
    let section = serde_json::to_value(&found);
    let section = section.map_err(|error| ConfigError::Conflict(error.to_string()))?;
    Ok((DATA_CHECK, section))
}

/// What the user should know of what was found, one sentence each. `classes` are their names.
#[must_use]
pub fn warnings(found: &DataCheck, classes: &[String]) -> Vec<String> {
    let copies = found.copies.found.iter().map(|split| {
        let mut shown = found.copies.shown.iter();
        copied(split, shown.find(|pair| pair.image.split == split.split))
    });
    copies.chain(few(found, classes)).collect()
}

fn copied(split: &CopiesOfSplit, first: Option<&ImageCopy>) -> String {
    let name = match split.split.as_str() {
        "valid" => "validation",
        name => name,
    };
    let are = match split.copies {
        1 => "1 image is".into(),
        many => format!("{many} images are"),
    };
    let example = first.map_or(String::new(), |pair| {
        format!(" (`{}` and `{}`)", pair.image.name, pair.of.name)
    });
    let other = match split.other_class {
        0 => String::new(),
        1 => ", 1 of them in another class".into(),
        many => format!(", {many} of them in another class"),
    };
    let points = 100.0 * split.copies as f64 / split.images.max(1) as f64;
    format!(
        "{are} in the {name} split and, the same or nearly, in the training split{other}{example}: accuracy on {name} may \
         be up to {points:.1} points too high; remove one of each pair"
    )
}

/// The classes with few training images, in one sentence.
fn few(found: &DataCheck, classes: &[String]) -> Option<String> {
    let train = found.splits.first()?;
    let few = train.per_class.iter().enumerate();
    let few: Vec<String> = few
        .filter(|(_, images)| **images < FEW)
        .map(|(class, images)| {
            let name = classes.get(class).map_or("?", String::as_str);
            format!("`{name}`: {images}")
        })
        .collect();
    let have = match few.len() {
        0 => return None,
        1 => "1 class has".into(),
        many => format!("{many} classes have"),
    };
    let more = match few.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    let named = few[..few.len().min(NAMED)].join(", ");
    Some(format!(
        "{have} fewer than {FEW} training images ({named}{more}): a model learns little of so few; add images"
    ))
}

/// What is compared of the images of a split.
struct Compared {
    files: Vec<Option<[u8; 32]>>,
    /// Those that are large enough, with their index.
    pixels: Vec<(usize, Fingerprint)>,
}

impl Compared {
    fn new(split: &Arc<dyn Dataset>, pixels: bool) -> Self {
        let all = (0..split.len()).into_par_iter();
        let fingerprint = |index| {
            // Training stops at one that cannot be read, or leaves it out.
            let image = split.get(index).ok()?.image;
            let large = image.width.min(image.height) >= SMALLEST_SIDE;
            large.then(|| (index, duplicates::fingerprint(&image)))
        };
        Self {
            files: all.clone().map(|index| split.checksum(index)).collect(),
            pixels: if pixels {
                all.filter_map(fingerprint).collect()
            } else {
                Vec::new()
            },
        }
    }

    /// The images that are in `train` too: their index, that of the image there, and how they are the same.
    fn copies_of(&self, train: &Self) -> Vec<(usize, usize, Likeness)> {
        let mut first = HashMap::new();
        for (index, sum) in train.files.iter().enumerate() {
            if let Some(sum) = sum {
                first.entry(sum).or_insert(index);
            }
        }
        let mut of: Vec<Option<(usize, Likeness)>> = self
            .files
            .iter()
            .map(|sum| Some((*first.get(sum.as_ref()?)?, Likeness::File)))
            .collect();
        let hashes = |all: &[(usize, Fingerprint)]| -> Vec<Fingerprint> {
            all.iter().map(|(_, hash)| hash.clone()).collect()
        };
        let (own, others) = (hashes(&self.pixels), hashes(&train.pixels));
        for Pair {
            image,
            of: other,
            exact,
            ..
        } in duplicates::between(&own, &others, NEAR)
        {
            let likeness = if exact {
                Likeness::Pixels
            } else {
                Likeness::Near
            };
            of[self.pixels[image].0].get_or_insert((train.pixels[other].0, likeness));
        }
        let of = of.into_iter().enumerate();
        of.filter_map(|(image, of)| of.map(|(of, likeness)| (image, of, likeness)))
            .collect()
    }
}

#[cfg(test)]
mod tests;
