//! `vflip`: flips the image upside down; torchvision's `RandomVerticalFlip`.

use firebrick_core::about::About;
use firebrick_core::data::{Image, Subject};
use firebrick_core::image::Size;
use firebrick_core::random::HostRng;
use serde::{Deserialize, Serialize};

use super::augmentation::Augmentation;
use super::warp::{Homography, Warp};

/// Flips upside down. For images without an upper side, such as those from a microscope or a satellite.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Vflip {}

impl Augmentation for Vflip {
    const ABOUT: About = About::new(
        "vflip",
        "flips the image upside down with probability prob",
        &[],
    )
    .source("torchvision's RandomVerticalFlip");
    const PROB: f64 = 0.5;
    type Params = ();

    fn sample(&self, _: Size, _: &Subject, _: &mut HostRng) {}

    /// Into memory of its own: it is quicker to write than the image, which may lie far away.
    fn apply(&self, image: Image, (): &()) -> Image {
        let row = (image.width * image.channels).max(1);
        let mut pixels = Vec::with_capacity(image.pixels.len());
        for row in image.pixels.rchunks_exact(row) {
            pixels.extend_from_slice(row);
        }
        Image { pixels, ..image }
    }

    fn warp(&self, size: Size, (): &()) -> Option<Warp> {
        let map = Homography::axes([1.0, -1.0], [0.0, size.height as f64]);
        Some(Warp::moves(size, map))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::augment::tests::image;

    #[test]
    fn rows_change_places() {
        let image = Image {
            width: 2,
            height: 3,
            channels: 1,
            pixels: (1..=6).collect(),
        };
        assert_eq!(Vflip {}.apply(image, &()).pixels, [5, 6, 3, 4, 1, 2]);
    }

    proptest! {
        #[test]
        fn twice_is_the_identity_and_the_warp_says_the_same(image in image()) {
            let flipped = Vflip {}.apply(image.clone(), &());
            prop_assert_eq!(Vflip {}.warp(image.size(), &()).unwrap().apply(&image), flipped.clone());
            prop_assert_eq!(Vflip {}.apply(flipped, &()), image);
        }
    }
}
