//! Explanations of predictions: Grad-CAM against PyTorch and against its closed form, occlusion of a network that looks at
//! one place only.

use std::collections::BTreeMap;

use burn::tensor::TensorData;
use firebrick::core::data::{Image, Preprocessing};
use firebrick::core::nn::{Linear, LinearConfig};
use firebrick::core::spec::Spec;
use firebrick::core::state_dict::StateDict;
use firebrick::explain::{Explain, Explainer, ImportanceMap};
use firebrick::prelude::*;
use firebrick::zoo::{self, Model};
use firebrick::{ModelInfo, TrainedModel};
use serde::Deserialize;

#[derive(Deserialize)]
struct Golden {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    stage: String,
    class: usize,
    logit: f64,
    map: Vec<f64>,
}

/// As in `xtask/golden/grad_cam.py`.
fn numbers(seed: u32, count: usize) -> impl Iterator<Item = f64> {
    (1..=count as u32).map(move |at| {
        let mut x = at
            .wrapping_mul(2_654_435_761)
            .wrapping_add(seed.wrapping_mul(97_531));
        x ^= x >> 15;
        x = x.wrapping_mul(2_246_822_519);
        x ^= x >> 13;
        f64::from(x >> 8) / f64::from(1 << 23) - 1.0
    })
}

fn flex() -> Device {
    firebrick::core::device("flex").unwrap()
}

fn info(model: &str, preprocessing: Preprocessing) -> ModelInfo {
    ModelInfo {
        model: model.parse().unwrap(),
        classes: (0..10).map(|class| class.to_string()).collect(),
        preprocessing,
    }
}

fn drawn(model: &str, preprocessing: Preprocessing) -> TrainedModel {
    let info = info(model, preprocessing);
    let network = zoo::build(&info.model, &info.input(), 5, &flex()).unwrap();
    TrainedModel {
        info,
        network,
        device: flex(),
    }
}

fn explained(model: &TrainedModel, explain: &str, image: &Image, class: usize) -> ImportanceMap {
    let explain = Explain::from_spec(&explain.parse().unwrap()).unwrap();
    let explainer = Explainer::new(model, &explain).unwrap();
    explainer.map(image, class).unwrap()
}

fn refused(model: &TrainedModel, explain: &str) -> String {
    let spec: Spec = explain.parse().unwrap();
    let explain = Explain::from_spec(&spec);
    let refused = explain.and_then(|explain| Explainer::new(model, &explain).map(|_| ()));
    refused.unwrap_err().to_string()
}

/// A photo of this many pixels, of noise.
fn noise(side: usize, channels: usize) -> Image {
    let pixels = numbers(77, side * side * channels);
    Image {
        pixels: pixels.map(|u| (127.5 + 127.0 * u) as u8).collect(),
        ..Image::black(side, side, channels)
    }
}

fn close(found: &[f32], expected: &[f64], place: &str) {
    assert_eq!(found.len(), expected.len(), "{place}");
    let largest = expected.iter().copied().fold(0.0, f64::max);
    assert!(largest > 0.0, "{place}");
    for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
        let error = (f64::from(*found) - expected).abs() / largest;
        assert!(error < 1e-4, "{place} {at}: {found} is not {expected}");
    }
}

