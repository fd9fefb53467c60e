//! Activations of new models neither vanish nor explode, unless the initialization is bad.

use burn::module::Module;
use burn::tensor::Tensor;
use firebrick_core::probe::observe;
use firebrick_core::random::StepScope;
use firebrick_core::run::Observation;
use firebrick_core::state_dict::StateDict;
use firebrick_core::{Classifier, variance_shift};
use firebrick_zoo::{TINY, canonical};

use super::{model, noise};

/// What the convolutions and linear layers of a fresh model put out for 8 images of noise with
/// deviation 1, batch norm in training.
fn fresh(spec: &str) -> Vec<Observation> {
    let (model, input) = model(spec, 0);
    let model = model.train();
    let images = noise(8, &input, 1) * 3f32.sqrt();
    let images = burn::tensor::Tensor::from_inner(images);
    let (_, layers) = observe(&model, |model| model.forward(images));
    layers
        .into_iter()
        .filter(|layer| ["Conv2d", "Linear"].contains(&layer.kind.as_str()))
        .collect()
}

#[test]
fn kaiming_keeps_the_scale_where_small_weights_lose_it() {
    // LeNet-5 has no batch norm that would hide it.
    let kaiming = fresh("lenet5(init=kaiming, pool=average)");
    assert_eq!(kaiming.len(), 5);
    for layer in &kaiming {
        assert!(
            (0.2..5.0).contains(&layer.std),
            "{}: {}",
            layer.path,
            layer.std
        );
    }
    let small = fresh("lenet5(init=normal(std=0.01), pool=average)");
    let shrinks = small.windows(2).all(|pair| pair[1].std < 0.2 * pair[0].std);
    assert!(shrinks, "{small:?}");
    assert!(small[4].std < 1e-5, "{}", small[4].std);
    let large = fresh("lenet5(init=normal(std=1), pool=average)");
    assert!(large[4].std > 1e3, "{}", large[4].std);
}

#[test]
fn every_model_starts_at_a_sane_scale() {
    for entry in TINY.entries() {
        // Reference implementations draw the last layers of some networks small, and those behind few channels.
        let least = if entry.about.name.starts_with("test_") {
            1e-5
        } else {
            0.01
        };
        for layer in fresh(entry.about.name) {
            let name = format!("{} {}: {}", entry.about.name, layer.path, layer.std);
            assert!(
                (least..100.0).contains(&layer.std) && layer.mean.abs() < 10.0,
                "{name}"
            );
        }
    }
}

