//! Published CIFAR-10 weights on CIFAR-10 test images, against the logits that PyTorch gives.

use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor, TensorData};
use firebrick_core::Classifier;
use firebrick_core::data::{Image, Preprocessing};
use firebrick_core::state_dict::StateDict;
use firebrick_zoo::{Model, Normalization, build, default_input, load};

use super::{distance, flex, values};

/// A file of the shared data beside the repository; without the data a loud line and nothing.
pub(crate) fn shared(path: &str) -> Option<PathBuf> {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data"));
    if !root.is_dir() {
        println!("SKIPPED: there is no directory shared/data beside the repository");
        return None;
    }
    Some(root.join(path))
}

/// The first `count` test images, normalized as the weights expect, up to 500.
fn images(count: usize, device: &Device) -> Option<Tensor<4>> {
    let strip = image::open(shared("cifar10/test_000.webp")?)
        .unwrap()
        .into_rgb8();
    let normalization: Normalization = "imagenet".parse().unwrap();
    let preprocessing = Preprocessing {
        mean: normalization.mean,
        std: normalization.std,
        ..Preprocessing::unnormalized(3, 32, 32)
    };
    let mut normalized = Vec::new();
    for pixels in strip.as_raw().chunks_exact(32 * 32 * 3).take(count) {
        let image = Image {
            width: 32,
            height: 32,
            channels: 3,
            pixels: pixels.to_vec(),
        };
        preprocessing.normalize_into(&image, &mut normalized);
    }
    let data = TensorData::new(normalized, [count, 3, 32, 32]);
    Some(Tensor::from_data(data, device))
}

fn pretrained(name: &str, weights: &Path, device: &Device) -> Model {
    let spec = name.parse().unwrap();
    let model = build(&spec, &default_input(&spec).unwrap(), 0, device).unwrap();
    load(model, weights).unwrap().0
}

/// The logits that PyTorch gives for the first 256 test images, `[256, 10]` row by row.
fn reference_logits() -> Option<Vec<f32>> {
    let bytes =
        std::fs::read(shared("weights/resnet20_cifar10_test_logits_first256.npy")?).unwrap();
    assert!(bytes.starts_with(b"\x93NUMPY\x01\x00"));
    let start = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let header = String::from_utf8_lossy(&bytes[10..start]);
    assert!(
        header.contains("'<f4'") && header.contains("(256, 10)"),
        "{header}"
    );
    let floats = bytes[start..].chunks_exact(4);
    Some(
        floats
            .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
            .collect(),
    )
}

/// The class with the highest score of each row.
fn classes(logits: &[f32]) -> Vec<u8> {
    let best = |row: &[f32]| (0..10).max_by(|a, b| row[*a].total_cmp(&row[*b])).unwrap();
    logits.chunks_exact(10).map(|row| best(row) as u8).collect()
}

fn check_logits(device: &Device, count: usize) {
    let (Some(weights), Some(reference), Some(images)) = (
        shared("weights/resnet20_cifar10.safetensors"),
        reference_logits(),
        images(count, device),
    ) else {
        return;
    };
    let model = pretrained("resnet20", &weights, device);
    let logits = values(&model.forward(images));
    let worst = distance(&logits, &reference[..10 * count]);
    assert!(worst < 1e-3, "a logit is {worst} off");
    let predictions =
        std::fs::read(shared("weights/resnet20_cifar10_test_pred.bin").unwrap()).unwrap();
    assert_eq!(classes(&logits), predictions[..count]);
}

#[test]
fn resnet20_gives_pytorchs_logits_on_flex() {
    check_logits(&flex(), 256);
}

#[test]
fn resnet20_gives_pytorchs_logits_on_ndarray() {
    check_logits(&firebrick_core::device("ndarray").unwrap(), 256);
}

#[test]
fn resnet20_gives_pytorchs_logits_on_wgpu() {
    match firebrick_core::device("wgpu") {
        Ok(device) => check_logits(&device, 256),
        Err(error) => println!("SKIPPED: {error}"),
    }
}

#[test]
fn deeper_resnets_load_and_classify() {
    let Some(images) = images(100, &flex()) else {
        return;
    };
    let labels = std::fs::read(shared("cifar10/test_labels.bin").unwrap()).unwrap();
    for name in ["resnet32", "resnet56"] {
        let weights = shared(&format!("weights/{name}_cifar10.safetensors")).unwrap();
        let model = pretrained(name, &weights, &flex());
        let said = classes(&values(&model.forward(images.clone())));
        let right = said
            .iter()
            .zip(&labels)
            .filter(|(said, label)| said == label)
            .count();
        // Published: 92.6 % and 93.4 % of all images.
        assert!(right >= 88, "{name}: {right} of 100");
    }
}

#[test]
fn the_original_pickle_holds_the_same_weights() {
    let (Some(pickle), Some(safetensors)) = (
        shared("weights/resnet20-12fca82f.th"),
        shared("weights/resnet20_cifar10.safetensors"),
    ) else {
        return;
    };
    let [original, converted] =
        [pickle, safetensors].map(|path| StateDict::of(&pretrained("resnet20", &path, &flex())));
    assert_eq!(original.tensors, converted.tensors);
}
