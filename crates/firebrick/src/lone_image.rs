//! Handles a last batch of a single image that batch norm cannot normalize.

use burn::tensor::Device;
use firebrick_core::data::BatchSource;
use firebrick_core::{Classifier, ConfigError, Recipe};
use firebrick_datasets::Loader;
use firebrick_train::lone_image::cannot_train_alone;
use firebrick_zoo::Architecture;

use crate::Error;
use crate::prepared::Prepared;

/// The loader of the training images. Where the last batch of an epoch would be one image that batch
/// norm cannot normalize alone, that image joins the batch before it, and a sentence says so. That
/// depends on the recipe and the number of images alone, so a resume has the same batches.
///
/// # Errors
/// [`Error::Config`] when there is no batch to join: a batch size of 1, or one training image.
pub(crate) fn train_loader<M: Classifier>(
    recipe: &Recipe,
    prepared: &Prepared,
    architecture: &dyn Architecture<M>,
    device: &Device,
) -> Result<(Loader, Option<String>), Error> {
    let loader = prepared.train_loader(recipe)?;
    let (images, batch) = (loader.samples(), recipe.batch_size);
    if batch > 1 && images % batch != 1 {
        return Ok((loader, None));
    }
    let input = prepared.input();
    let model = architecture.model(&input, recipe.seed, device)?;
    if !cannot_train_alone(&model, [input.channels, input.height, input.width]) {
        return Ok((loader, None));
    }
    let why = format!(
        "batch norm in {} gets a single value per channel from one {}×{} image, and a single value cannot be normalized",
        recipe.model, input.width, input.height
    );
    if batch == 1 {
        let text = format!(
            "batch_size = 1: {why}; use --batch-size 2 or more, larger images (--image-size), or a model without batch norm"
        );
        return Err(ConfigError::Conflict(text).into());
    }
    if images == 1 {
        let text = format!(
            "there is only one training image: {why} (batch size {batch}); use more images, larger ones (--image-size), or a model without batch norm"
        );
        return Err(ConfigError::Conflict(text).into());
    }
    let joined = format!(
        "{images} training images in batches of {batch} leave one over, which joins the last batch ({} images): {why}",
        batch + 1
    );
    Ok((prepared.train_loader_joined(recipe)?, Some(joined)))
}