/// The distributions that the reference implementations draw from, told by deviation and bound.
#[test]
fn pytorch_initialization_is_that_of_the_reference() {
    let drawn = |spec: &str, key: &str| -> Vec<f32> {
        let dict = StateDict::of(&model(spec, 0).0);
        dict.tensors[key].try_to_vec().unwrap()
    };
    let check = |spec: &str, key: &str, variance: f32, bound: f32| {
        let values = drawn(spec, key);
        let count = values.len() as f32;
        let found = values.iter().map(|value| value * value).sum::<f32>() / count;
        // Four standard errors of the variance of a normal sample.
        let tolerance = 4.0 * (2.0 / count).sqrt();
        assert!(
            (found / variance - 1.0).abs() < tolerance,
            "{spec} {key}: {found} {variance}"
        );
        let largest = values
            .iter()
            .fold(0f32, |largest, value| largest.max(value.abs()));
        assert!(largest <= bound, "{spec} {key}: {largest}");
        if bound.is_infinite() {
            // A uniform draw ends at 1.73 deviations.
            assert!(largest > 2.0 * variance.sqrt(), "{spec} {key}: {largest}");
        }
    };
    let normal = |spec: &str, key: &str, variance: f32| check(spec, key, variance, f32::INFINITY);
    let uniform = |spec: &str, key: &str, fan_in: f32| {
        check(spec, key, 1.0 / (3.0 * fan_in), 1.0 / fan_in.sqrt());
    };
    // kaiming_normal_ of convolution and linear weights, by fan_in.
    normal("resnet20", "conv1.weight", 2.0 / 27.0);
    normal("resnet20", "layer2.0.conv1.weight", 2.0 / 144.0);
    normal("resnet20", "linear.weight", 2.0 / 64.0);
    // kaiming_normal_(mode="fan_out") of convolutions, the linear layer's default.
    normal("resnet18", "conv1.weight", 2.0 / (64.0 * 49.0));
    normal("resnet18", "layer2.0.conv1.weight", 2.0 / (128.0 * 9.0));
    normal("resnet18", "layer2.0.downsample.0.weight", 2.0 / 128.0);
    uniform("resnet18", "fc.weight", 512.0);
    uniform("resnet18", "fc.bias", 512.0);
    // PyTorch's defaults.
    uniform("lenet5", "conv2.weight", 150.0);
    uniform("lenet5", "fc1.weight", 400.0);
    uniform("lenet5", "fc1.bias", 400.0);
    uniform("small_cnn", "layer3.conv2.weight", 576.0);
    // torchvision's and timm's networks.
    uniform("test_alexnet", "classifier.1.weight", 432.0);
    uniform("test_shufflenet_v2", "stage2.1.branch2.0.weight", 6.0);
    uniform("test_resnet", "fc.weight", 24.0);
    normal("test_resnet", "conv1.weight", 2.0 / (64.0 * 49.0));
    normal("test_vgg", "features.3.weight", 2.0 / (12.0 * 9.0));
    normal("test_vgg", "classifier.0.weight", 1e-4);
    normal(
        "test_densenet",
        "features.transition1.conv.weight",
        2.0 / 20.0,
    );
    normal("test_convnext", "features.1.0.block.3.weight", 4e-4);
    normal("test_convnext", "features.1.0.block.0.weight", 4e-4);
    normal("test_googlenet", "inception3a.branch2.1.conv.weight", 1e-4);
    normal("test_inception_v3", "Mixed_7b.branch1x1.conv.weight", 1e-2);
    normal("test_regnet", "fc.weight", 1e-4);
    normal("test_resnetv2", "head.fc.weight", 1e-4);
    normal("test_squeezenet", "classifier.1.weight", 1e-4);
    check(
        "test_squeezenet",
        "features.12.expand3x3.weight",
        2.0 / 72.0,
        (6f32 / 72.0).sqrt(),
    );
    check(
        "test_efficientnet",
        "classifier.1.weight",
        1.0 / 30.0,
        0.1f32.sqrt(),
    );
    check("test_mnasnet", "classifier.1.weight", 0.1, 0.3f32.sqrt());
    // Depthwise: PyTorch's fan_out counts the outputs of all groups, TensorFlow's those of one.
    normal(
        "test_mobilenet_v2",
        "features.3.conv.1.0.weight",
        2.0 / (24.0 * 9.0),
    );
    normal(
        "test_efficientnet_lite",
        "blocks.2.1.conv_dw.weight",
        2.0 / 25.0,
    );
    normal(
        "test_mobilenetv4",
        "blocks.1.2.pw_exp.conv.weight",
        2.0 / 48.0,
    );
    normal("test_mobilenet_v1", "dw13.weight", 2.0 / 9.0);
    let scales = drawn("test_repvgg", "stages.3.0.conv_kxk.bn.weight");
    let mean = scales.iter().sum::<f32>() / scales.len() as f32;
    assert!((mean - 0.1).abs() < 0.08, "{mean}");
    // The last batch norm of a branch of ResNet-D.
    assert!(
        drawn("test_resnet_d", "layer1.0.bn3.weight")
            .iter()
            .all(|value| *value == 0.0)
    );
    assert!(
        drawn("resnet20", "layer1.0.bn1.weight")
            .iter()
            .all(|value| *value == 1.0)
    );
    assert!(
        drawn("lenet5(init=kaiming)", "fc1.bias")
            .iter()
            .all(|value| *value == 0.0)
    );
}

#[test]
fn no_model_drops_values_before_a_batch_norm() {
    let mut specs: Vec<String> = TINY.names().into_iter().map(Into::into).collect();
    specs.extend(
        [
            "lenet5(dropout=0.5)",
            "small_cnn(dropout=0.5)",
            "resnet20(drop_path=0.5)",
        ]
        .map(Into::into),
    );
    for spec in specs {
        let (model, input) = model(&spec, 0);
        let model = model.train();
        let images = Tensor::from_inner(noise(4, &input, 1));
        let (_, layers) = observe(&model, |model| {
            StepScope::default().enter(|| model.forward(images))
        });
        let drops = layers.iter().any(|layer| layer.kind == "Dropout");
        let full = canonical(&spec.parse().unwrap()).unwrap();
        let dropout = full.named.iter().find(|(key, _)| key == "dropout");
        let given = dropout.map_or(0.0, |(_, p)| p.to_string().parse::<f64>().unwrap());
        assert_eq!(drops, given > 0.0, "{spec}");
        assert_eq!(variance_shift::notes(&layers), [""; 0], "{spec}");
    }
}
