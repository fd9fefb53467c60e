//! Sizes, costs, keys and shapes against published numbers.

use burn::module::Module;
use burn::tensor::{Tensor, TensorData};
use firebrick_core::Classifier;
use firebrick_core::parameters::Parameters;
use firebrick_core::state_dict::StateDict;
use firebrick_zoo::{Input, TINY, build, describe, parameters};

use super::{distance, flex, model, noise, values};

#[test]
fn parameters_and_multiply_adds_are_the_published_ones() {
    // LeNet-5 in this form: 61 706 parameters. The CIFAR ResNets: 0.27, 0.46, 0.66, 0.85 and 1.7 M
    // (He et al., table 6), 40.55 M multiply-adds for ResNet-20. ResNet-18: 11 689 512 parameters
    // and 1.814 G multiply-adds at 224 pixels (torchvision); with a stem for CIFAR 11 173 962
    // parameters and 0.5556 G.
    for (spec, expected_parameters, multiply_adds) in [
        ("lenet5", 61_706, 416_520),
        ("small_cnn", 72_954, 9_880_192),
        ("resnet20", 269_722, 40_551_040),
        ("resnet32", 464_154, 68_862_592),
        ("resnet44", 658_586, 97_174_144),
        ("resnet56", 853_018, 125_485_696),
        ("resnet110", 1_727_962, 252_887_680),
        ("resnet20(shortcut=b)", 272_474, 40_813_184),
        ("resnet18", 11_689_512, 1_814_073_344),
        ("resnet18(stem=cifar)", 11_173_962, 555_422_720),
    ] {
        let (model, input) = model(spec, 0);
        let description = describe(&model, &input);
        assert_eq!(parameters(&model), expected_parameters, "{spec}");
        assert_eq!(description.parameters, expected_parameters, "{spec}");
        assert_eq!(description.multiply_adds, multiply_adds, "{spec}");
        // The layers account for every parameter.
        let layers: usize = description
            .layers
            .iter()
            .map(|layer| layer.parameters)
            .sum();
        assert_eq!(layers, expected_parameters, "{spec}");
    }
}

#[test]
fn a_description_names_the_layers_in_order() {
    let (model, input) = model("lenet5", 0);
    let rows: Vec<_> = describe(&model, &input)
        .layers
        .into_iter()
        .map(|mut layer| {
            // Features without sides are planes of one pixel in between.
            while layer.shape.len() > 2 && layer.shape.last() == Some(&1) {
                layer.shape.pop();
            }
            (layer.path, layer.kind, layer.shape)
        })
        .collect();
    let row = |path: &str, kind: &str, shape: &[usize]| {
        (path.to_string(), kind.to_string(), shape.to_vec())
    };
    let expected = [
        row("conv1", "Conv2d", &[1, 6, 28, 28]),
        row("conv1", "relu", &[1, 6, 28, 28]),
        row("conv1", "MaxPool2d", &[1, 6, 14, 14]),
        row("conv2", "Conv2d", &[1, 16, 10, 10]),
        row("conv2", "relu", &[1, 16, 10, 10]),
        row("conv2", "MaxPool2d", &[1, 16, 5, 5]),
        row("fc1", "Linear", &[1, 120]),
        row("fc1", "relu", &[1, 120]),
        row("fc2", "Linear", &[1, 84]),
        row("fc2", "relu", &[1, 84]),
        row("fc3", "Linear", &[1, 10]),
    ];
    assert_eq!(rows, expected);
    // On a training device too, and without touching statistics.
    let (model, input) = super::model("small_cnn", 0);
    let model = model.train();
    let before = StateDict::of(&model);
    let description = describe(&model, &input);
    assert_eq!(description.layers.last().unwrap().path, "fc");
    assert_eq!(StateDict::of(&model), before);
}

#[test]
fn keys_are_those_of_the_reference_implementations() {
    let keys = |spec: &str| StateDict::shapes(&model(spec, 0).0);
    let has = |spec: &str, key: &str, shape: &[usize]| {
        let found = keys(spec).into_iter().find(|(name, _)| name == key);
        assert_eq!(
            found.map(|(_, shape)| shape).as_deref(),
            Some(shape),
            "{spec}: {key}"
        );
    };
    has("lenet5", "fc1.weight", &[120, 400]);
    has("small_cnn", "layer2.bn1.running_var", &[32]);
    has("resnet20", "layer3.2.bn2.bias", &[64]);
    has("resnet20", "linear.weight", &[10, 64]);
    has(
        "resnet20(shortcut=b)",
        "layer2.0.shortcut.0.weight",
        &[32, 16, 1, 1],
    );
    has(
        "resnet20(shortcut=b)",
        "layer2.0.shortcut.1.running_mean",
        &[32],
    );
    has("resnet18", "conv1.weight", &[64, 3, 7, 7]);
    has("resnet18", "layer2.0.downsample.0.weight", &[128, 64, 1, 1]);
    has("resnet18", "layer4.0.downsample.1.weight", &[512]);
    has("resnet18", "layer4.1.conv2.weight", &[512, 512, 3, 3]);
    has("resnet18", "fc.weight", &[1000, 512]);
    // torchvision's resnet18 has 122 entries, 20 of them `num_batches_tracked`.
    assert_eq!(keys("resnet18").len(), 102);
}

