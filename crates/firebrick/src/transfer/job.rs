//! What a transfer-learning job is told.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use firebrick_core::Recipe;
use firebrick_core::spec::{Pipeline, Spec};
use firebrick_datasets::registry::folder_path;
use firebrick_train::{Clock, Hook};
use firebrick_zoo::Model;

use super::strategy::Wanted;
use crate::{RunPlace, Sources};

/// Makes hooks for a training of so many epochs.
pub type MakeHooks<'a> = Box<dyn FnMut(u64) -> Hooks<'a> + 'a>;
/// What runs beside the loop of a training.
pub type Hooks<'a> = Vec<Box<dyn Hook<Model> + 'a>>;

/// A transfer-learning job.
pub struct TransferJob<'a> {
    /// Data, model and weights, and how stages are fine-tuned: as [`recipe`] makes it, with what differs.
    pub recipe: Recipe,
    /// Where the images and the model come from.
    pub sources: Sources,
    /// The run directory.
    pub out: RunPlace,
    /// Which ways are tried.
    pub wanted: Wanted,
    /// How long it may take. The features and the linear classifiers are always computed; fine-tuning takes what is left.
    pub budget: Duration,
    /// The directory that keeps features for the next time; none: they are kept in memory.
    pub cache: Option<PathBuf>,
    /// Makes what runs beside the loop of each fine-tuning, which is told the number of epochs.
    pub hooks: MakeHooks<'a>,
    /// Set this from outside to stop. Before the linear classifiers are there, that is an error; then the best so far is kept.
    pub interrupted: Arc<AtomicBool>,
    /// Told the images whose features are there and their total.
    pub progress: Box<dyn FnMut(usize, usize) + 'a>,
    /// Called with messages for the user while the job runs.
    pub notice: Box<dyn FnMut(&str) + 'a>,
    /// The command that does the same again, for the report.
    pub command: Option<String>,
    /// The clock for the report.
    pub clock: Option<Clock>,
}

impl TransferJob<'_> {
    /// A job that tries every way, with five minutes and nothing kept but the run.
    pub fn new(recipe: Recipe, out: RunPlace) -> Self {
        Self {
            recipe,
            sources: Sources::default(),
            out,
            wanted: Wanted::Auto,
            budget: Duration::from_secs(300),
            cache: None,
            hooks: Box::new(|_| Vec::new()),
            interrupted: Arc::default(),
            progress: Box::new(|_, _| {}),
            notice: Box::new(|_| {}),
            command: None,
            clock: None,
        }
    }
}

/// The recipe of a transfer: its data, its model with the weights to begin with, and how stages are fine-tuned after the linear classifier
/// is found: a tenth of the optimizer's usual rate (LP-FT: Kumar et al., ICLR 2022), and crops and mirror images of photos.
#[must_use]
pub fn recipe(dataset: &str, model: Spec, weights: &str) -> Recipe {
    let of_photos = folder_path(dataset).is_some();
    let (optimizer, augment) = if of_photos {
        ("adamw(lr=1e-4)", "random_resized_crop(scale=0.5) | hflip")
    } else {
        // Networks for small images are trained at higher rates.
        ("adamw(lr=1e-3)", "random_resized_crop(scale=0.7)")
    };
    let spec = |text: &str| text.parse().unwrap_or_else(|_| Spec::new(text));
    Recipe {
        dataset: dataset.into(),
        model,
        weights: Some(weights.into()),
        optimizer: spec(optimizer),
        schedule: spec("cosine"),
        augment: augment.parse().unwrap_or_else(|_| Pipeline::default()),
        batch_size: 32,
        epochs: 20,
        ..Recipe::default()
    }
}
