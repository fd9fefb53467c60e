//! Matches the classes of a data set with those of a model.

use std::sync::Arc;

use firebrick_core::ConfigError;
use firebrick_core::data::Dataset;
use firebrick_datasets::class_names::{self, Matched};
use firebrick_zoo::{are_imagenet_classes, imagenet_classes};

/// Gives the images of `dataset` the labels of a model; as [`class_names::matched`], where the folders of ImageNet are known by their ids.
///
/// # Errors
/// When one of the classes is not the model's.
pub(crate) fn matched(
    dataset: Arc<dyn Dataset>,
    classes: &[String],
    numbered: bool,
) -> Result<Matched, ConfigError> {
    let ids: Vec<&str> = if are_imagenet_classes(classes) {
        let known = imagenet_classes().iter();
        known.map(|class| class.wordnet).collect()
    } else {
        Vec::new()
    };
    class_names::matched(dataset, classes, &ids, numbered)
}
