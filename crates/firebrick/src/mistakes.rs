//! The images with the worst mistakes, as the model saw them, scaled down for the report.

use firebrick_core::data::{Dataset, Image, Preprocessing};
use firebrick_core::image::{Filter, Size, fit, resize};
use firebrick_core::run::{Mistake, Picture};
use firebrick_train::metrics::WrongImage;

/// Longest side of a picture, in pixels.
const SIDE: usize = 64;

/// Adds names and small copies to what an evaluation found; images that cannot be read are left out.
///
/// The copies show what `preprocessing` leaves of an image: what lies outside its crop, the model
/// never saw.
pub(crate) fn with_pictures(
    wrong: Vec<WrongImage>,
    dataset: &dyn Dataset,
    preprocessing: &Preprocessing,
) -> Vec<Mistake> {
    wrong
        .into_iter()
        .filter_map(|wrong| {
            let Picture { size, pixels } = picture(wrong.index, dataset, preprocessing)?;
            Some(Mistake {
                name: dataset.describe(wrong.index),
                truth: wrong.truth,
                said: wrong.said,
                truth_probability: wrong.truth_probability,
                size,
                pixels,
            })
        })
        .collect()
}

/// A small copy of what `preprocessing` leaves of an image; `None` for one that cannot be read.
pub(crate) fn picture(
    index: usize,
    dataset: &dyn Dataset,
    preprocessing: &Preprocessing,
) -> Option<Picture> {
    let image = dataset.get(index).ok()?.image;
    let image = within(fit(image, preprocessing), SIDE);
    Some(kept(image))
}

/// An image as a record keeps it.
pub(crate) fn kept(image: Image) -> Picture {
    Picture {
        size: [image.width, image.height, image.channels],
        pixels: image.pixels,
    }
}

/// The image scaled down to at most `side` pixels on its longer side; a small one stays as it is.
pub(crate) fn within(image: Image, side: usize) -> Image {
    let longest = image.width.max(image.height);
    if longest <= side {
        return image;
    }
    let shrink = |length: usize| (length * side / longest).max(1);
    let small = Size::new(shrink(image.width), shrink(image.height));
    resize(image, small, Filter::Bilinear)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use firebrick_core::data::{DataError, Fit, Sample};

    use super::*;

    /// One image of 60 × 20 pixels: red, white, and blue thirds from left to right.
    struct Flag(Vec<String>);

    impl Dataset for Flag {
        fn len(&self) -> usize {
            1
        }
        fn get(&self, _: usize) -> Result<Sample, DataError> {
            let third = |at: usize| [[255, 0, 0], [255; 3], [0, 0, 255]][at % 60 / 20];
            let image = Image {
                width: 60,
                height: 20,
                channels: 3,
                pixels: (0..60 * 20).flat_map(third).collect(),
            };
            Ok(Sample { image, label: 0 })
        }
        fn label(&self, _: usize) -> usize {
            0
        }
        fn classes(&self) -> &[String] {
            &self.0
        }
        fn describe(&self, index: usize) -> String {
            format!("flags/{index}.png")
        }
        fn fingerprint(&self) -> String {
            "flag".into()
        }
    }

    fn shown(fit: Fit, [width, height]: [usize; 2]) -> Mistake {
        let wrong = WrongImage {
            index: 0,
            truth: 0,
            said: vec![(0, 1.0)],
            truth_probability: 0.0,
        };
        let preprocessing = Preprocessing {
            fit,
            ..Preprocessing::unnormalized(3, height, width)
        };
        let flag: Arc<dyn Dataset> = Arc::new(Flag(vec!["flag".into()]));
        with_pictures(vec![wrong], &*flag, &preprocessing).remove(0)
    }

    #[test]
    fn a_picture_shows_what_the_model_saw() {
        // The middle square of the flag is white: the model sees nothing of its sides.
        let cropped = shown(Fit::Crop, [20, 20]);
        assert_eq!(cropped.size, [20, 20, 3]);
        assert!(cropped.pixels.iter().all(|value| *value == 255));
        let squashed = shown(Fit::Squash, [20, 20]);
        assert_eq!(squashed.pixels[..3], [255, 0, 0]);
        assert_eq!(squashed.pixels[57..60], [0, 0, 255]);
    }

    #[test]
    fn large_inputs_are_shown_small_in_their_proportions() {
        assert_eq!(shown(Fit::Squash, [256, 128]).size, [64, 32, 3]);
        assert_eq!(shown(Fit::Squash, [64, 48]).size, [64, 48, 3]);
        assert_eq!(shown(Fit::Squash, [1000, 2]).size, [64, 1, 3]);
    }
}