#[test]
fn the_wrapping_is_not_in_paths() {
    for entry in TINY.entries() {
        let (model, _) = model(entry.about.name, 0);
        let listed = Parameters::list(&model.train());
        assert!(!listed.is_empty());
        let plain = |path: &str| {
            path.chars()
                .all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
        };
        for (path, _) in &listed {
            assert!(plain(path), "{}: {path}", entry.about.name);
        }
    }
}

/// The shortcut against its definition, `x[:, :, ::2, ::2]` between planes of zeros. The stem passes
/// pixels on, and the residual branches are silenced, so that every block is its shortcut.
#[test]
fn shortcut_a_takes_every_second_pixel_between_zeros() {
    let (model, _) = model("resnet20", 0);
    let mut dict = StateDict::of(&model);
    let mut set = |key: &str, at: &[usize]| {
        let data = dict.tensors.get_mut(key).unwrap();
        let mut values = vec![0f32; data.shape().num_elements()];
        at.iter().for_each(|at| values[*at] = 1.0);
        *data = TensorData::new(values, data.shape().clone());
    };
    let blocks = (1..=3).flat_map(|stage| (0..3).map(move |block| (stage, block)));
    for (stage, block) in blocks {
        set(&format!("layer{stage}.{block}.bn2.weight"), &[]);
    }
    // The centre of the kernel of each plane, on the first channel.
    let centres: Vec<usize> = (0..16).map(|plane| plane * 27 + 4).collect();
    set("conv1.weight", &centres);
    // Three sums of planes: those before, among and behind the 16 of the stem.
    let rows = (0..64)
        .map(|plane| [0, 1, 2][usize::from(plane >= 24) + usize::from(plane >= 40)] * 64 + plane);
    set("linear.weight", &rows.collect::<Vec<_>>());
    set("linear.bias", &[]);
    let model = dict.load_into(model).unwrap();
    // Bright at every fourth pixel each way, which is all that two shortcuts leave.
    let mut pixels = vec![0f32; 3 * 32 * 32];
    (0..64).for_each(|at| pixels[at / 8 * 4 * 32 + at % 8 * 4] = 1.0);
    let image = Tensor::<1>::from_floats(pixels.as_slice(), &flex()).reshape([1, 3, 32, 32]);
    let sums = values(&model.forward(image));
    let bright = 16.0 / (1f32 + 1e-5).sqrt();
    assert!(distance(&sums[..3], &[0.0, bright, 0.0]) < 1e-4, "{sums:?}");
}

#[test]
fn blocks_activate_after_the_sum() {
    let plain = ["Conv2d", "BatchNorm", "relu", "Conv2d", "BatchNorm", "relu"];
    let projected = [&["Conv2d", "BatchNorm"][..], &plain].concat();
    for (spec, block, expected) in [
        ("resnet20", "layer1.0.", &plain[..]),
        ("resnet20", "layer2.0.", &plain),
        ("resnet20(shortcut=b)", "layer2.0.", &projected),
        ("resnet18(stem=cifar)", "layer1.1.", &plain),
        ("resnet18(stem=cifar)", "layer4.0.", &projected),
    ] {
        let (model, input) = model(spec, 0);
        let layers = describe(&model, &input).layers;
        let kinds: Vec<_> = layers
            .iter()
            .filter(|layer| layer.path.starts_with(block))
            .map(|layer| layer.kind.as_str())
            .collect();
        assert_eq!(kinds, expected, "{spec} {block}");
    }
}

#[test]
fn models_read_other_sizes_channels_and_classes() {
    for entry in TINY.entries() {
        let spec = entry.about.name.parse().unwrap();
        let inputs = [
            (1, 28, 28, 10),
            (3, 32, 32, 100),
            (3, 33, 47, 2),
            (4, 16, 12, 3),
        ];
        for (channels, height, width, classes) in inputs {
            let input = Input {
                channels,
                height: height.max(least_side(entry.about.name)),
                width: width.max(least_side(entry.about.name)),
                classes,
            };
            let model = build(&spec, &input, 0, &flex()).unwrap();
            let logits = model.forward(noise(2, &input, 1));
            assert_eq!(
                logits.dims(),
                [2, classes],
                "{} {input:?}",
                entry.about.name
            );
            assert!(
                values(&logits).iter().all(|v| v.is_finite()),
                "{}",
                entry.about.name
            );
        }
    }
}

/// Torchvision's for its networks.
fn least_side(name: &str) -> usize {
    match name {
        "lenet5" => 12,
        "small_cnn" => 4,
        "test_alexnet" => 63,
        "test_vgg" | "test_vgg_bn" | "test_convnext" => 32,
        "test_squeezenet" => 17,
        "test_googlenet" => 15,
        "test_inception_v3" => 75,
        "test_densenet" => 29,
        _ => 1,
    }
}

#[test]
fn the_least_size_works_and_one_less_is_an_error() {
    for entry in TINY.entries() {
        let spec = entry.about.name.parse().unwrap();
        let of = |side| Input {
            channels: 1,
            height: side,
            width: 80,
            classes: 2,
        };
        let least = least_side(entry.about.name);
        let model = build(&spec, &of(least), 0, &flex()).unwrap();
        let logits = model.forward(Tensor::ones([1, 1, least, 80], &flex()));
        assert_eq!(logits.dims(), [1, 2]);
        let error = build(&spec, &of(least - 1), 0, &flex())
            .unwrap_err()
            .to_string();
        let expected = format!(
            "{}: input height = {} is out of range: it must be at least {least}",
            entry.about.name,
            least - 1
        );
        assert_eq!(error, expected);
    }
}
