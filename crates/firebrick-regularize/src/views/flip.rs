//! `flip`: the image as it is evaluated, and its mirror image.

use firebrick_core::ConfigError;
use firebrick_core::about::About;
use firebrick_core::data::Preprocessing;
use firebrick_core::image::{Image, fit};
use firebrick_core::spec::Spec;
use serde::{Deserialize, Serialize};

use super::definition::{Views, ViewsConfig};
use crate::augment::hflip::flipped;

/// The image as it is evaluated, and mirrored left to right.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Flip {}

impl ViewsConfig for Flip {
    const ABOUT: About = About::new("flip", "averages over the image and its mirror image", &[]);

    fn views(&self) -> Result<Box<dyn Views>, ConfigError> {
        Ok(Box::new(self.clone()))
    }
}

impl Views for Flip {
    fn count(&self) -> usize {
        2
    }

    fn view(
        &self,
        number: usize,
        image: Image,
        preprocessing: &Preprocessing,
        _index: usize,
    ) -> Result<Image, ConfigError> {
        let image = fit(image, preprocessing);
        Ok(if number == 0 { image } else { flipped(image) })
    }

    fn spec(&self) -> Spec {
        Spec::new(Self::ABOUT.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::views::tests::{image, preprocessing};

    #[test]
    fn the_second_view_is_the_mirror_image_of_the_first() {
        let view = |number| {
            Flip {}
                .view(number, image(20, 30), &preprocessing(16), 0)
                .unwrap()
        };
        let (plain, flipped) = (view(0), view(1));
        assert_eq!(plain, fit(image(20, 30), &preprocessing(16)));
        for (row, mirror) in plain.pixels.chunks(16).zip(flipped.pixels.chunks(16)) {
            assert!(row.iter().eq(mirror.iter().rev()) && row != mirror);
        }
    }
}
