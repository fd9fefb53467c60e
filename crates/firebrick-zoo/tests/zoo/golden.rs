//! The networks against torchvision's and timm's: both sides make weights, statistics and images by the same formula from the key of
//! a tensor and the index of an entry, so that full networks are compared without files. `xtask/golden/zoo.py` has the other side.

use std::collections::{BTreeMap, BTreeSet};

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use firebrick_core::Classifier;
use firebrick_core::data::Targets;
use firebrick_core::loss::{CrossEntropy, Loss};
use firebrick_core::parameters::{Gradients, Parameters};
use firebrick_core::random::StepScope;
use firebrick_core::state_dict::StateDict;
use firebrick_zoo::{
    Head, Input, Model, REGISTRY, TINY, architecture, default_input, describe, parameters,
    reparameterized, undrawn,
};
use serde::Deserialize;

use super::{flex, model, noise, values};

/// The largest error of a logit, by the deviation of all logits.
const LOGITS: f64 = 1e-4;
/// The largest error of a gradient, by the norm of all gradients of its tensor; three times PyTorch's own, where that is more.
const GRADIENTS: f64 = 1e-3;
/// The largest error of a running statistic, by the norm of those of its tensor.
const STATISTICS: f64 = 1e-5;

#[derive(Deserialize)]
struct Golden {
    models: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    model: String,
    side: usize,
    gain: f64,
    parameters: usize,
    keys: usize,
    keys_hash: String,
    /// Those of the first image; of many classes, of evenly spaced ones.
    logits: Vec<f64>,
    /// The deviation of all logits.
    spread: f64,
    /// Multiply-adds for an image of the network's own size, in billions, where they are published.
    #[serde(default)]
    billions: Option<f64>,
    #[serde(default)]
    loss: f64,
    /// Of each tensor: the norm, the first and the last entry.
    /// The largest error of PyTorch's own gradients in f32.
    #[serde(default)]
    single: f64,
    #[serde(default)]
    gradients: BTreeMap<String, [f64; 3]>,
    #[serde(default)]
    statistics: BTreeMap<String, [f64; 3]>,
}

fn published() -> Vec<Case> {
    let golden: Golden = serde_json::from_str(include_str!("../golden/published.json")).unwrap();
    golden.models
}

fn tiny() -> Vec<Case> {
    let golden: Golden = serde_json::from_str(include_str!("../golden/tiny.json")).unwrap();
    golden.models
}

