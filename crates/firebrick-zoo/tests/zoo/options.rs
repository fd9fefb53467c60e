//! Options of the models, valid and invalid, over the whole registry.

use burn::module::Module;
use burn::tensor::{Tensor, TensorData};
use firebrick_core::Classifier;
use firebrick_core::random::StepScope;
use firebrick_core::spec::Spec;
use firebrick_core::state_dict::StateDict;
use firebrick_zoo::{
    Architecture, Input, Layer, LeNet5Config, Network, REGISTRY, ResNetCifarConfig, build,
    canonical, default_input,
};

use super::{distance, flex, model, noise, values};

#[test]
fn the_canonical_spec_says_everything_and_builds_the_same() {
    for entry in REGISTRY.entries() {
        let spec = Spec::new(entry.about.name);
        let full = canonical(&spec).unwrap();
        assert_eq!(full.name, entry.about.name);
        // Runs from before these options existed have the spec without them.
        let told = |key: &String| !["drop_path", "members"].contains(&key.as_str());
        let keys = full.named.iter().map(|(key, _)| key.clone());
        let keys: Vec<_> = keys.filter(told).collect();
        let fields = (entry.fields)().into_iter().map(|(key, _)| key);
        let fields: Vec<_> = fields.filter(told).collect();
        assert_eq!(keys, fields);
        assert_eq!(canonical(&full.to_string().parse().unwrap()).unwrap(), full);
        assert_eq!(default_input(&full).unwrap(), default_input(&spec).unwrap());
    }
    let text = |spec: &str| canonical(&spec.parse().unwrap()).unwrap().to_string();
    assert_eq!(
        text("lenet5(normal(std=0.02), tanh, pool=average)"),
        "lenet5(init=normal(std=0.02), activation=tanh, pool=average, dropout=0.0)"
    );
    assert_eq!(
        text("resnet56"),
        "resnet56(init=pytorch, activation=relu, shortcut=a)"
    );
    assert_eq!(
        text("resnet18(stem=cifar)"),
        "resnet18(init=pytorch, activation=relu, stem=cifar)"
    );
    assert_eq!(
        text("mobilenet_v1(width=0.25)"),
        "mobilenet_v1(init=pytorch, dropout=0.001, width=0.25)"
    );
    assert_eq!(
        text("convnext_tiny"),
        "convnext_tiny(init=pytorch, dropout=0.0, drop_path=0.1)"
    );
    assert_eq!(
        text("resnet20(drop_path=0.25)"),
        "resnet20(init=pytorch, activation=relu, shortcut=a, drop_path=0.25)"
    );
}

#[test]
fn mistakes_are_named() {
    for (spec, needle) in [
        (
            "resnt20",
            "unknown model `resnt20` (did you mean `resnet20`?)",
        ),
        (
            "resnet20(activaton=relu)",
            "resnet20 has no key `activaton` (did you mean `activation`?)",
        ),
        ("resnet20(depth=8)", "resnet20 has no key `depth`"),
        (
            "resnet20(activation=rel)",
            "unknown activation `rel` (did you mean `relu`?)",
        ),
        ("resnet20(activation=leaky_relu(0.2))", "takes no arguments"),
        ("resnet20(shortcut=c)", "shortcut"),
        ("resnet18(stem=mnist)", "stem"),
        (
            "resnet18(init=xavir)",
            "unknown init `xavir` (did you mean `xavier`?)",
        ),
        ("lenet5(init=normal(std=nan))", "std = NaN"),
        ("lenet5(init=normal(std=0))", "std = 0"),
        (
            "lenet5(dropout=1.5)",
            "lenet5: dropout = 1.5 is out of range: it must be in [0, 1]",
        ),
        ("small_cnn(dropout=nan)", "small_cnn: dropout = NaN"),
        (
            "resnet20(drop_path=1.5)",
            "resnet20: drop_path = 1.5 is out of range: it must be in [0, 1]",
        ),
        ("resnet18(drop_path=-0.1)", "resnet18: drop_path = -0.1"),
        ("small_cnn(width=0)", "small_cnn: width = 0"),
        ("small_cnn(width=-1)", "width = -1"),
    ] {
        let parsed: Spec = spec.parse().unwrap();
        let error = canonical(&parsed).unwrap_err().to_string();
        assert!(error.contains(needle), "{spec}: {error}");
        let input = default_input(&"resnet20".parse().unwrap()).unwrap();
        let built = build(&parsed, &input, 0, &flex()).unwrap_err().to_string();
        assert_eq!(built, error);
    }
    for (input, needle) in [
        ((0, 100, 10), "input channels = 0"),
        ((3, 0, 10), "input height = 0"),
        (
            (3, 100, 1),
            "classes = 1 is out of range: it must be at least 2",
        ),
    ] {
        let (channels, side, classes) = input;
        let input = Input {
            channels,
            height: side,
            width: side,
            classes,
        };
        for entry in REGISTRY.entries() {
            let error = build(&Spec::new(entry.about.name), &input, 0, &flex())
                .unwrap_err()
                .to_string();
            assert!(error.contains(needle), "{}: {error}", entry.about.name);
        }
    }
    let odd = ResNetCifarConfig::new(21);
    let input = default_input(&"resnet20".parse().unwrap()).unwrap();
    let error = odd.model(&input, 0, &flex()).unwrap_err().to_string();
    assert!(
        error.contains("depth = 21") && error.contains("6n + 2"),
        "{error}"
    );
}