#[test]
fn grad_cam_of_lenet5_is_that_of_pytorch() {
    let golden: Golden = serde_json::from_str(include_str!("../golden/grad_cam.json")).unwrap();
    let mut model = drawn("lenet5", Preprocessing::unnormalized(1, 28, 28));
    let shapes: BTreeMap<String, Vec<usize>> =
        StateDict::shapes(&model.network).into_iter().collect();
    let tensors = shapes.into_iter().zip(1..).map(|((key, shape), seed)| {
        let fan_in: usize = shape[1..].iter().product();
        let scale = if shape.len() > 1 {
            (6.0 / fan_in as f64).sqrt()
        } else {
            0.1
        };
        let values = numbers(seed, shape.iter().product()).map(|u| (u * scale) as f32);
        (key, TensorData::new(values.collect::<Vec<_>>(), shape))
    });
    let dict = StateDict {
        tensors: tensors.collect(),
        ..StateDict::default()
    };
    model.network = dict.load_into(model.network).unwrap();
    let pixels: Vec<f32> = numbers(0, 784).map(|u| u as f32).collect();
    let image = Tensor::<4>::from_data(TensorData::new(pixels, [1, 1, 28, 28]), &flex());
    let logits: Vec<f32> = model
        .network
        .forward(image.clone())
        .into_data()
        .iter::<f32>()
        .collect();
    for Case {
        stage,
        class,
        logit,
        map: expected,
    } in &golden.cases
    {
        let found = f64::from(logits[*class]);
        assert!((found - logit).abs() < 1e-4, "{found} is not {logit}");
        let explain = Explain::from_spec(&format!("grad_cam(stage={stage})").parse().unwrap());
        let explainer = Explainer::new(&model, &explain.unwrap()).unwrap();
        assert_eq!(explainer.stage(), Some(stage.as_str()));
        let map = explainer.map_of_input(image.clone(), *class).unwrap();
        close(&map.values, expected, stage);
    }
}

#[test]
fn in_front_of_a_mean_grad_cam_is_the_class_activation_map() {
    // Running statistics that are not those of one image, and dropout: both must be those of evaluation.
    let preprocessing = Preprocessing::unnormalized(3, 32, 32);
    let model = drawn("small_cnn(width=4, dropout=0.5)", preprocessing.clone());
    let image = noise(32, 3);
    let mut pixels = Vec::new();
    preprocessing.normalize_into(&image, &mut pixels);
    let input = Tensor::<4>::from_data(TensorData::new(pixels, [1, 3, 32, 32]), &flex());
    let backbone = model.network.backbone().unwrap();
    let features = backbone.features(input).pop().unwrap();
    let [_, channels, height, width] = features.dims();
    let features: Vec<f32> = features.into_data().iter::<f32>().collect();
    let dict = StateDict::of(&model.network);
    let weights: Vec<f32> = dict.tensors["fc.weight"].iter::<f32>().collect();
    let area = height * width;
    let mut positive = 0;
    for class in 0..10 {
        let map = explained(&model, "grad_cam", &image, class);
        assert_eq!((map.size.width, map.size.height), (width, height));
        let expected: Vec<f64> = (0..area)
            .map(|at| {
                let channel = |channel: usize| {
                    let weight = f64::from(weights[class * channels + channel]);
                    weight / area as f64 * f64::from(features[channel * area + at])
                };
                (0..channels).map(channel).sum::<f64>().max(0.0)
            })
            .collect();
        // Some classes have nothing that speaks for them.
        if expected.iter().all(|value| *value == 0.0) {
            assert!(map.values.iter().all(|value| *value == 0.0), "{class}");
            continue;
        }
        positive += 1;
        close(&map.values, &expected, &format!("class {class}"));
    }
    assert!(positive >= 2, "{positive}");
}

/// One class has the mean of a patch of the image as its score, ten times over, and the other has none.
#[derive(Module, Debug)]
struct LooksAtOnePatch {
    layer: Linear,
}

impl Classifier for LooksAtOnePatch {
    fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let count = images.dims()[0];
        let patch = images.slice([0..count, 0..1, 8..12, 4..8]);
        self.layer.forward(patch.flatten(1, 3))
    }
}

fn looks_at_one_patch() -> TrainedModel {
    let layer = LinearConfig::new(16, 10).init(&flex());
    let network = Model::new(LooksAtOnePatch { layer });
    let mut dict = StateDict::of(&network);
    for (key, data) in &mut dict.tensors {
        let shape = data.shape().clone();
        let on = key.ends_with("weight");
        // Only class 1 looks.
        let value = |at: usize| f32::from(u8::from(on && at / 16 == 1)) / 1.6;
        let count = if on { 160 } else { 10 };
        *data = TensorData::new((0..count).map(value).collect::<Vec<f32>>(), shape);
    }
    TrainedModel {
        info: info("mine", Preprocessing::unnormalized(1, 24, 16)),
        network: dict.load_into(network).unwrap(),
        device: flex(),
    }
}

