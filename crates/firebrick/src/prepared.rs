//! Prepares the data of a recipe: splits, preprocessing and loaders.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use firebrick_core::ConfigError;
use firebrick_core::data::{BatchTransform, Dataset, Preprocessing, SampleTransform};
use firebrick_core::image::Filter;
use firebrick_core::recipe::{Recipe, SETTINGS, Setting};
use firebrick_core::setting::Place;
use firebrick_datasets::folder::Changes;
use firebrick_datasets::registry::folder_path;
use firebrick_datasets::sampler::Sampling;
use firebrick_datasets::statistics::channel_statistics;
use firebrick_datasets::{Loader, LoaderConfig, OnBadImage, OpenOptions, Splits};
use firebrick_regularize::views::View;
use firebrick_zoo::{Input, Normalization};

use crate::weights::Expected;
use crate::{Error, own_program};

/// The file in a run directory with the SHA-256 of every image that the run was started with.
pub const CHECKSUMS: &str = "data.sha256";

/// The normalization that is found, not given.
pub(crate) const AUTO: &str = "auto";

/// The data of a recipe.
pub struct Prepared {
    /// The splits.
    pub splits: Splits,
    /// How images become input.
    pub preprocessing: Preprocessing,
    /// What to do about images that cannot be read.
    pub on_bad: OnBadImage,
}

impl Prepared {
    /// Opens the data set of a recipe, for a model of the zoo. `cache` is the directory of data sets, for recipes
    /// without `data_dir`.
    ///
    /// # Errors
    /// [`Error`] naming the file or setting.
    pub fn open(recipe: &Recipe, cache: &Path) -> Result<Self, Error> {
        let native = firebrick_zoo::default_input(&recipe.model)?;
        Self::of_data_set(recipe, cache, &native, None)
    }

    /// The data set of a recipe. Where the recipe does not say how images are read, they are read as `expected`, and those of any size
    /// are fitted to `native` without it.
    pub(crate) fn of_data_set(
        recipe: &Recipe,
        cache: &Path,
        native: &Input,
        expected: Option<Expected>,
    ) -> Result<Self, Error> {
        let splits = firebrick_datasets::open(&recipe.dataset, &open_options(recipe, cache)?)?;
        Self::of(recipe, splits, native, expected)
    }

    /// Splits that are open, read as a recipe says.
    pub(crate) fn of(
        recipe: &Recipe,
        splits: Splits,
        native: &Input,
        expected: Option<Expected>,
    ) -> Result<Self, Error> {
        let on_bad = on_bad_image(&recipe.on_bad_image)?;
        let expected = expected.map(|expected| expected.for_channels(splits.channels));
        let preprocessing = preprocessing(recipe, &splits, on_bad, native, expected)?;
        Ok(Self {
            splits,
            preprocessing,
            on_bad,
        })
    }

    /// What a model for this data reads and tells apart.
    #[must_use]
    pub fn input(&self) -> Input {
        let Preprocessing {
            channels,
            height,
            width,
            ..
        } = self.preprocessing;
        Input {
            channels,
            height,
            width,
            classes: self.splits.train.classes().len(),
        }
    }

    /// The loader of the training images.
    ///
    /// # Errors
    /// [`Error::Config`] naming the setting.
    pub fn train_loader(&self, recipe: &Recipe) -> Result<Loader, Error> {
        self.train_loader_with(recipe, false)
    }

    /// As [`Self::train_loader`], with a last batch of one image joined to the batch before it.
    pub(crate) fn train_loader_joined(&self, recipe: &Recipe) -> Result<Loader, Error> {
        self.train_loader_with(recipe, true)
    }

    fn train_loader_with(&self, recipe: &Recipe, join_lone_image: bool) -> Result<Loader, Error> {
        let explain = |error| own_program::explain(error, recipe);
        let sampling = Sampling::try_from(recipe.sampling.clone()).map_err(explain)?;
        let chain = firebrick_regularize::augment::build(&recipe.augment).map_err(explain)?;
        let transform: Option<Arc<dyn SampleTransform>> = match chain.is_empty() {
            true => None,
            false => Some(Arc::new(chain)),
        };
        let config = LoaderConfig {
            overfit_batches: recipe.overfit_batches,
            join_lone_image,
            ..config(recipe, sampling)?
        };
        loader(
            self.splits.train.clone(),
            &self.preprocessing,
            transform,
            firebrick_regularize::mix::build(&recipe.mix).map_err(explain)?,
            config,
        )
    }

    /// A loader for evaluation: every image once, unchanged, in order.
    ///
    /// # Errors
    /// [`Error::Config`] naming the setting.
    pub fn evaluation_loader(
        &self,
        recipe: &Recipe,
        dataset: Arc<dyn Dataset>,
    ) -> Result<Loader, Error> {
        evaluation_loader(recipe, &self.preprocessing, dataset)
    }

    /// A text that changes whenever an image changes that the training depends on.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        self.splits.fingerprint()
    }

    /// The SHA-256 of every image of a folder, in the format of `sha256sum`. A run directory keeps them, so that
    /// one can tell later which files have changed.
    #[must_use]
    pub fn checksums(&self) -> Option<String> {
        Some(self.splits.folders.as_ref()?.checksums())
    }

    /// How the images of a folder have changed since a run was started; `None` if they have not, or if the run has
    /// no checksums.
    #[must_use]
    pub fn changes_since(&self, run: &Path) -> Option<Changes> {
        let before = std::fs::read_to_string(run.join(CHECKSUMS)).ok()?;
        let changes = Changes::between(&before, &self.checksums()?);
        (!changes.is_empty()).then_some(changes)
    }

    /// Writes the places of data and weights into a recipe as absolute paths, so that a run can be
    /// resumed and evaluated from another working directory.
    pub fn settle(recipe: &mut Recipe) {
        if let Some(path) = folder_path(&recipe.dataset)
            && let Ok(absolute) = std::path::absolute(path)
        {
            recipe.dataset = format!("folder:{}", absolute.display());
        }
        let is_path =
            |row: &&Setting| matches!(row.about.place, Some(Place::Directory | Place::File));
        for setting in SETTINGS.iter().filter(is_path) {
            let place = setting.value(recipe).text();
            if let Some(place) = place.filter(|place| Path::new(place).exists())
                && let Ok(absolute) = std::path::absolute(place)
            {
                // A text takes every text.
                let _ = setting
                    .value_mut(recipe)
                    .read(&absolute.display().to_string());
            }
        }
    }
}

