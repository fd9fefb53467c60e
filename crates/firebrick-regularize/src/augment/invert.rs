//! `invert`: the negative; torchvision's `RandomInvert`, bit for bit.

use firebrick_core::about::About;
use firebrick_core::data::Subject;
use firebrick_core::image::{Image, Size};
use firebrick_core::random::HostRng;
use serde::{Deserialize, Serialize};

use super::augmentation::Augmentation;

/// Configuration of `invert`: nothing but `prob`, 0.5 as in torchvision.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Invert {}

impl Augmentation for Invert {
    const ABOUT: About = About::new("invert", "turns the image into its negative", &[])
        .source("torchvision's RandomInvert");
    const PROB: f64 = 0.5;
    type Params = ();

    fn sample(&self, _: Size, _: &Subject, _: &mut HostRng) {}

    fn apply(&self, mut image: Image, (): &()) -> Image {
        invert(&mut image);
        image
    }
}

/// 255 less every value.
pub fn invert(image: &mut Image) {
    image.pixels.iter_mut().for_each(|value| *value = !*value);
}