/// FNV-1a, 64 bits.
fn fnv(text: &str) -> u64 {
    let step = |value: u64, byte: u8| (value ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    text.bytes().fold(0xcbf2_9ce4_8422_2325, step)
}

/// Values in [-1, 1) that are exact in f32: SplitMix64 of the key's hash and the index.
fn uniform(key: &str, count: usize) -> impl Iterator<Item = f64> + use<> {
    let start = fnv(key);
    (1..=count as u64).map(move |index| {
        let mut x = start.wrapping_add(index.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^= x >> 31;
        (x >> 40) as f64 / f64::from(1 << 23) - 1.0
    })
}

/// The entries of a parameter or a statistic.
fn entries(key: &str, shape: &[usize], gain: f64) -> TensorData {
    let field = key.rsplit('.').next().unwrap();
    let fan_in = shape[1..].iter().product::<usize>() as f64;
    let (base, factor) = match (shape.len(), field) {
        (2 | 4, _) => (0.0, (3.0 * gain / fan_in).sqrt()),
        (3, _) => (0.5, 0.1),
        (_, "weight" | "running_var") => (1.0, 0.2),
        _ => (0.0, 0.1),
    };
    let entry = |u: f64| (base + u * factor) as f32;
    let entries: Vec<f32> = uniform(key, shape.iter().product()).map(entry).collect();
    TensorData::new(entries, shape)
}

/// The input of a case; the images have its side.
fn input(case: &Case) -> Input {
    Input {
        height: case.side,
        width: case.side,
        ..default_input(&case.model.parse().unwrap()).unwrap()
    }
}

fn filled(case: &Case, device: &Device) -> Model {
    let model = undrawn(&case.model.parse().unwrap(), &input(case), device).unwrap();
    let shapes = StateDict::shapes(&model).into_iter();
    let tensors = shapes.map(|(key, shape)| {
        let data = entries(&key, &shape, case.gain);
        (key, data)
    });
    let dict = StateDict {
        tensors: tensors.collect(),
        ..StateDict::default()
    };
    dict.load_into(model).unwrap()
}

/// The first images of mean 0 and variance 1.
fn images(count: usize, side: usize, device: &Device) -> Tensor<4> {
    let numbers = 0..count;
    let pixels = numbers.flat_map(|number| uniform(&format!("image {number}"), 3 * side * side));
    let pixels: Vec<f32> = pixels.map(|u| (u * 3f64.sqrt()) as f32).collect();
    Tensor::from_data(TensorData::new(pixels, [count, 3, side, side]), device)
}

fn check_logits(case: &Case, logits: &Tensor<2>, place: &str) {
    let found = values(logits);
    let every = (found.len() / 16).max(1);
    let found: Vec<f32> = found.into_iter().step_by(every).collect();
    assert_eq!(found.len(), case.logits.len(), "{place}");
    for (at, (found, expected)) in found.iter().zip(&case.logits).enumerate() {
        let error = (f64::from(*found) - expected).abs() / case.spread;
        assert!(
            error <= LOGITS,
            "{place}: logit {at} is {found}, not {expected}"
        );
    }
}

/// Within a share of the norm that a golden value begins with, or of `least`, if that is more.
fn check_sample(expected: &[f64; 3], found: &[f32], least: f64, tolerance: f64, place: &str) {
    let norm = found
        .iter()
        .map(|value| f64::from(*value).powi(2))
        .sum::<f64>()
        .sqrt();
    let found = [norm, f64::from(found[0]), f64::from(found[found.len() - 1])];
    for (found, value) in found.iter().zip(expected) {
        let error = (found - value).abs() / expected[0].max(least);
        assert!(error <= tolerance, "{place}: {found:?} is not {expected:?}");
    }
}

#[test]
fn every_network_of_a_family_has_golden_values() {
    let bare = |case: &Case| case.model.split('(').next().unwrap().to_string();
    let have: BTreeSet<String> = published().iter().chain(&tiny()).map(bare).collect();
    let small = ["lenet5", "small_cnn", "resnet18"];
    for name in REGISTRY.names().into_iter().chain(TINY.names()) {
        let cifar = name
            .strip_prefix("resnet")
            .and_then(|depth| depth.parse().ok());
        let cifar = cifar.is_some_and(|depth: usize| [20, 32, 44, 56, 110].contains(&depth));
        assert!(
            small.contains(&name) || cifar || have.contains(name),
            "{name}"
        );
    }
}

#[test]
fn names_shapes_and_numbers_of_parameters_are_those_of_the_reference() {
    for case in published().iter().chain(&tiny()) {
        let spec = case.model.parse().unwrap();
        let model = undrawn(&spec, &default_input(&spec).unwrap(), &flex()).unwrap();
        let mut keys: Vec<String> = StateDict::shapes(&model)
            .into_iter()
            .map(|(key, shape)| format!("{key} {shape:?}"))
            .collect();
        keys.sort();
        assert_eq!(parameters(&model), case.parameters, "{}", case.model);
        assert_eq!(keys.len(), case.keys, "{}", case.model);
        let hash = format!("{:016x}", fnv(&keys.join("\n")));
        assert_eq!(hash, case.keys_hash, "{}: {keys:#?}", case.model);
    }
}

fn tiny_networks_give_the_reference_logits(device: &Device) {
    for case in tiny() {
        let model = filled(&case, device);
        let logits = model.forward(images(1, case.side, device));
        check_logits(&case, &logits, &case.model);
        // Stage by stage, it is the same network.
        let backbone = model.backbone().unwrap();
        let image = || images(1, case.side, device);
        let again = backbone.classify(backbone.embed(image(), &mut |_| ()));
        check_logits(&case, &again, &case.model);
        assert_eq!(backbone.pooled(image()).dims()[0], 1);
    }
}

#[test]
fn tiny_networks_give_the_reference_logits_on_flex() {
    tiny_networks_give_the_reference_logits(&flex());
}

#[test]
fn tiny_networks_give_the_reference_logits_on_ndarray() {
    tiny_networks_give_the_reference_logits(&firebrick_core::device("ndarray").unwrap());
}

#[test]
fn tiny_networks_give_the_reference_logits_on_wgpu() {
    match firebrick_core::device("wgpu") {
        Ok(device) => tiny_networks_give_the_reference_logits(&device),
        Err(error) => println!("SKIPPED: {error}"),
    }
}

#[test]
fn tiny_networks_have_the_reference_gradients_and_statistics_in_training() {
    for case in tiny() {
        let model = filled(&case, &flex()).train();
        let images = Tensor::from_inner(images(4, case.side, &flex()));
        let logits = StepScope::default().enter(|| model.forward(images));
        let targets = Targets::Classes(vec![0, 1, 2, 3]);
        let loss = CrossEntropy::default().loss(logits, &targets).mean();
        let found = f64::from(values(&loss.clone().inner())[0]);
        let error = (found - case.loss).abs() / case.loss;
        assert!(
            error <= 1e-4,
            "{}: the loss is {found}, not {}",
            case.model,
            case.loss
        );
        let mut gradients = loss.backward();
        let gradients = Gradients::take(&model, &mut gradients);
        let paths = Parameters::list(&model);
        // Some gradients are zero but for rounding, as that of a bias in front of a batch norm.
        let largest = case
            .gradients
            .values()
            .map(|sample| sample[0])
            .fold(0.0, f64::max);
        let least = 1e-4 * largest;
        let tolerance = GRADIENTS.max(3.0 * case.single);
        assert_eq!(gradients.0.len(), case.gradients.len(), "{}", case.model);
        for ((path, _), gradient) in paths.iter().zip(&gradients.0) {
            let place = format!("{} {path}", case.model);
            let found = values(gradient.as_ref().expect(&place));
            check_sample(&case.gradients[path], &found, least, tolerance, &place);
        }
        let dict = StateDict::of(&model);
        let running = dict
            .tensors
            .iter()
            .filter(|(key, _)| key.contains("running_"));
        assert_eq!(
            running.clone().count(),
            case.statistics.len(),
            "{}",
            case.model
        );
        for (key, data) in running {
            let place = format!("{} {key}", case.model);
            let found: Vec<f32> = data.try_to_vec().unwrap();
            check_sample(&case.statistics[key], &found, 0.0, STATISTICS, &place);
        }
    }
}

/// Logits and multiply-adds. Minutes and gigabytes; run it by `cargo test --workspace --test zoo published_networks -- --ignored`.
#[test]
#[ignore = "minutes and gigabytes"]
fn published_networks_give_the_reference_logits() {
    for case in published() {
        let model = filled(&case, &flex());
        let logits = model.forward(images(1, case.side, &flex()));
        check_logits(&case, &logits, &case.model);
        if let Some(billions) = case.billions {
            let native = default_input(&case.model.parse().unwrap()).unwrap();
            let found = describe(&model, &native).multiply_adds as f64 / 1e9;
            assert!(
                (found - billions).abs() < 6e-4,
                "{}: {found} {billions}",
                case.model
            );
        }
        println!("{} is right", case.model);
    }
}

/// Small networks with everything that the full ones have.
#[test]
fn some_published_networks_give_the_reference_logits() {
    let some = [
        "squeezenet1_1",
        "mobilenet_v1(width=0.25)",
        "mobilenet_v3_small",
    ];
    let cases: Vec<Case> = published()
        .into_iter()
        .filter(|case| some.contains(&case.model.as_str()))
        .collect();
    assert_eq!(cases.len(), some.len());
    for case in cases {
        let logits = filled(&case, &flex()).forward(images(1, case.side, &flex()));
        check_logits(&case, &logits, &case.model);
    }
}

#[test]
fn another_head_keeps_what_is_in_front_of_it() {
    for entry in TINY.entries() {
        let name = entry.about.name;
        let (model, input) = model(name, 0);
        let images = || noise(2, &input, 1);
        let features = model.backbone().expect(name).pooled(images());
        let width = features.dims()[1];
        let head = architecture(&name.parse().unwrap())
            .unwrap()
            .head()
            .unwrap();
        let tensors = |model: &Model| StateDict::of(model).tensors;
        let mut kept = tensors(&model);
        kept.retain(|key, _| !key.starts_with(&format!("{head}.")));
        let keys = |fields: &[&str]| -> Vec<String> {
            let keys = fields.iter().map(|field| format!("{head}.{field}"));
            keys.collect()
        };
        for (new, added) in [
            (Head::Linear, keys(&["weight", "bias"])),
            (
                Head::Mlp { hidden: 5 },
                keys(&["0.weight", "0.bias", "2.weight", "2.bias"]),
            ),
            (Head::None, Vec::new()),
        ] {
            let model = model.with_head(new, 7, 1).unwrap();
            let mut found = tensors(&model);
            for key in &added {
                assert!(found.remove(key).is_some(), "{name}: {key}");
            }
            assert_eq!(found, kept, "{name} {new:?}");
            let output = model.forward(images());
            let classes = if new == Head::None { width } else { 7 };
            assert_eq!(output.dims(), [2, classes], "{name} {new:?}");
            if new == Head::None {
                assert_eq!(values(&output), values(&features), "{name}");
            }
            assert!(model.backbone().is_some(), "{name}");
        }
    }
}

/// Every model without members names its stages; those of models that are no lists of layers are written by hand.
#[test]
fn stages_are_what_the_layers_give() {
    for entry in TINY.entries() {
        let name = entry.about.name;
        let (model, input) = model(name, 0);
        let backbone = model.backbone().expect(name);
        let features = backbone.features(noise(1, &input, 1));
        let stages = backbone.stages();
        assert_eq!(features.len(), stages.len(), "{name}");
        let mut paths: BTreeSet<String> = StateDict::shapes(&model)
            .into_iter()
            .map(|(key, _)| key)
            .collect();
        for (features, stage) in features.iter().zip(&stages) {
            let [_, width, height, _] = features.dims();
            assert_eq!(width, stage.width, "{name} {}", stage.name);
            match stage.stride {
                // Windows without a border lose a few pixels at each side.
                Some(stride) => assert!(
                    (height as f64 - input.height as f64 / stride as f64).abs() <= 4.0,
                    "{name} {}: {height}",
                    stage.name
                ),
                None => assert_eq!(height, 1, "{name} {}", stage.name),
            }
            for module in &stage.modules {
                let before = paths.len();
                paths.retain(|path| !path.starts_with(&format!("{module}.")));
                assert!(paths.len() < before, "{name} {}: {module}", stage.name);
            }
        }
    }
    let (members, _) = model("resnet20(members=batch_ensemble(2))", 0);
    assert!(members.backbone().is_none());
}

#[test]
fn repvgg_folds_to_plain_convolutions() {
    let case = tiny()
        .into_iter()
        .find(|case| case.model == "test_repvgg")
        .unwrap();
    let model = filled(&case, &flex());
    let plain = reparameterized(&model).unwrap();
    check_logits(
        &case,
        &plain.forward(images(1, case.side, &flex())),
        "folded",
    );
    let keys: Vec<String> = StateDict::shapes(&plain)
        .into_iter()
        .map(|(key, _)| key)
        .collect();
    // timm's names, for the stem, six blocks and the last layer.
    assert_eq!(keys.len(), 2 * 8, "{keys:?}");
    assert!(
        keys.contains(&"stages.0.1.reparam_conv.bias".to_string()),
        "{keys:?}"
    );
    let other = filled(&tiny()[0], &flex());
    let error = reparameterized(&other).unwrap_err().to_string();
    assert!(error.contains("repvgg_a0"), "{error}");
}