/// How the data set of a recipe is opened. `cache` is where data sets lie when the recipe does not say.
pub(crate) fn open_options(recipe: &Recipe, cache: &Path) -> Result<OpenOptions, ConfigError> {
    Ok(OpenOptions {
        data_dir: recipe.data_dir.as_ref().map(PathBuf::from),
        default_data_dir: cache.into(),
        channels: recipe.channels,
        on_bad_image: on_bad_image(&recipe.on_bad_image)?,
        valid_fraction: recipe.valid_fraction,
        seed: recipe.split_seed.unwrap_or(recipe.seed),
        limit_train: recipe.limit_train,
    })
}

/// Every image of `dataset` once, unchanged, in order.
pub(crate) fn evaluation_loader(
    recipe: &Recipe,
    preprocessing: &Preprocessing,
    dataset: Arc<dyn Dataset>,
) -> Result<Loader, Error> {
    loader(
        dataset,
        preprocessing,
        None,
        Vec::new(),
        config(recipe, Sampling::sequential())?,
    )
}

/// One view of every image of `dataset`, in order.
pub(crate) fn view_loader(
    recipe: &Recipe,
    preprocessing: &Preprocessing,
    dataset: Arc<dyn Dataset>,
    view: View,
) -> Result<Loader, Error> {
    loader(
        dataset,
        preprocessing,
        Some(Arc::new(view)),
        Vec::new(),
        config(recipe, Sampling::sequential())?,
    )
}

fn config(recipe: &Recipe, sampling: Sampling) -> Result<LoaderConfig, ConfigError> {
    Ok(LoaderConfig {
        batch_size: recipe.batch_size,
        sampling,
        seed: recipe.seed,
        workers: recipe.workers,
        epochs: Some(recipe.epochs),
        on_bad: on_bad_image(&recipe.on_bad_image)?,
        ..LoaderConfig::default()
    })
}

fn loader(
    dataset: Arc<dyn Dataset>,
    preprocessing: &Preprocessing,
    transform: Option<Arc<dyn SampleTransform>>,
    batch_transforms: Vec<Box<dyn BatchTransform>>,
    config: LoaderConfig,
) -> Result<Loader, Error> {
    Ok(Loader::new(
        dataset,
        preprocessing.clone(),
        transform,
        batch_transforms,
        config,
    )?)
}

fn on_bad_image(name: &str) -> Result<OnBadImage, ConfigError> {
    match name {
        "fail" => Ok(OnBadImage::Fail),
        "skip" => Ok(OnBadImage::Skip),
        other => Err(ConfigError::unknown_name(
            "on_bad_image",
            other,
            ["fail", "skip"],
        )),
    }
}

/// Size, channels and normalization of the model's input.
fn preprocessing(
    recipe: &Recipe,
    splits: &Splits,
    on_bad: OnBadImage,
    native: &Input,
    expected: Option<Expected>,
) -> Result<Preprocessing, Error> {
    let expected = expected.map(|expected| expected.preprocessing);
    // Images that all have one size are not brought to another, unless the recipe says so.
    let fitted = expected.as_ref().filter(|_| splits.size.is_none());
    let [height, width] = match (recipe.image_size, splits.size) {
        (Some(side), _) => [side; 2],
        (None, Some(size)) => size,
        (None, None) => fitted.map_or([native.height, native.width], |image| {
            [image.height, image.width]
        }),
    };
    firebrick_core::error::check("recipe", "image_size", height, 1..=4096)?;
    let channels = splits.channels;
    if let Some(wanted) = recipe.channels.filter(|wanted| *wanted != channels) {
        return Err(ConfigError::Conflict(format!(
            "recipe: channels = {wanted}, but the images of {} are {}; only the images of a folder are converted: leave \
             channels out",
            recipe.dataset,
            if channels == 1 { "in greyscale" } else { "in colour" }
        ))
        .into());
    }
    let mut preprocessing = Preprocessing {
        fit: recipe.fit,
        crop: recipe
            .crop_pct
            .unwrap_or(fitted.map_or(1.0, |image| image.crop)),
        filter: recipe
            .interpolation
            .unwrap_or(fitted.map_or(Filter::default(), |image| image.filter)),
        ..Preprocessing::unnormalized(channels, height, width)
    };
    preprocessing.check_crop("recipe", "crop_pct")?;
    let normalization = if let (AUTO, Some(image)) = (recipe.normalize.as_str(), expected) {
        Normalization {
            mean: image.mean,
            std: image.std,
        }
    } else if recipe.normalize == AUTO {
        let statistics = channel_statistics(&*splits.train, &preprocessing, on_bad)?;
        Normalization {
            mean: statistics.mean,
            std: statistics.std,
        }
    } else {
        recipe
            .normalize
            .parse::<Normalization>()?
            .for_channels(channels)?
    };
    preprocessing.mean = normalization.mean;
    preprocessing.std = normalization.std;
    Ok(preprocessing)
}
