//! Published ImageNet weights on sample photos, image by image against what PyTorch says to them.

use std::collections::BTreeMap;

use burn::tensor::{Tensor, TensorData};
use firebrick_core::Classifier;
use firebrick_zoo::{Model, build, default_input, load};

use super::pretrained::shared;
use super::{distance, flex, values};

/// Side of the crops.
const SIDE: usize = 224;

/// What the weights expect of a pixel from 0 to 255, for each channel.
#[derive(Clone, Copy)]
enum Pixels {
    /// `x / 255` by ImageNet's mean and deviation.
    ImageNet,
    /// `x / 127.5 - 1`.
    Symmetric,
}

/// Weights, and what was said to the photos with them.
struct Case {
    spec: &'static str,
    weights: &'static str,
    pixels: Pixels,
    list: &'static str,
    column: &'static str,
}

impl Pixels {
    /// Planes of the 224×224 pixels `[height, width, 3]` of a crop.
    fn planes(self, crop: &[u8]) -> Vec<f32> {
        let value = |channel: usize, pixel: u8| match self {
            Self::ImageNet => {
                let (mean, std) = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);
                (f32::from(pixel) / 255.0 - mean[channel]) / std[channel]
            }
            Self::Symmetric => f32::from(pixel) / 127.5 - 1.0,
        };
        let plane = |channel: usize| {
            let pixels = crop.iter().skip(channel).step_by(3);
            pixels.map(move |pixel| value(channel, *pixel))
        };
        (0..3).flat_map(plane).collect()
    }
}

fn model(spec: &str, weights: &str) -> Option<Model> {
    let weights = shared(weights)?;
    let spec = spec.parse().unwrap();
    let model = build(&spec, &default_input(&spec).unwrap(), 0, &flex()).unwrap();
    Some(load(model, &weights).unwrap().0)
}

fn logits(model: &Model, crops: Vec<f32>) -> Vec<f32> {
    let count = crops.len() / (3 * SIDE * SIDE);
    let images = Tensor::from_data(TensorData::new(crops, [count, 3, SIDE, SIDE]), &flex());
    values(&model.forward(images))
}

fn best(logits: &[f32]) -> usize {
    (0..logits.len())
        .max_by(|a, b| logits[*a].total_cmp(&logits[*b]))
        .unwrap()
}

