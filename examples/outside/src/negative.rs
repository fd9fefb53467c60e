//! `negative`: turns an image into its negative.

use firebrick::core::about::About;
use firebrick::core::data::{Image, Subject};
use firebrick::core::image::Size;
use firebrick::core::random::HostRng;
use firebrick::regularize::augment::Augmentation;
use serde::{Deserialize, Serialize};

/// The augmentation; see the [module](self). It has the key `prob`, as every augmentation, and no other.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Negative {}

impl Augmentation for Negative {
    const ABOUT: About = About::new(
        "negative",
        "light becomes dark with a given probability",
        &[],
    );
    /// Half of the images.
    const PROB: f64 = 0.5;
    /// Nothing is drawn besides the chance.
    type Params = ();

    fn sample(&self, _: Size, _: &Subject, _: &mut HostRng) {}

    fn apply(&self, mut image: Image, (): &()) -> Image {
        image.pixels.iter_mut().for_each(|value| *value = !*value);
        image
    }
}
