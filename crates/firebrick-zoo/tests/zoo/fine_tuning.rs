//! Published weights in models for other classes and other images, for every family.

use std::path::Path;

use firebrick_core::registry::Registry;
use firebrick_core::spec::Spec;
use firebrick_core::state_dict::StateDict;
use firebrick_zoo::{
    Build, Head, Input, TINY, architecture, build, default_input, load_with, rules,
    rules_for_training, undrawn,
};

const FAMILIES: &Registry<Build> = &TINY;

fn written(spec: &Spec, input: &Input, at: &Path) -> StateDict {
    let device = firebrick_core::device("flex").unwrap();
    let weights = StateDict::of(&build(spec, input, 1, &device).unwrap());
    std::fs::write(at, weights.to_safetensors().unwrap()).unwrap();
    weights
}

#[test]
fn every_family_takes_a_new_head_and_other_channels() {
    let device = firebrick_core::device("flex").unwrap();
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("net.safetensors");
    for entry in FAMILIES.entries() {
        let spec = Spec::new(entry.about.name);
        if ["resnet32", "resnet44", "resnet56", "resnet110"].contains(&spec.name.as_str()) {
            // As resnet20.
            continue;
        }
        let native = default_input(&spec).unwrap();
        let rgb = Input {
            channels: 3,
            ..native
        };
        let file = written(&spec, &rgb, &path);
        let architecture = architecture(&spec).unwrap();
        let head = architecture.head().unwrap();
        for channels in [1, 3, 4] {
            let input = Input {
                channels,
                classes: 7,
                ..native
            };
            let model = build(&spec, &input, 2, &device).unwrap();
            let own = StateDict::of(&model);
            let rules = rules_for_training(&*architecture, channels, Vec::new());
            let (model, notes) = load_with(model, &path, &rules)
                .unwrap_or_else(|error| panic!("{spec}, {channels} channels: {error}"));
            let notes = notes.join("\n");
            assert!(
                notes.contains("the head is reinitialized"),
                "{spec}: {notes}"
            );
            assert_eq!(
                notes.contains("reads RGB"),
                channels != 3,
                "{spec}: {notes}"
            );
            let mut adapted = 0;
            for (key, value) in StateDict::of(&model).tensors {
                let of_head = key.starts_with(&format!("{head}."));
                if of_head {
                    assert_eq!(value, own.tensors[&key], "{spec}: {key}");
                } else if value.shape() == file.tensors[&key].shape() {
                    assert_eq!(value, file.tensors[&key], "{spec}: {key}");
                } else {
                    adapted += 1;
                }
            }
            // RepVGG has two convolutions that read the image.
            let first = usize::from(channels != 3) * (1 + usize::from(spec.name == "test_repvgg"));
            assert_eq!(adapted, first, "{spec}");
        }
    }
}

#[test]
fn keys_of_older_densenets_and_auxiliary_heads_are_known() {
    let device = firebrick_core::device("flex").unwrap();
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("net.safetensors");
    let spec = Spec::new("test_densenet");
    let input = default_input(&spec).unwrap();
    let weights = written(&spec, &input, &path);
    let old = |key: &str| {
        let key = key
            .replace(".norm1.", ".norm.1.")
            .replace(".norm2.", ".norm.2.");
        key.replace(".conv1.", ".conv.1.")
            .replace(".conv2.", ".conv.2.")
    };
    let older = StateDict {
        tensors: weights
            .tensors
            .iter()
            .map(|(key, value)| (old(key), value.clone()))
            .collect(),
        ..StateDict::default()
    };
    assert_ne!(older.tensors, weights.tensors);
    std::fs::write(&path, older.to_safetensors().unwrap()).unwrap();
    let known = rules(&*architecture(&spec).unwrap());
    let model = || build(&spec, &input, 2, &device).unwrap();
    assert!(firebrick_zoo::load(model(), &path).is_err());
    let (model, notes) = load_with(model(), &path, &known).unwrap();
    assert!(notes.is_empty(), "{notes:?}");
    assert_eq!(StateDict::of(&model).tensors, weights.tensors);

    for name in ["test_googlenet", "test_inception_v3"] {
        let with: Spec = format!("{name}(aux=true)").parse().unwrap();
        let input = default_input(&with).unwrap();
        let weights = written(&with, &input, &path);
        let spec = Spec::new(name);
        let model = build(&spec, &input, 2, &device).unwrap();
        let known = rules(&*architecture(&spec).unwrap());
        let (model, notes) = load_with(model, &path, &known).unwrap();
        assert!(notes.is_empty(), "{name}: {notes:?}");
        let loaded = StateDict::of(&model).tensors;
        assert!(loaded.len() < weights.tensors.len(), "{name}");
        assert!(
            loaded
                .iter()
                .all(|(key, value)| weights.tensors[key] == *value)
        );
    }
}

#[test]
fn each_fully_connected_layer_of_alexnet_and_vgg_is_a_stage() {
    let device = firebrick_core::device("flex").unwrap();
    for (name, layers) in [
        ("alexnet", ["classifier.1", "classifier.4"]),
        ("test_alexnet", ["classifier.1", "classifier.4"]),
        ("vgg16", ["classifier.0", "classifier.3"]),
        ("vgg16_bn", ["classifier.0", "classifier.3"]),
        ("test_vgg", ["classifier.0", "classifier.3"]),
        ("test_vgg_bn", ["classifier.0", "classifier.3"]),
    ] {
        let spec = Spec::new(name);
        let input = default_input(&spec).unwrap();
        let model = undrawn(&spec, &input, &device).unwrap();
        let stages = model.backbone().unwrap().stages();
        let connected = stages.iter().filter(|stage| stage.stride.is_none());
        let modules: Vec<_> = connected.map(|stage| stage.modules.clone()).collect();
        assert_eq!(
            modules,
            layers.map(|layer| vec![layer.to_string()]),
            "{name}"
        );
        let mut paths = StateDict::shapes(&model);
        let held = |path: &str| {
            let mut modules = stages.iter().flat_map(|stage| &stage.modules);
            modules.any(|module| path.starts_with(&format!("{module}.")))
        };
        paths.retain(|(path, _)| !held(path));
        let left: Vec<&str> = paths.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(left, ["classifier.6.weight", "classifier.6.bias"], "{name}");
    }
    // 4096×1000 becomes 4096×7.
    let spec = Spec::new("alexnet");
    let input = default_input(&spec).unwrap();
    let shapes = |classes| {
        let model = undrawn(&spec, &Input { classes, ..input }, &device).unwrap();
        StateDict::shapes(&model)
    };
    let (before, after) = (shapes(1000), shapes(7));
    for ((key, before), (_, after)) in before.iter().zip(&after) {
        match key.as_str() {
            "classifier.6.weight" => assert_eq!(
                (&before[..], &after[..]),
                (&[1000, 4096][..], &[7, 4096][..])
            ),
            "classifier.6.bias" => assert_eq!((&before[..], &after[..]), (&[1000][..], &[7][..])),
            _ => assert_eq!(before, after, "{key}"),
        }
    }
    // To the bit, of networks with the same layers.
    for name in ["test_alexnet", "test_vgg", "test_vgg_bn"] {
        let spec = Spec::new(name);
        let input = default_input(&spec).unwrap();
        let model = build(&spec, &input, 1, &device).unwrap();
        let before = StateDict::of(&model).tensors;
        let after = model.with_head(Head::Linear, 7, 2).unwrap();
        for (key, data) in StateDict::of(&after).tensors {
            let of_head = key.starts_with("classifier.6.");
            assert_eq!(data != before[&key], of_head, "{name}: {key}");
        }
    }
}
