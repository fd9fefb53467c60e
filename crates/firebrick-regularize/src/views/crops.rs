//! `five_crop` and `ten_crop`: the corners and the centre, and their mirror images (Krizhevsky et al. 2012,
//! section 4.1); torchvision's `FiveCrop` and `TenCrop`.

use firebrick_core::ConfigError;
use firebrick_core::about::{About, Field, Range};
use firebrick_core::data::Preprocessing;
use firebrick_core::image::{Image, fit_at};
use firebrick_core::spec::Spec;
use serde::{Deserialize, Serialize};

use super::definition::{Views, ViewsConfig};
use crate::augment::hflip::flipped;

/// The crops in torchvision's order: top left, top right, bottom left, bottom right, centre.
const PLACES: [[f64; 2]; 5] = [[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [0.5, 0.5]];

const CROP: Field = Field::new("crop", Range::Factor);

/// The four corners and the centre of the image, which is first scaled so that the model's size is a share of
/// its shorter side.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FiveCrop {
    /// The side of a crop as a share of the shorter side of the image, in (0, 1].
    pub crop: f64,
}

/// The views of [`FiveCrop`], and mirrored left to right.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TenCrop {
    /// The side of a crop as a share of the shorter side of the image, in (0, 1].
    pub crop: f64,
}

impl Default for FiveCrop {
    fn default() -> Self {
        Self { crop: 0.875 }
    }
}

impl Default for TenCrop {
    fn default() -> Self {
        Self { crop: 0.875 }
    }
}

impl ViewsConfig for FiveCrop {
    const ABOUT: About = About::new(
        "five_crop",
        "averages over the four corners and the centre of the image",
        &[CROP],
    )
    .source("Krizhevsky et al. 2012; torchvision's FiveCrop");

    fn views(&self) -> Result<Box<dyn Views>, ConfigError> {
        Ok(Box::new(self.clone()))
    }
}

impl ViewsConfig for TenCrop {
    const ABOUT: About = About::new(
        "ten_crop",
        "averages over the four corners and the centre of the image and their mirror images",
        &[CROP],
    )
    .source("Krizhevsky et al. 2012; torchvision's TenCrop");

    fn views(&self) -> Result<Box<dyn Views>, ConfigError> {
        Ok(Box::new(self.clone()))
    }
}

impl Views for FiveCrop {
    fn count(&self) -> usize {
        PLACES.len()
    }

    fn view(
        &self,
        number: usize,
        image: Image,
        preprocessing: &Preprocessing,
        _index: usize,
    ) -> Result<Image, ConfigError> {
        let preprocessing = Preprocessing {
            crop: self.crop,
            ..preprocessing.clone()
        };
        Ok(fit_at(image, &preprocessing, PLACES[number]))
    }

    fn spec(&self) -> Spec {
        Spec::canonical(Self::ABOUT.name, self)
    }
}

impl Views for TenCrop {
    fn count(&self) -> usize {
        2 * PLACES.len()
    }

    fn view(
        &self,
        number: usize,
        image: Image,
        preprocessing: &Preprocessing,
        index: usize,
    ) -> Result<Image, ConfigError> {
        let five = FiveCrop { crop: self.crop };
        let view = five.view(number % PLACES.len(), image, preprocessing, index)?;
        Ok(if number < PLACES.len() {
            view
        } else {
            flipped(view)
        })
    }

    fn spec(&self) -> Spec {
        Spec::canonical(Self::ABOUT.name, self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::views::tests::{image, preprocessing};

    #[test]
    fn crops_lie_in_the_corners_and_the_centre() {
        // A model of 14 at a crop share of 0.875 sees a shorter side of 16.
        let whole = image(16, 20);
        let starts = [(0, 0), (2, 0), (0, 6), (2, 6), (1, 3)];
        let five = FiveCrop::default();
        for (number, (left, top)) in starts.into_iter().enumerate() {
            let view = five
                .view(number, whole.clone(), &preprocessing(14), 0)
                .unwrap();
            let first = whole.pixels[top * 16 + left];
            let last = whole.pixels[(top + 13) * 16 + left + 13];
            assert_eq!(
                (view.pixels[0], view.pixels[195]),
                (first, last),
                "{number}"
            );
            let mirror = TenCrop::default().view(number + 5, whole.clone(), &preprocessing(14), 0);
            assert_eq!(mirror.unwrap().pixels[13], first, "{number}");
        }
    }

    #[test]
    fn the_share_decides_how_far_apart_the_crops_lie() {
        // A model of 14 at a crop share of 0.5 sees a shorter side of 28.
        let whole = image(28, 28);
        let (five, ten) = (FiveCrop { crop: 0.5 }, TenCrop { crop: 0.5 });
        for (number, start) in [0, 14, 14 * 28, 14 * 28 + 14, 7 * 28 + 7]
            .into_iter()
            .enumerate()
        {
            let views: [&dyn Views; 2] = [&five, &ten];
            for views in views {
                let view = views.view(number, whole.clone(), &preprocessing(14), 0);
                let rows = whole.pixels[start..].chunks(28).take(14);
                let expected: Vec<u8> = rows.flat_map(|row| &row[..14]).copied().collect();
                assert_eq!(view.unwrap().pixels, expected, "{number}");
            }
        }
    }
}