#[test]
fn occlusion_finds_the_patch_that_a_network_looks_at() {
    let model = looks_at_one_patch();
    let mut image = Image::black(16, 24, 1);
    image.pixels.fill(255);
    // Nothing covered: a score of 10 for class 1, 0 for the nine others; covered: ten equal classes.
    let whole = 10f64.exp() / (10f64.exp() + 9.0);
    let map = explained(&model, "occlusion(patch=4, stride=4)", &image, 1);
    assert_eq!((map.size.width, map.size.height), (16, 24));
    for (at, value) in map.values.iter().enumerate() {
        let (x, y) = (at % 16, at / 16);
        let inside = (4..8).contains(&x) && (8..12).contains(&y);
        let expected = if inside { whole - 0.1 } else { 0.0 };
        assert!(
            (f64::from(*value) - expected).abs() < 1e-5,
            "{x} {y}: {value}"
        );
    }
    // Patches that overlap, and the last of which lies at the edge: the best place is inside, far ones say nothing, and
    // for another class the patch speaks against it.
    let map = explained(&model, "occlusion(patch=5, stride=3)", &image, 1);
    let best = (0..map.values.len()).max_by(|a, b| map.values[*a].total_cmp(&map.values[*b]));
    let (x, y) = (best.unwrap() % 16, best.unwrap() / 16);
    assert!((4..8).contains(&x) && (8..12).contains(&y), "{x} {y}");
    let far = [map.values[0], map.values[24 * 16 - 1]];
    assert!(far.iter().all(|value| value.abs() < 1e-6), "{far:?}");
    let map = explained(&model, "occlusion(patch=4, stride=4)", &image, 0);
    let inside = map.values[9 * 16 + 5];
    assert!(inside < -0.09, "{inside}");
}

#[test]
fn what_cannot_be_explained_is_named() {
    let lenet5 = drawn("lenet5", Preprocessing::unnormalized(1, 28, 28));
    let needles = |text: String, needles: &[&str]| {
        for needle in needles {
            assert!(text.contains(needle), "{needle}: {text}");
        }
    };
    needles(
        refused(&lenet5, "grad_cma"),
        &["did you mean `grad_cam`", "occlusion"],
    );
    needles(
        refused(&lenet5, "grad_cam(stage=fc1)"),
        &["fc1", "known: conv1, conv2"],
    );
    needles(
        refused(&lenet5, "grad_cam(layer=conv1)"),
        &["layer", "stage"],
    );
    needles(
        refused(&lenet5, "occlusion(patch=29)"),
        &["patch = 29", "[1, 28]"],
    );
    needles(
        refused(&lenet5, "occlusion(patch=4, stride=5)"),
        &["stride = 5", "[1, 4]"],
    );
    needles(
        refused(&looks_at_one_patch(), "grad_cam"),
        &["mine", "use occlusion"],
    );
    let explainer = Explainer::new(&lenet5, &Explain::default()).unwrap();
    let error = explainer.map(&noise(28, 1), 10).unwrap_err().to_string();
    needles(error, &["class = 10"]);
}

#[test]
fn every_backbone_of_the_small_networks_explains_with_a_picture() {
    for (spec, side, channels) in [
        ("resnet20", 32, 3),
        ("squeezenet1_1", 64, 3),
        ("mobilenet_v2", 64, 3),
        ("lenet5", 28, 1),
    ] {
        let model = drawn(spec, Preprocessing::unnormalized(channels, side, side));
        let explainer = Explainer::new(&model, &Explain::default()).unwrap();
        let photo = noise(48, 3);
        let map = explainer.map(&photo, 2).unwrap();
        assert!(
            map.values
                .iter()
                .all(|value| value.is_finite() && *value >= 0.0),
            "{spec}"
        );
        let picture = explainer.picture(&photo, &map, "what it is");
        assert_eq!((picture.channels, picture.width), (3, 240), "{spec}");
    }
}