/// The crops that PyTorch decoded, and the logits that it gave for them.
fn check_reference(case: &Case, file: &str, key: &str) {
    let Case {
        spec,
        weights,
        pixels,
        ..
    } = *case;
    let (Some(model), Some(crops), Some(reference)) = (
        model(spec, weights),
        shared("imagenet-sample/reference.safetensors"),
        shared(file),
    ) else {
        return;
    };
    let crops = std::fs::read(crops).unwrap();
    let crops = safetensors::SafeTensors::deserialize(&crops).unwrap();
    let crops = crops.tensor("crop_u8_nhwc").unwrap();
    let each = crops.data().chunks_exact(SIDE * SIDE * 3);
    let planes: Vec<f32> = each.flat_map(|crop| pixels.planes(crop)).collect();
    let reference = std::fs::read(reference).unwrap();
    let reference = safetensors::SafeTensors::deserialize(&reference).unwrap();
    let expected: Vec<f32> = reference
        .tensor(key)
        .unwrap()
        .data()
        .chunks_exact(4)
        .map(|bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
        .collect();
    let found = logits(&model, planes);
    let largest = expected
        .iter()
        .fold(0f32, |largest, value| largest.max(value.abs()));
    let worst = distance(&found, &expected) / largest;
    assert!(
        worst < 1e-4,
        "{spec}: a logit is {worst} of the largest off"
    );
}

/// The photos' class, and what PyTorch says to them, by the name of their file.
fn said(list: &str, column: &str) -> Option<BTreeMap<String, (usize, usize)>> {
    let text = std::fs::read_to_string(shared(list)?).unwrap();
    let mut lines = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let header = lines.next().unwrap();
    let at = |name: &str| header.iter().position(|field| *field == name).unwrap();
    let (file, class, top) = (at("file"), at("class_index"), at(column));
    let row = |line: Vec<&str>| {
        let number = |at: usize| line[at].parse().unwrap();
        (line[file].to_string(), (number(class), number(top)))
    };
    Some(lines.map(row).collect())
}

/// The centre of a photo whose shorter side is 256 pixels, as torchvision takes it.
fn crop(path: &std::path::Path) -> Vec<u8> {
    let photo = image::open(path).unwrap().into_rgb8();
    let half = |side: u32| {
        let off = side - SIDE as u32;
        // Half, and of an odd number the even one beside it.
        let half = off / 2;
        half + (off % 2) * (half % 2)
    };
    let (left, top) = (half(photo.width()), half(photo.height()));
    let side = SIDE as u32;
    image::imageops::crop_imm(&photo, left, top, side, side)
        .to_image()
        .into_raw()
}

/// How much more likely than the expected class another one may seem, in logits: our decoder of JPEGs puts up to 8 levels, mostly 4, in other
/// places than Pillow's, which made the reference. On pixels that Pillow decoded, every answer is the same.
const DECODERS: f32 = 0.1;

/// Every so many of the photos, image by image; returns how many it knows, unless there are none.
fn check_photos(case: &Case, every: usize) -> Option<usize> {
    let Case {
        spec,
        weights,
        pixels,
        list,
        column,
    } = *case;
    let (Some(model), Some(photos), Some(said)) = (
        model(spec, weights),
        shared("imagenet-sample/images"),
        said(list, column),
    ) else {
        return None;
    };
    assert_eq!(said.len(), 250);
    let (mut found, mut others) = (0, Vec::new());
    for (file, (class, expected)) in said.iter().step_by(every) {
        let logits = logits(&model, pixels.planes(&crop(&photos.join(file))));
        let top = best(&logits);
        found += usize::from(top == *class);
        if logits[top] - logits[*expected] > DECODERS {
            others.push(format!("{file}: {top}, not {expected}"));
        }
    }
    assert!(
        others.is_empty(),
        "{spec}: {} others: {others:?}",
        others.len()
    );
    Some(found)
}

const SQUEEZENET: Case = Case {
    spec: "squeezenet1_1",
    weights: "weights/squeezenet1_1_imagenet.safetensors",
    pixels: Pixels::ImageNet,
    list: "imagenet-sample/images.csv",
    column: "squeezenet1_1_top1",
};
const MOBILENET: Case = Case {
    spec: "mobilenet_v1(width=0.25)",
    weights: "weights/mobilenet_v1_0.25_224_imagenet.safetensors",
    pixels: Pixels::Symmetric,
    list: "imagenet-sample/images.csv",
    column: "mobilenet_v1_025_top1",
};
const LITE: Case = Case {
    spec: "efficientnet_lite0",
    weights: "weights/efficientnet_lite0_imagenet.safetensors",
    pixels: Pixels::Symmetric,
    list: "weights/efficientnet_lite0_sample_top1.csv",
    column: "top1",
};

#[test]
fn published_weights_give_pytorchs_logits() {
    let both = "imagenet-sample/reference.safetensors";
    check_reference(&SQUEEZENET, both, "squeezenet1_1_logits");
    check_reference(&MOBILENET, both, "mobilenet_v1_025_logits");
    let own = "weights/efficientnet_lite0_reference_logits.safetensors";
    check_reference(&LITE, own, "logits");
}

#[test]
fn every_twentieth_photo_is_what_pytorch_says() {
    for case in [SQUEEZENET, MOBILENET, LITE] {
        check_photos(&case, 20);
    }
}

/// Run by `cargo test --workspace --test zoo all_photos -- --ignored`.
#[test]
#[ignore = "750 forward passes"]
fn all_photos_are_what_pytorch_says() {
    for (case, right) in [(SQUEEZENET, 159usize), (MOBILENET, 149), (LITE, 220)] {
        if let Some(found) = check_photos(&case, 1) {
            assert!(right.abs_diff(found) <= 1, "{}: {found}", case.spec);
            println!("{}: {found} of 250", case.spec);
        }
    }
}
