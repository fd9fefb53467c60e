use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};
use firebrick_core::Classifier;
use firebrick_core::data::Preprocessing;
use firebrick_core::nn::Activation;
use firebrick_core::state_dict::StateDict;
use firebrick_zoo::{Input, Model, default_input, undrawn};
use serde::Deserialize;

use super::evaluate::{Array, decode, run};
use super::*;
use crate::export::{Export, Format};
use crate::{ModelInfo, TrainedModel};

/// The largest error of a logit, by the deviation of all logits.
const LOGITS: f64 = 1e-4;

fn device() -> Device {
    firebrick_core::device("flex").unwrap()
}

/// Values in [-1, 1) by the formula of `xtask/golden/zoo.py`.
fn uniform(key: &str, count: usize) -> impl Iterator<Item = f64> + use<> {
    let step = |value: u64, byte: u8| (value ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let start = key.bytes().fold(0xcbf2_9ce4_8422_2325, step);
    (1..=count as u64).map(move |index| {
        let mut x = start.wrapping_add(index.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^= x >> 31;
        (x >> 40) as f64 / f64::from(1 << 23) - 1.0
    })
}

/// A network whose weights and statistics come from that formula.
fn filled(spec: &str, input: &Input, gain: f64) -> TrainedModel {
    let model = undrawn(&spec.parse().unwrap(), input, &device()).unwrap();
    let tensors = StateDict::shapes(&model).into_iter().map(|(key, shape)| {
        let field = key.rsplit('.').next().unwrap();
        let fan_in = shape[1..].iter().product::<usize>() as f64;
        let (base, factor) = match (shape.len(), field) {
            // The vectors of members are near 1.
            (_, "r_group" | "s_group") => (1.0, 0.5),
            (2 | 4, _) => (0.0, (3.0 * gain / fan_in).sqrt()),
            (3, _) => (0.5, 0.1),
            (_, "weight" | "running_var") => (1.0, 0.2),
            _ => (0.0, 0.1),
        };
        let entries = uniform(&key, shape.iter().product());
        let entries: Vec<f32> = entries.map(|u| (base + u * factor) as f32).collect();
        let data = TensorData::new(entries, shape);
        (key, data)
    });
    let dict = StateDict {
        tensors: tensors.collect(),
        ..StateDict::default()
    };
    let network = dict.load_into(model).unwrap();
    TrainedModel {
        info: ModelInfo {
            model: firebrick_zoo::canonical(&spec.parse().unwrap()).unwrap(),
            classes: (0..input.classes)
                .map(|class| format!("class {class}"))
                .collect(),
            preprocessing: Preprocessing::unnormalized(input.channels, input.height, input.width),
        },
        network,
        device: device(),
    }
}

/// Images of mean 0 and variance 1.
fn images(count: usize, input: &Input) -> (Tensor<4>, Array) {
    let each = input.channels * input.height * input.width;
    let pixels = (0..count).flat_map(|number| uniform(&format!("image {number}"), each));
    let pixels: Vec<f32> = pixels.map(|u| (u * 3f64.sqrt()) as f32).collect();
    let dims = [count, input.channels, input.height, input.width];
    let wide = pixels.iter().map(|pixel| f64::from(*pixel)).collect();
    let tensor = Tensor::from_data(TensorData::new(pixels, dims), &device());
    (tensor, Array::new(dims, wide))
}

fn exported(model: &TrainedModel, fold: bool) -> Vec<u8> {
    let format = Format::Onnx;
    Export { format, fold }.of(model).unwrap().bytes
}

fn values(tensor: Tensor<2>) -> Vec<f64> {
    tensor.into_data().iter::<f64>().collect()
}

fn spread(values: &[f64]) -> f64 {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let squares = values.iter().map(|value| (value - mean).powi(2));
    (squares.sum::<f64>() / values.len() as f64).sqrt()
}

/// Compares what the exported file computes of the first images with the network, and returns the logits of the file.
#[track_caller]
fn check(model: &TrainedModel, fold: bool, count: usize) -> Vec<f64> {
    let (spec, input) = (&model.info.model, model.info.input());
    let expected = values(model.network.forward(images(2, &input).0));
    let scale = spread(&expected);
    // What is compared depends on the image.
    let (first, second) = expected.split_at(input.classes);
    let apart = first.iter().zip(second).map(|(a, b)| (a - b).abs());
    assert!(apart.fold(0.0, f64::max) > 0.01 * scale, "{spec}");
    let found = run(&decode(&exported(model, fold)), images(count, &input).1);
    assert_eq!(found.dims, [count, input.classes], "{spec}");
    for (found, expected) in found.values.iter().zip(&expected) {
        let error = (found - expected).abs() / scale;
        assert!(
            error <= LOGITS,
            "{spec}, fold {fold}: {found} is not {expected}"
        );
    }
    found.values
}

#[derive(Deserialize)]
struct Golden {
    models: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    model: String,
    side: usize,
    gain: f64,
    logits: Vec<f64>,
    spread: f64,
}

impl Case {
    fn filled(&self) -> TrainedModel {
        self.of_side(self.side)
    }

    fn of_side(&self, side: usize) -> TrainedModel {
        let input = Input {
            height: side,
            width: side,
            ..default_input(&self.model.parse().unwrap()).unwrap()
        };
        filled(&self.model, &input, self.gain)
    }
}

const TINY: &str = include_str!("../../../../firebrick-zoo/tests/golden/tiny.json");
const PUBLISHED: &str = include_str!("../../../../firebrick-zoo/tests/golden/published.json");

fn cases(golden: &str) -> Vec<Case> {
    serde_json::from_str::<Golden>(golden).unwrap().models
}

/// The models that are not of a family, with every option that changes what they compute.
const OTHERS: [&str; 14] = [
    "lenet5",
    "lenet5(activation=tanh, pool=average, dropout=0.5)",
    "small_cnn(width=4, dropout=0.3)",
    "small_cnn(width=4, members=batch_ensemble(3))",
    "small_cnn(width=4, members=packed(2))",
    "small_cnn(width=4, members=packed(2, alpha=2, gamma=2))",
    "small_cnn(width=4, members=mimo(2))",
    "resnet20(drop_path=0.2)",
    "resnet20(shortcut=b)",
    "resnet20(members=packed(2))",
    "resnet20(members=batch_ensemble(2))",
    "resnet20(shortcut=b, members=mimo(2))",
    "resnet18(drop_path=0.1)",
    "resnet18(stem=cifar, activation=silu)",
];

fn other(spec: &str) -> TrainedModel {
    let native = default_input(&spec.parse().unwrap()).unwrap();
    let (side, gain): (usize, f64) = match spec.split('(').next().unwrap() {
        "lenet5" => (28, 1.5),
        "resnet18" if spec.contains("cifar") => (8, 1.0),
        "resnet18" => (32, 1.0),
        _ => (12, 1.0),
    };
    let input = Input {
        height: side,
        width: side,
        classes: 7,
        ..native
    };
    filled(spec, &input, gain)
}

#[test]
fn files_of_all_families_compute_the_reference_logits() {
    for case in cases(TINY) {
        let found = check(&case.filled(), true, 1);
        let every = (found.len() / 16).max(1);
        for (found, expected) in found.iter().step_by(every).zip(&case.logits) {
            let error = (found - expected).abs() / case.spread;
            assert!(error <= LOGITS, "{}: {found} {expected}", case.model);
        }
    }
}

#[test]
fn files_with_batch_norms_of_their_own_compute_the_same() {
    for case in cases(TINY).iter().filter(|case| case.side < 64) {
        check(&case.filled(), false, 1);
    }
    for spec in [
        "small_cnn(width=4, members=batch_ensemble(3))",
        "resnet20(shortcut=b)",
    ] {
        check(&other(spec), false, 1);
    }
}

/// A side at which pools hang over the edge, odd sides get a border, and adaptive pools have windows of different sizes.
#[test]
fn files_for_other_sizes_of_images_compute_what_the_networks_do() {
    for case in cases(TINY) {
        check(&case.of_side(case.side + 5), true, 1);
    }
}

#[test]
fn files_of_the_other_models_compute_what_the_models_do() {
    for spec in OTHERS {
        check(&other(spec), true, 1);
    }
}

#[test]
fn every_activation_is_the_same_function() {
    let numbers: Vec<f32> = (0..64u8).map(|at| (f32::from(at) - 32.0) / 4.0).collect();
    let dims = [1, 1, 8, 8];
    let wide: Vec<f64> = numbers.iter().map(|number| f64::from(*number)).collect();
    let tensor = Tensor::<4>::from_data(TensorData::new(numbers, dims), &device());
    for (name, activation) in Activation::ALL {
        let mut graph = Graph::new([1, 8, 8]);
        let images = graph.images();
        let value = graph.activation("activation", activation, images);
        let file = encode(graph.ending_in(value), &Metadata::new(), "").unwrap();
        let found = run(&decode(&file.bytes), Array::new(dims, wide.clone()));
        let expected = activation.forward(tensor.clone()).into_data();
        for (found, expected) in found.values.iter().zip(expected.iter::<f64>()) {
            let error = (found - expected).abs() / expected.abs().max(1.0);
            assert!(error <= 1e-5, "{name}: {found} is not {expected}");
        }
    }
}

fn operators(model: &proto::Model) -> Vec<String> {
    let nodes = model.graph.0.node.0.iter();
    nodes.map(|node| node.0.op_type.clone()).collect()
}

#[test]
fn a_file_says_what_it_reads_and_tells_apart() {
    let model = other("resnet20(shortcut=b)");
    // A batch of any size.
    check(&model, true, 2);
    let file = decode(&exported(&model, true));
    assert_eq!(file.ir_version, 8);
    assert_eq!(file.opset_import.0[0].0.version, 17);
    assert_eq!(file.producer_name, "firebrick");
    let props: Vec<(&str, &str)> = file
        .metadata_props
        .0
        .iter()
        .map(|entry| (entry.0.key.as_str(), entry.0.value.as_str()))
        .collect();
    let [(_, classes), (_, spec), (_, preprocessing)] = props.as_slice() else {
        panic!("{props:?}");
    };
    let classes: Vec<String> = serde_json::from_str(classes).unwrap();
    assert_eq!(classes, model.info.classes);
    assert_eq!(
        spec.parse::<firebrick_core::spec::Spec>().unwrap(),
        model.info.model
    );
    let preprocessing: Preprocessing = serde_json::from_str(preprocessing).unwrap();
    assert_eq!(preprocessing, model.info.preprocessing);
    let graph = &file.graph.0;
    for (info, name, sizes) in [
        (&graph.input.0[0].0, "images", vec![3, 12, 12]),
        (&graph.output.0[0].0, "logits", vec![7]),
    ] {
        assert_eq!(info.name, name);
        let tensor = &info.kind.0.tensor_type.0;
        assert_eq!(tensor.elem_type, proto::data_type::FLOAT);
        let dims: Vec<_> = tensor.shape.0.dim.0.iter().map(|dim| &dim.0).collect();
        assert_eq!(dims[0].dim_param.as_deref(), Some("batch"));
        let fixed: Vec<i64> = dims[1..].iter().filter_map(|dim| dim.dim_value).collect();
        assert_eq!(fixed, sizes);
    }
    // PyTorch's keys; equal models give equal bytes.
    let named = |name: &str| {
        graph
            .initializer
            .0
            .iter()
            .any(|tensor| tensor.0.name == name)
    };
    assert!(named("layer1.0.conv1.weight") && named("layer2.0.shortcut.0.bias"));
    assert!(named("linear.weight") && named("linear.bias"));
    assert_eq!(exported(&model, true), exported(&model, true));
}

#[test]
fn batch_norms_become_part_of_the_convolutions_before_them() {
    let norms = |spec: &str, fold: bool| {
        let case = cases(TINY).into_iter().find(|case| case.model == spec);
        let model = case.map_or_else(|| other(spec), |case| case.filled());
        let operators = operators(&decode(&exported(&model, fold)));
        let norms = operators
            .iter()
            .filter(|name| *name == "BatchNormalization");
        norms.count()
    };
    assert_eq!((norms("resnet20", false), norms("resnet20", true)), (19, 0));
    assert_eq!(norms("test_resnet", true), 0);
    // In front of a convolution they stay.
    let (all, left) = (norms("test_densenet", false), norms("test_densenet", true));
    assert!(0 < left && left < all, "{left} of {all}");
}

/// Files for `xtask/onnx/check.py`, which runs them with ONNX Runtime: for each model `NAME.onnx`, the same without folding, the weights, and
/// images with the logits of the network. `FIREBRICK_ONNX_DIR` says where, `FIREBRICK_ONNX_MODELS` which, as beginnings of names.
#[test]
#[ignore = "minutes and gigabytes, for a check by hand"]
fn files_for_onnx_runtime() {
    let directory = std::env::var_os("FIREBRICK_ONNX_DIR").expect("FIREBRICK_ONNX_DIR is not set");
    let directory = Path::new(&directory);
    std::fs::create_dir_all(directory).unwrap();
    let wanted = std::env::var("FIREBRICK_ONNX_MODELS").unwrap_or_default();
    let wanted =
        |name: &str| wanted.is_empty() || wanted.split(',').any(|wanted| name.starts_with(wanted));
    let families = cases(TINY).into_iter().chain(cases(PUBLISHED));
    for case in families.filter(|case| wanted(&case.model)) {
        write(directory, &case.model, &case.filled());
    }
    for spec in OTHERS.iter().filter(|spec| wanted(spec)) {
        write(directory, spec, &other(spec));
    }
}

fn write(directory: &Path, name: &str, model: &TrainedModel) {
    let (tensor, _) = images(2, &model.info.input());
    let logits = model.network.forward(tensor.clone());
    let golden = StateDict {
        tensors: [
            ("images".to_string(), tensor.into_data()),
            ("logits".into(), logits.into_data()),
        ]
        .into(),
        ..StateDict::default()
    };
    for (format, fold, ending) in [
        (Format::Onnx, true, "onnx"),
        (Format::Onnx, false, "unfolded.onnx"),
        (Format::Safetensors, true, "safetensors"),
    ] {
        let exported = Export { format, fold }.of(model).unwrap();
        std::fs::write(directory.join(format!("{name}.{ending}")), exported.bytes).unwrap();
    }
    let golden = golden.to_safetensors().unwrap();
    std::fs::write(directory.join(format!("{name}.golden.safetensors")), golden).unwrap();
}

#[test]
fn a_model_that_does_not_describe_itself_has_no_onnx_file() {
    use burn::module::Module;

    #[derive(Module, Debug)]
    struct Own {
        linear: firebrick_core::nn::Linear,
    }
    impl Classifier for Own {
        fn forward(&self, images: Tensor<4>) -> Tensor<2> {
            self.linear.forward(images.flatten::<2>(1, 3))
        }
    }
    let linear = firebrick_core::nn::LinearConfig::new(4, 2).init(&device());
    let model = TrainedModel {
        network: Model::new(Own { linear }),
        info: ModelInfo {
            model: "own".parse().unwrap(),
            classes: vec!["a".into(), "b".into()],
            preprocessing: Preprocessing::unnormalized(1, 2, 2),
        },
        device: device(),
    };
    let of = |format| Export { format, fold: true }.of(&model);
    let error = of(Format::Onnx).unwrap_err().to_string();
    assert!(error.contains("Classifier::graph"), "{error}");
    assert_eq!(of(Format::Safetensors).unwrap().tensors, 2);
    assert_eq!(of(Format::Burn).unwrap().tensors, 2);
}
