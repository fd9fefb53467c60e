//! `autocontrast`: stretches each channel to the whole range; torchvision's `RandomAutocontrast`, bit for bit that of
//! Pillow's `ImageOps.autocontrast`.

use firebrick_core::about::About;
use firebrick_core::data::Subject;
use firebrick_core::image::{Image, Size};
use firebrick_core::random::HostRng;
use serde::{Deserialize, Serialize};

use super::augmentation::Augmentation;
use super::table::{Table, extremes, replace_each, table};

/// Configuration of `autocontrast`: nothing but `prob`, 0.5 as in torchvision.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Autocontrast {}

impl Augmentation for Autocontrast {
    const ABOUT: About = About::new(
        "autocontrast",
        "stretches each channel so that it reaches from black to full intensity",
        &[],
    )
    .source("torchvision's RandomAutocontrast; Pillow's ImageOps.autocontrast");
    const PROB: f64 = 0.5;
    type Params = ();

    fn sample(&self, _: Size, _: &Subject, _: &mut HostRng) {}

    fn apply(&self, mut image: Image, (): &()) -> Image {
        autocontrast(&mut image);
        image
    }
}

/// Maps the least value of each channel to 0 and the greatest to 255. A channel with one value stays as it is.
pub fn autocontrast(image: &mut Image) {
    let extremes = extremes(image);
    replace_each(image, |channel| stretch(extremes[channel]));
}

fn stretch((least, most): (u8, u8)) -> Table {
    if most <= least {
        return table(|value| value);
    }
    let scale = 255.0 / f64::from(most - least);
    let offset = -f64::from(least) * scale;
    table(|value| (f64::from(value) * scale + offset) as u8)
}