#[test]
fn the_seed_is_the_model_on_every_device() {
    let spec = "small_cnn".parse().unwrap();
    let input = default_input(&spec).unwrap();
    let built = |seed, device: &str| {
        let device = firebrick_core::device(device).unwrap();
        StateDict::of(&build(&spec, &input, seed, &device).unwrap())
    };
    assert_eq!(built(1, "flex"), built(1, "flex"));
    assert_eq!(built(1, "flex"), built(1, "ndarray"));
    assert_ne!(built(1, "flex"), built(2, "flex"));
    // Nor does it matter whether the device is for training.
    let training = build(&spec, &input, 1, &flex().autodiff()).unwrap();
    assert_eq!(StateDict::of(&training), built(1, "flex"));
}

#[test]
fn every_option_changes_the_model() {
    let logits = |spec: &str| {
        let (model, input) = model(spec, 3);
        values(&model.forward(noise(1, &input, 4)))
    };
    for name in ["lenet5", "small_cnn", "resnet20"] {
        let reference = logits(name);
        for option in [
            "init=xavier",
            "init=orthogonal",
            "init=normal(std=0.05)",
            "activation=tanh",
            "activation=gelu",
        ] {
            let other = logits(&format!("{name}({option})"));
            assert!(distance(&reference, &other) > 1e-4, "{name}({option})");
        }
    }
    assert!(distance(&logits("lenet5"), &logits("lenet5(pool=average)")) > 1e-4);
}

#[test]
fn dropout_is_before_the_last_layer_and_in_training_only() {
    for name in ["lenet5", "small_cnn"] {
        let (model, input) = model(&format!("{name}(dropout=1)"), 0);
        let images = noise(2, &input, 1);
        let scope = StepScope::default();
        // With everything dropped, the last layer's bias is all that is left.
        let training = model.clone().train();
        let dropped = scope.enter(|| training.forward(Tensor::from_inner(images.clone())));
        let bias = StateDict::of(&model)
            .tensors
            .into_iter()
            .rev()
            .find(|(key, _)| key.starts_with("fc") && key.ends_with("bias"));
        let bias: Vec<f32> = bias.unwrap().1.try_to_vec().unwrap();
        assert_eq!(
            values(&dropped.inner()),
            [bias.clone(), bias].concat(),
            "{name}"
        );
        let (without, _) = super::model(name, 0);
        assert_eq!(
            values(&model.forward(images.clone())),
            values(&without.forward(images)),
            "{name}"
        );
    }
}

#[test]
fn stochastic_depth_drops_branches_in_training_only() {
    for [name, plain] in [
        ["resnet20(drop_path=0.5)", "resnet20"],
        [
            "resnet18(stem=cifar, drop_path=0.5)",
            "resnet18(stem=cifar)",
        ],
        ["test_resnet(drop_path=0.5)", "test_resnet"],
        ["test_resnetv2(drop_path=0.5)", "test_resnetv2"],
        ["test_wide_resnet(drop_path=0.5)", "test_wide_resnet"],
        ["test_regnet(drop_path=0.5)", "test_regnet"],
        [
            "test_efficientnet(dropout=0, drop_path=0.9)",
            "test_efficientnet(dropout=0, drop_path=0)",
        ],
        [
            "test_efficientnet_lite(drop_path=0.9)",
            "test_efficientnet_lite",
        ],
        ["test_mobilenetv4(drop_path=0.9)", "test_mobilenetv4"],
        [
            "test_mobilenet_v2(dropout=0, drop_path=0.9)",
            "test_mobilenet_v2(dropout=0)",
        ],
        [
            "test_mobilenet_v3(dropout=0, drop_path=0.9)",
            "test_mobilenet_v3(dropout=0)",
        ],
        [
            "test_mnasnet(dropout=0, drop_path=0.9)",
            "test_mnasnet(dropout=0)",
        ],
    ] {
        let (model, input) = model(name, 0);
        let (without, _) = super::model(plain, 0);
        assert_eq!(
            StateDict::of(&model),
            StateDict::of(&without),
            "{name}: the same keys and draws"
        );
        let images = noise(4, &input, 1);
        assert_eq!(
            values(&model.forward(images.clone())),
            values(&without.forward(images.clone())),
            "{name}"
        );
        let trained = |model: &firebrick_zoo::Model| {
            let model = firebrick_core::independent_copy(model).train();
            let images = Tensor::from_inner(images.clone());
            let scope = StepScope {
                seed: 3,
                ..StepScope::default()
            };
            values(&scope.enter(|| model.forward(images)).inner())
        };
        assert_eq!(trained(&model), trained(&model), "{name}");
        // The last layers of some networks are drawn small.
        let whole = trained(&without);
        let largest = whole.iter().fold(0f32, |most, value| most.max(value.abs()));
        assert!(
            distance(&trained(&model), &whole) > 1e-3 * largest.max(0.01),
            "{name}"
        );
    }
}

