//! `grayscale`: takes the colour out; torchvision's `RandomGrayscale`, bit for bit.

use firebrick_core::about::About;
use firebrick_core::data::Subject;
use firebrick_core::image::{Image, Size, luma};
use firebrick_core::kernels::wide;
use firebrick_core::random::HostRng;
use serde::{Deserialize, Serialize};

use super::augmentation::Augmentation;
use super::planes::{self, Colours, Plane};

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
        desaturate(image.pixels.as_chunks_mut().0);
    }
}

wide! {
    fn desaturate(pixels: &mut [[u8; 3]]) {
        planes::change(pixels, &Desaturate);
    }
}

struct Desaturate;

impl Colours for Desaturate {
    #[inline(always)]
    fn change(&self, [reds, greens, blues]: &mut [Plane; 3]) {
        for ((red, green), blue) in reds.iter_mut().zip(greens).zip(blues) {
            let luma = luma(&[*red, *green, *blue]);
            (*red, *green, *blue) = (luma, luma, luma);
        }
    }
}
