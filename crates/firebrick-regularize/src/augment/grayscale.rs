//! `grayscale`: takes the colour out; torchvision's `RandomGrayscale`, bit for bit.

use firebrick_core::about::About;
use firebrick_core::data::Subject;
use firebrick_core::image::{Image, Size, luma};
use firebrick_core::random::HostRng;
use serde::{Deserialize, Serialize};

use super::augmentation::Augmentation;

/// Configuration of `grayscale`: nothing but `prob`, 0.1 as in torchvision.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Grayscale {}

impl Augmentation for Grayscale {
    const ABOUT: About = About::new("grayscale", "turns the image to grey", &[])
        .source("torchvision's RandomGrayscale");
    const PROB: f64 = 0.1;
    type Params = ();

    fn sample(&self, _: Size, _: &Subject, _: &mut HostRng) {}

    fn apply(&self, mut image: Image, (): &()) -> Image {
        grayscale(&mut image);
        image
    }
}

/// Gives all three channels the luma of the pixel. A grey image stays as it is.
pub fn grayscale(image: &mut Image) {
    if image.channels == 3 {
        for pixel in image.pixels.chunks_exact_mut(3) {
            pixel.fill(luma(pixel));
        }
    }
}