#[test]
fn a_stem_for_small_images_keeps_their_size() {
    for name in [
        "test_resnet",
        "test_resnet_d",
        "test_resnetv2",
        "test_regnet",
        "test_mobilenet_v2",
        "test_mobilenet_v3",
        "test_mobilenetv4",
        "test_mnasnet",
        "test_efficientnet",
        "test_efficientnet_lite",
    ] {
        let first = |spec: &str| {
            let (model, input) = model(spec, 0);
            let backbone = model.backbone().unwrap();
            let stride = backbone.stages()[0].stride.unwrap();
            let features = &backbone.features(noise(1, &input, 1))[0];
            assert_eq!(features.dims()[2], input.height / stride, "{spec}");
            (input, stride)
        };
        let (_, stride) = first(name);
        let (input, small) = first(&format!("{name}(stem=cifar)"));
        assert_eq!((input.height, input.classes), (32, 10), "{name}");
        assert_eq!(2 * small, stride, "{name}");
    }
    let error = canonical(&"test_vgg(stem=cifar)".parse().unwrap()).unwrap_err();
    assert!(error.to_string().contains("stem"), "{error}");
}

/// The drop probabilities of the branches, in order.
fn drop_path_rates(layers: &[(String, Layer)]) -> Vec<f64> {
    let rates = layers.iter().flat_map(|(_, layer)| match layer {
        Layer::DropPath(path) => vec![path.p],
        Layer::Layers(inner) => drop_path_rates(&inner.layers),
        _ => Vec::new(),
    });
    rates.collect()
}

#[test]
fn the_last_block_drops_all_and_the_first_nothing() {
    let config = ResNetCifarConfig {
        drop_path: 1.0,
        ..ResNetCifarConfig::new(20)
    };
    let input = default_input(&"resnet20".parse().unwrap()).unwrap();
    let model = config.model(&input, 0, &flex().autodiff()).unwrap();
    let network: &Network = model.downcast_ref().unwrap();
    let rates = drop_path_rates(network.layers());
    assert_eq!(
        (rates[0], rates[4], rates[8], rates.len()),
        (0.0, 0.5, 1.0, 9)
    );
}

#[test]
fn lenet_without_activations_is_one_affine_map() {
    // How far f(a) + f(b) - f(0) is from f(a + b), relative to f(a + b) - f(0).
    let deviation = |activation: &str| {
        let config = LeNet5Config {
            activation: Spec::new(activation),
            pool: firebrick_zoo::Pool::Average,
            ..LeNet5Config::default()
        };
        let input = default_input(&"lenet5".parse().unwrap()).unwrap();
        let model = config.model(&input, 0, &flex()).unwrap();
        let f = |images: Tensor<4>| model.forward(images);
        let (a, b) = (noise(4, &input, 1) * 10.0, noise(4, &input, 2) * 10.0);
        let zero = f(a.zeros_like());
        let sum = f(a.clone() + b.clone());
        let linear = values(&(f(a) + f(b) - zero.clone()));
        let scale = distance(&values(&sum), &values(&zero));
        distance(&linear, &values(&sum)) / scale
    };
    assert!(deviation("identity") < 1e-5, "{}", deviation("identity"));
    assert!(deviation("relu") > 0.05, "{}", deviation("relu"));
    assert!(deviation("tanh") > 0.05, "{}", deviation("tanh"));
}

#[test]
fn weights_of_another_model_do_not_load() {
    let (lenet, _) = model("lenet5", 0);
    let (small, _) = model("small_cnn", 0);
    let mut dict = StateDict::of(&lenet);
    dict.tensors
        .insert("x".into(), TensorData::new(vec![0f32], [1]));
    assert!(dict.load_into(small).is_err());
}
