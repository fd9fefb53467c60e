//! Resizing and fitting against Pillow and torchvision: `xtask/golden/images/resize.py` writes the values.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use firebrick_types::data::{Fit, Preprocessing};
use firebrick_types::image::{Filter, Image, Region, Size, fit, resize, resize_region};
use firebrick_types::testkit::photo;
use serde::Deserialize;

#[derive(Deserialize)]
struct Golden {
    resizes: Vec<Case>,
    fits: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    source: [usize; 3],
    filter: Filter,
    #[serde(rename = "box")]
    region: Option<[f64; 4]>,
    #[serde(default)]
    fit: Fit,
    crop: Option<f64>,
    width: usize,
    height: usize,
    pixels: String,
}

impl Case {
    fn source(&self) -> Image {
        let [width, height, channels] = self.source;
        photo(width, height, channels)
    }

    fn size(&self) -> Size {
        Size::new(self.width, self.height)
    }

    /// The largest difference of a value, and the share of values that differ.
    fn differences(&self, found: &Image) -> (u8, f64) {
        assert_eq!(found.size(), self.size());
        let expected = BASE64_STANDARD.decode(&self.pixels).unwrap();
        assert_eq!(found.pixels.len(), expected.len());
        let pairs = found.pixels.iter().zip(&expected);
        let differences: Vec<u8> = pairs.map(|(one, other)| one.abs_diff(*other)).collect();
        let differing = differences.iter().filter(|difference| **difference > 0);
        let share = differing.count() as f64 / differences.len() as f64;
        (differences.into_iter().max().unwrap(), share)
    }
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("golden/resize.json")).unwrap()
}

#[test]
fn resized_images_are_those_of_pillow() {
    for case in golden().resizes {
        let source = case.source();
        let found = match case.region {
            None => resize(source, case.size(), case.filter),
            Some([left, top, right, bottom]) => {
                let region = Region {
                    left,
                    top,
                    width: right - left,
                    height: bottom - top,
                };
                resize_region(&source, region, case.size(), case.filter)
            }
        };
        let (most, share) = case.differences(&found);
        eprintln!(
            "{:?} {:?} {:?} to {}: {most} {share:.4}",
            case.source,
            case.filter,
            case.region,
            case.size()
        );
    }
}

#[test]
fn fitted_images_are_those_of_torchvision() {
    for case in golden().fits {
        let preprocessing = Preprocessing {
            fit: case.fit,
            crop: case.crop.unwrap(),
            filter: case.filter,
            ..Preprocessing::unnormalized(case.source[2], case.height, case.width)
        };
        let (most, share) = case.differences(&fit(case.source(), &preprocessing));
        eprintln!(
            "{:?} {:?} {:?} to {}: {most} {share:.4}",
            case.source,
            case.filter,
            case.crop,
            case.size()
        );
    }
}
