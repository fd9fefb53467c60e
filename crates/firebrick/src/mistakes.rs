//! Pictures of the most wrong images, small enough for a report.

use firebrick_core::data::{Dataset, Fit, Preprocessing};
use firebrick_core::run::Mistake;
use firebrick_datasets::decode::fit;
use firebrick_train::metrics::WrongImage;

/// Longest side of a picture, in pixels.
const SIDE: usize = 64;

/// Adds names and small copies to what an evaluation found; images that cannot be read are left out.
pub(crate) fn with_pictures(wrong: Vec<WrongImage>, dataset: &dyn Dataset) -> Vec<Mistake> {
    wrong
        .into_iter()
        .filter_map(|wrong| {
            let image = dataset.get(wrong.index).ok()?.image;
            let longest = image.width.max(image.height).max(SIDE);
            let shrink = |side: usize| (side * SIDE / longest).max(1);
            let size = if longest > SIDE {
                [shrink(image.height), shrink(image.width)]
            } else {
                [image.height, image.width]
            };
            let small = Preprocessing {
                channels: image.channels,
                height: size[0],
                width: size[1],
                fit: Fit::Squash,
                mean: Vec::new(),
                std: Vec::new(),
            };
            let image = fit(image, &small);
            Some(Mistake {
                name: dataset.describe(wrong.index),
                truth: wrong.truth,
                said: wrong.said,
                truth_probability: wrong.truth_probability,
                size: [image.width, image.height, image.channels],
                pixels: image.pixels,
            })
        })
        .collect()
}
