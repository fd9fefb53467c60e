//! `multiscale`: the centre of the image at several scales.

use firebrick_core::ConfigError;
use firebrick_core::about::{About, Field, Range};
use firebrick_core::data::Preprocessing;
use firebrick_core::image::{Image, fit};
use firebrick_core::spec::Spec;
use serde::{Deserialize, Serialize};

use super::definition::{Views, ViewsConfig};

/// The centre at each scale; 1 is the image as it is evaluated, 1.25 shows the middle 80 % of its shorter side.
/// The model's size stays the same.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Multiscale {
    /// The scales, each in [1, 4].
    pub scales: Vec<f64>,
}

impl Default for Multiscale {
    fn default() -> Self {
        Self {
            scales: vec![1.0, 1.125, 1.25],
        }
    }
}

impl ViewsConfig for Multiscale {
    const ABOUT: About = About::new(
        "multiscale",
        "averages over centre crops of the image at several scales",
        &[Field::new("scales", Range::Each(&Range::Within(1.0, 4.0)))],
    )
    .source("Simonyan and Zisserman 2015, section 3.2, at a fixed input size");

    fn views(&self) -> Result<Box<dyn Views>, ConfigError> {
        if self.scales.is_empty() {
            return Err(ConfigError::out_of_range(
                "multiscale",
                "scales",
                "[]",
                "a list of at least one scale",
            ));
        }
        Ok(Box::new(self.clone()))
    }
}

impl Views for Multiscale {
    fn count(&self) -> usize {
        self.scales.len()
    }

    fn view(
        &self,
        number: usize,
        image: Image,
        preprocessing: &Preprocessing,
        _index: usize,
    ) -> Result<Image, ConfigError> {
        let preprocessing = Preprocessing {
            crop: preprocessing.crop / self.scales[number],
            ..preprocessing.clone()
        };
        Ok(fit(image, &preprocessing))
    }

    fn spec(&self) -> Spec {
        Spec::canonical(Self::ABOUT.name, self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::views::tests::{image, preprocessing};

    /// The middle of an image of 40 × 40.
    fn middle(whole: &Image, side: usize) -> Vec<u8> {
        let start = (40 - side) / 2;
        let rows = whole.pixels.chunks(40).skip(start).take(side);
        rows.flat_map(|row| &row[start..start + side])
            .copied()
            .collect()
    }

    #[test]
    fn a_larger_scale_shows_less_of_the_image() {
        let whole = image(40, 40);
        let multiscale = Multiscale {
            scales: vec![1.0, 1.25, 2.0],
        };
        // At the crop share of 0.5, what is evaluated is the image at 32 pixels; 1.25 times that are all of its own 40.
        let preprocessing = Preprocessing {
            crop: 0.5,
            ..preprocessing(16)
        };
        let view = |number| {
            let view = multiscale.view(number, whole.clone(), &preprocessing, 0);
            view.unwrap().pixels
        };
        assert_eq!(view(0), fit(whole.clone(), &preprocessing).pixels);
        assert_eq!(view(1), middle(&whole, 16));
        assert!(view(2) != view(1) && view(2) != view(0));
    }
}
