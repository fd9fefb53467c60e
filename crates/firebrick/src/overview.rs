//! The overview of a run before it starts: data, model and directory.

use std::path::PathBuf;

use burn::module::Module;
use firebrick_core::data::Dataset;
use firebrick_datasets::Splits;
use firebrick_datasets::folder::Folders;

use crate::Session;
use crate::fine_tuning::FineTuning;
use crate::per_class::per_class;
use crate::start::Begun;

/// What a run is about to do. It is made when everything has been checked, before the first update.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overview {
    /// The data.
    pub data: DataOverview,
    /// Channels, height and width of the images that the model reads.
    pub input: [usize; 3],
    /// The model's spec.
    pub model: String,
    /// The number of trainable parameters.
    pub parameters: usize,
    /// The device.
    pub device: String,
    /// Epochs of the whole run.
    pub epochs: u64,
    /// Optimizer updates in an epoch.
    pub updates_per_epoch: u64,
    /// Updates made before; 0 for a new run.
    pub step: u64,
    /// Which stages are trained when, a line each; empty where the recipe does not say.
    pub fine_tuning: Vec<String>,
    /// The run directory.
    pub run_dir: PathBuf,
}

impl Overview {
    /// Of a run that is about to make its first update of this session.
    pub(crate) fn of<M: Module>(session: &Session<'_, M>, begun: &Begun<M>) -> Self {
        let (recipe, input) = (&session.recipe, &session.data.preprocessing);
        let checkpoint = begun.resume.as_ref();
        Self {
            data: DataOverview::of(&session.data.splits),
            input: [input.channels, input.height, input.width],
            model: recipe.model.to_string(),
            parameters: firebrick_zoo::parameters(&begun.model),
            device: recipe.device.clone(),
            epochs: recipe.epochs,
            updates_per_epoch: session.length.updates_per_epoch,
            step: checkpoint.map_or(0, |checkpoint| checkpoint.progress.step),
            fine_tuning: session
                .fine_tuning
                .as_ref()
                .map_or_else(Vec::new, FineTuning::lines),
            run_dir: begun.run.path().into(),
        }
    }
}

/// The splits of a data set in numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataOverview {
    /// The data set's spec.
    pub name: String,
    /// The class names; `per_class` below follows their order.
    pub classes: Vec<String>,
    /// The splits that are there: of `train`, `valid` and `test`.
    pub splits: Vec<SplitOverview>,
    /// Channels that images are read with: 1 (grey) or 3 (RGB).
    pub channels: usize,
    /// Height and width of the images in pixels; none when they have any size.
    pub size: Option<[usize; 2]>,
    /// Images left out because they cannot be read.
    pub skipped: usize,
    /// An image file of a split that is not trained on, where there is one, else of `train`; a pack; none
    /// when the images have no files of their own.
    pub example: Option<String>,
}

/// One split in numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SplitOverview {
    /// `train`, `valid` or `test`.
    pub name: &'static str,
    /// Images.
    pub images: usize,
    /// Images of each class.
    pub per_class: Vec<usize>,
}

impl DataOverview {
    /// Counts the images of open splits; reads none.
    #[must_use]
    pub fn of(splits: &Splits) -> Self {
        let classes = splits.train.classes().to_vec();
        let named = [
            ("train", Some(&splits.train)),
            ("valid", splits.valid.as_ref()),
            ("test", splits.test.as_ref()),
        ];
        let splits_there = named
            .into_iter()
            .filter_map(|(name, split)| Some(counted(name, &**split?, classes.len())))
            .collect();
        let held_out = splits.test.as_ref().or(splits.valid.as_ref());
        let example = held_out.unwrap_or(&splits.train);
        let has_files = splits.name.starts_with("folder:") && !example.is_empty();
        let pack = splits.folders.as_ref().and_then(Folders::pack);
        Self {
            example: match pack {
                Some(pack) => Some(pack.display().to_string()),
                None => has_files.then(|| example.describe(0)),
            },
            name: splits.name.clone(),
            classes,
            splits: splits_there,
            channels: splits.channels,
            size: splits.size,
            skipped: splits.skipped.len(),
        }
    }
}

fn counted(name: &'static str, split: &dyn Dataset, classes: usize) -> SplitOverview {
    SplitOverview {
        name,
        images: split.len(),
        per_class: per_class(split, classes),
    }
}

#[cfg(test)]
mod tests {
    use firebrick_datasets::{OpenOptions, open};

    use super::*;

    #[test]
    fn splits_are_counted_class_by_class() {
        let options = OpenOptions {
            valid_fraction: 0.25,
            ..OpenOptions::default()
        };
        let splits = open("glyphs(train=144, test=36)", &options).unwrap();
        let data = DataOverview::of(&splits);
        let counts: Vec<_> = data.splits.iter().map(|s| (s.name, s.images)).collect();
        assert_eq!(counts, [("train", 108), ("valid", 36), ("test", 36)]);
        for split in &data.splits {
            assert_eq!(split.per_class.len(), data.classes.len());
            assert_eq!(split.per_class.iter().sum::<usize>(), split.images);
        }
        // Validation takes the same share of every class.
        assert!(data.splits[1].per_class.iter().all(|count| *count <= 2));
    }
}
