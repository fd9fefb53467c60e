use firebrick_core::data::Image;
use serde::Deserialize;

use super::{SeededImage, bytes, short};
use crate::augment::autocontrast::autocontrast;
use crate::augment::blur::blur;
use crate::augment::brightness::brightness;
use crate::augment::contrast::contrast;
use crate::augment::equalize::equalize;
use crate::augment::grayscale::grayscale;
use crate::augment::hue::hue;
use crate::augment::invert::invert;
use crate::augment::posterize::posterize;
use crate::augment::saturation::saturation;
use crate::augment::sharpness::sharpness;
use crate::augment::solarize::solarize;

#[derive(Deserialize)]
struct Golden {
    images: Vec<SeededImage>,
    cases: Vec<Case>,
    blurs: Vec<Blur>,
}

#[derive(Deserialize)]
struct Case {
    operation: String,
    argument: Option<f64>,
    results: Vec<String>,
}

#[derive(Deserialize)]
struct Blur {
    image: usize,
    kernel: usize,
    sigma: f64,
    result: String,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("../../../tests/golden/augment/pixels.json")).unwrap()
}

fn apply(operation: &str, argument: f64, image: &mut Image) {
    match operation {
        "brightness" => brightness(image, argument),
        "contrast" => contrast(image, argument),
        "saturation" => saturation(image, argument),
        "sharpness" => sharpness(image, argument),
        "hue" => hue(image, argument),
        "posterize" => posterize(image, argument as u32),
        "solarize" => solarize(image, argument),
        "grayscale" => grayscale(image),
        "invert" => invert(image),
        "equalize" => equalize(image),
        "autocontrast" => autocontrast(image),
        other => panic!("no operation {other}"),
    }
}

/// Bit for bit, on odd sizes, 1×1, 1×N, grey and RGB.
#[test]
fn pixels_are_those_of_torchvision() {
    let golden = golden();
    let images: Vec<_> = golden.images.iter().map(SeededImage::draw).collect();
    let mut compared = 0;
    for Case {
        operation,
        argument,
        results,
    } in &golden.cases
    {
        for ((image, original), expected) in images.iter().zip(&golden.images).zip(results) {
            let mut image = image.clone();
            apply(operation, argument.unwrap_or_default(), &mut image);
            assert_eq!(
                &short(&image.pixels),
                expected,
                "{operation}({argument:?}) of {original:?}"
            );
            compared += 1;
        }
    }
    assert!(compared > 1000, "{compared}");
}

/// Both axes at once, as torchvision blurs, round a half-way value elsewhere now and then.
#[test]
fn blurred_values_are_those_of_torchvision() {
    let golden = golden();
    let (mut compared, mut different) = (0, 0);
    for Blur {
        image,
        kernel,
        sigma,
        result,
    } in &golden.blurs
    {
        let original = &golden.images[*image];
        let mut image = original.draw();
        blur(&mut image, *sigma, *kernel);
        let expected = bytes(result);
        assert_eq!(image.pixels.len(), expected.len());
        for (found, expected) in image.pixels.iter().zip(expected) {
            let far = found.abs_diff(expected);
            assert!(
                far <= 1,
                "{kernel} taps, sigma {sigma}, {original:?}: {found} for {expected}"
            );
            compared += 1;
            different += usize::from(far);
        }
    }
    assert!(
        compared > 5_000 && different * 1000 <= compared,
        "{different} of {compared}"
    );
}
