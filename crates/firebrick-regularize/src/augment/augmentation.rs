//! What an augmentation is: [`Augmentation`].

use firebrick_core::ConfigError;
use firebrick_core::about::About;
use firebrick_core::data::{Image, Subject};
use firebrick_core::image::Size;
use firebrick_core::random::HostRng;
use firebrick_core::spec::Config;
use rand::RngExt;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::warp::Warp;

/// An augmentation as plain data; the [module page](super) shows one. A new one is one file with such a struct, and an entry
/// of it in [`REGISTRY`](super::REGISTRY); a crate outside hands the entry to its `register`.
pub trait Augmentation: Config + Send + Sync + 'static {
    /// What the augmentation says about itself, without the key `prob` that every augmentation has.
    const ABOUT: About;

    /// The default of the key `prob`, the share of images that are changed. It is the last key of the augmentation, or the
    /// first one where this is below 1, because then the chance is what it is about.
    const PROB: f64 = 1.0;

    /// Whether `prob` is the first key: where the chance is what the augmentation is about. Otherwise it is the last one.
    const PROB_FIRST: bool = Self::PROB < 1.0;

    /// What it draws for one image. It can be logged, read back and applied again, also to the mask of the image.
    type Params: Serialize + DeserializeOwned + 'static;

    /// Refuses fields that do not go together; each is in its range already.
    ///
    /// # Errors
    /// [`ConfigError`] naming the fields.
    fn check(&self) -> Result<(), ConfigError> {
        Ok(())
    }

    /// Refuses a probability that its fields leave no room for.
    ///
    /// # Errors
    /// [`ConfigError`] naming the fields.
    fn check_prob(&self, prob: f64) -> Result<(), ConfigError> {
        let _ = prob;
        Ok(())
    }

    /// Whether it needs the image as decoded, such as a random crop. One such augmentation gives the whole pipeline the image
    /// as decoded.
    fn wants_original(&self) -> bool {
        false
    }

    /// The size of the image afterwards, where it is known: `input` is the size before. Called before training with all
    /// that is known, and for each image with its size.
    ///
    /// # Errors
    /// [`ConfigError`] when it cannot be applied to images of this size.
    fn output(&self, input: Option<Size>, target: Size) -> Result<Option<Size>, ConfigError> {
        let _ = target;
        Ok(input)
    }

    /// Whether this image is changed: with the probability `prob`. One number is drawn, unless `prob` and its default are 1.
    fn applies(&self, prob: f64, subject: &Subject, rng: &mut HostRng) -> bool {
        let _ = subject;
        (prob >= 1.0 && Self::PROB >= 1.0) || rng.random::<f64>() < prob
    }

    /// Draws the parameters for an image of this size. It knows nothing of the pixels.
    fn sample(&self, size: Size, subject: &Subject, rng: &mut HostRng) -> Self::Params;

    /// Changes the image as the parameters say. It draws nothing: what needs many numbers, such as noise, draws a seed for
    /// them.
    fn apply(&self, image: Image, params: &Self::Params) -> Image;

    /// For a geometric augmentation, where each pixel of the result lies in the image: two or more in a row are resampled
    /// once, and masks and boxes move along.
    fn warp(&self, size: Size, params: &Self::Params) -> Option<Warp> {
        let _ = (size, params);
        None
    }
}
