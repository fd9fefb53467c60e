//! `equalize`: spreads the values of each channel evenly; torchvision's `RandomEqualize`, bit for bit that of
//! Pillow's `ImageOps.equalize`.

use firebrick_core::about::About;
use firebrick_core::data::Subject;
use firebrick_core::image::{Image, Size};
use firebrick_core::random::HostRng;
use serde::{Deserialize, Serialize};

use super::augmentation::Augmentation;
use super::table::{Table, histograms, replace_each, table};

/// Configuration of `equalize`: nothing but `prob`, 0.5 as in torchvision.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Equalize {}

impl Augmentation for Equalize {
    const ABOUT: About = About::new(
        "equalize",
        "spreads the values of each channel evenly over all levels",
        &[],
    )
    .source("torchvision's RandomEqualize; Pillow's ImageOps.equalize");
    const PROB: f64 = 0.5;
    type Params = ();

    fn sample(&self, _: Size, _: &Subject, _: &mut HostRng) {}

    fn apply(&self, mut image: Image, (): &()) -> Image {
        equalize(&mut image);
        image
    }
}

/// Makes all values of each channel about equally frequent. Channels with one value, and images of less than 256
/// pixels or so, stay as they are.
pub fn equalize(image: &mut Image) {
    let counts = histograms(image);
    replace_each(image, |channel| spread(&counts[channel]));
}

fn spread(counts: &[u32; 256]) -> Table {
    let total: u32 = counts.iter().sum();
    let last = counts
        .iter()
        .rfind(|count| **count > 0)
        .copied()
        .unwrap_or(0);
    let step = (total - last) / 255;
    if step == 0 {
        return table(|value| value);
    }
    let mut below = step / 2;
    let mut spread = [0; 256];
    for (entry, count) in spread.iter_mut().zip(counts) {
        *entry = (below / step).min(255) as u8;
        below += count;
    }
    spread
}
