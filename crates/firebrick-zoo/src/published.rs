//! The published weights of the networks: where they lie, how they are verified, and how they read images.
//!
//! `published.json` has a line for each file, written by `xtask/golden/weights.py` from the tables of torchvision and timm.

use std::sync::LazyLock;

use firebrick_core::ConfigError;
use firebrick_core::data::Preprocessing;
use serde::{Deserialize, Serialize};

use crate::Input;

/// Published weights of a network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Weights {
    /// The network, by its name in [`REGISTRY`](crate::REGISTRY).
    pub model: String,
    /// What tells the weights apart from others of the network: torchvision's or timm's tag.
    pub tag: String,
    /// Where the file lies; none for weights that were published in no file that can be loaded.
    pub url: Option<String>,
    /// The name of the file in a directory of weights.
    pub file: Option<String>,
    /// The model on the hub, such as `timm/resnet18d.ra2_in1k`.
    pub hub: Option<String>,
    /// Its SHA-256 in hexadecimal digits, all 64 or the first of them: those that its publisher put into its name. None for files of
    /// the hub, which are verified from the second time on.
    pub sha256: Option<String>,
    /// Its size in units of 2²⁰ bytes, where the publisher says it.
    pub mebibytes: Option<f64>,
    /// The licence, by its SPDX name.
    pub licence: String,
    /// The data set that they were trained on: [`IMAGENET`](crate::IMAGENET), whose classes are
    /// [`imagenet_classes`](crate::imagenet_classes), or the name of one of Firebrick's.
    pub data: String,
    /// The number of classes.
    pub classes: usize,
    /// How images become input, as when the accuracy was measured.
    pub preprocessing: Preprocessing,
    /// Published accuracy in percent, where it was measured with this preprocessing.
    pub top1: Option<f64>,
    /// Share of images in percent whose class is among the five most probable ones.
    pub top5: Option<f64>,
    /// Where these facts are from.
    pub source: String,
}

impl Weights {
    /// The name by which they can be asked for: `resnet18.IMAGENET1K_V1`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}.{}", self.model, self.tag)
    }

    /// Whether a network that was made for `native` is the published one. A version for smaller images is not.
    #[must_use]
    pub fn are_for(&self, native: &Input) -> bool {
        self.classes == native.classes
    }
}

static TABLE: LazyLock<Vec<Weights>> =
    LazyLock::new(|| serde_json::from_str(include_str!("published.json")).unwrap_or_default());

/// All published weights, by network; the first of each are what `pretrained` means.
#[must_use]
pub fn published() -> &'static [Weights] {
    &TABLE
}

/// The published weights of the network of this name.
pub fn published_for(model: &str) -> impl Iterator<Item = &'static Weights> {
    published()
        .iter()
        .filter(move |weights| weights.model == model)
}

/// The weights of a network with this tag, or `NETWORK.TAG`; `pretrained` is the first of them. None for any other text.
///
/// # Errors
/// [`ConfigError::Conflict`] when there are none for the network, or those of another one are named.
pub fn find_published(model: &str, text: &str) -> Result<Option<&'static Weights>, ConfigError> {
    let mut own = published_for(model);
    if text == PRETRAINED {
        return own.next().map(Some).ok_or_else(|| {
            ConfigError::Conflict(format!(
                "there are no published weights for {model}; `firebrick models weights` lists the networks that have some. Give a file with --weights FILE"
            ))
        });
    }
    if let Some(weights) = own.find(|weights| weights.tag == text || weights.name() == text) {
        return Ok(Some(weights));
    }
    match published().iter().find(|weights| weights.name() == text) {
        Some(weights) => Err(ConfigError::Conflict(format!(
            "{text} are weights of {}, but the model is {model}",
            weights.model
        ))),
        None => Ok(None),
    }
}

/// What asks for the first published weights of a network.
pub const PRETRAINED: &str = "pretrained";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{IMAGENET, MAX_SIDE, REGISTRY, default_input, imagenet_classes};

    #[test]
    fn the_table_is_sound_and_is_for_networks_of_the_zoo() {
        assert!(published().len() > 90, "{}", published().len());
        let mut names = std::collections::BTreeSet::new();
        for weights in published() {
            let name = weights.name();
            let spec = firebrick_core::spec::Spec::new(&weights.model);
            let native = default_input(&spec).unwrap();
            assert!(weights.are_for(&native), "{name}");
            if weights.data == IMAGENET {
                assert_eq!(weights.classes, imagenet_classes().len(), "{name}");
            }
            weights.preprocessing.check(MAX_SIDE).unwrap();
            assert!(names.insert(name.clone()), "{name} is there twice");
            let digits = weights.sha256.as_deref().unwrap_or("00000000");
            assert!(
                digits.len() >= 8 && digits.bytes().all(|digit| digit.is_ascii_hexdigit()),
                "{name}: {digits}"
            );
            assert_eq!(weights.url.is_some(), weights.file.is_some(), "{name}");
            if let (Some(url), Some(file)) = (&weights.url, &weights.file) {
                assert!(url.starts_with("https://"), "{url}");
                // Either the name or the hub's path says which file it is.
                assert!(
                    weights
                        .sha256
                        .as_deref()
                        .is_some_and(|digits| file.contains(&digits[..8]))
                        || url.contains(&format!("{}/", file.rsplit_once('/').unwrap().0)),
                    "{name}: {file}"
                );
            }
            assert!(
                weights.top1.is_none_or(|top1| (50.0..95.0).contains(&top1)),
                "{name}"
            );
            assert_eq!(
                find_published(&weights.model, &weights.tag).unwrap(),
                Some(weights)
            );
            assert_eq!(
                find_published(&weights.model, &name).unwrap(),
                Some(weights)
            );
        }
    }

    #[test]
    fn networks_without_published_weights_are_few_and_known() {
        let without: Vec<&str> = REGISTRY
            .entries()
            .iter()
            .map(|entry| entry.about.name)
            .filter(|name| published_for(name).next().is_none())
            .collect();
        assert_eq!(
            without,
            ["lenet5", "small_cnn", "resnetv2_152", "wide_resnet28_10"]
        );
    }

    #[test]
    fn texts_name_weights() {
        let tag = |model, text| find_published(model, text).map(|found| found.map(Weights::name));
        assert_eq!(
            tag("resnet50", PRETRAINED).unwrap().unwrap(),
            "resnet50.IMAGENET1K_V2"
        );
        assert_eq!(tag("resnet50", "weights.pth").unwrap(), None);
        let other = tag("resnet50", "resnet18.IMAGENET1K_V1")
            .unwrap_err()
            .to_string();
        assert!(other.contains("weights of resnet18"), "{other}");
        let none = tag("lenet5", PRETRAINED).unwrap_err().to_string();
        assert!(none.contains("no published weights for lenet5"), "{none}");
    }

    #[test]
    fn what_is_published_of_a_file_is_what_torchvision_says() {
        let b1 = find_published("efficientnet_b1", "IMAGENET1K_V1")
            .unwrap()
            .unwrap();
        let image = &b1.preprocessing;
        assert_eq!((image.height, image.width, image.crop), (240, 240, 0.9375));
        assert_eq!(image.filter, firebrick_core::image::Filter::Bicubic);
        let googlenet = find_published("googlenet", PRETRAINED).unwrap().unwrap();
        assert_eq!(googlenet.preprocessing.mean, [0.5; 3]);
        let resnet = find_published("resnet20", PRETRAINED).unwrap().unwrap();
        assert_eq!(resnet.sha256.as_deref().map(str::len), Some(64));
    }
}
