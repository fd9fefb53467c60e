//! The benchmark cases.

use std::path::Path;

use serde_json::{Value, json};

use super::augmentations::augmentations;
use super::contender::Contender;
use super::photos::{FROZEN, dataset};
use super::who::{PEERS, Who};
use super::work::Work;

/// Cases that belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Suite {
    /// Passes of convolutions.
    Conv,
    /// Batch norm, pooling, ReLU, sums.
    Norm,
    /// Optimizer steps.
    Optim,
    /// Whole training steps, and how they scale.
    Step,
    /// Evaluation.
    Infer,
    /// Training steps and evaluation of networks for photos.
    Zoo,
    /// Image augmentation, on one thread.
    Augment,
    /// Features of frozen networks from JPEG files, decoding included.
    Transfer,
}

impl Suite {
    pub(super) const ALL: [Self; 8] = [
        Self::Conv,
        Self::Norm,
        Self::Optim,
        Self::Step,
        Self::Infer,
        Self::Zoo,
        Self::Augment,
        Self::Transfer,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Conv => "conv",
            Self::Norm => "norm",
            Self::Optim => "optim",
            Self::Step => "step",
            Self::Infer => "infer",
            Self::Zoo => "zoo",
            Self::Augment => "augment",
            Self::Transfer => "transfer",
        }
    }

    /// Whether each case has its own processes, so that the memory of one does not show in the next.
    pub(super) fn wants_fresh_processes(self) -> bool {
        matches!(self, Self::Step | Self::Infer | Self::Zoo | Self::Transfer)
    }
}

/// One row of a table.
#[derive(Debug, Clone)]
pub(super) struct Case {
    pub(super) suite: Suite,
    pub(super) name: String,
    /// What contenders are told.
    pub(super) told: Value,
    pub(super) work: Work,
    pub(super) contenders: Vec<Contender>,
}

impl Case {
    /// What this contender is told to run.
    pub(super) fn told_to(&self, contender: Contender) -> Value {
        match contender.who.limit() {
            Some(operation) => json!({ "suite": "peak", "operation": operation }),
            None => self.told.clone(),
        }
    }

    /// Has the worker of an earlier version run the case too; scaling is compared with the machine alone.
    pub(super) fn add_before(&mut self) {
        let ours = self.contenders.first().filter(|_| self.name != SCALING);
        let before = ours.map(|ours| Contender {
            who: Who::Before,
            ..*ours
        });
        self.contenders.extend(before);
    }
}

/// The cases of a suite; `folder` holds weights that go from one contender to the next, and photos.
pub(super) fn cases(suite: Suite, threads: usize, folder: &Path) -> Vec<Case> {
    let threads = if suite == Suite::Augment { 1 } else { threads };
    let of = |whos: &[Who]| -> Vec<Contender> {
        let contender = |who: &Who| Contender { who: *who, threads };
        whos.iter().map(contender).collect()
    };
    let cases: Vec<(String, Value, Work)> = match suite {
        Suite::Conv => convolutions(),
        Suite::Norm => elementwise(),
        Suite::Optim => optimizers(),
        Suite::Step => networks(folder),
        Suite::Infer => inference(folder),
        Suite::Zoo => zoo(folder),
        Suite::Augment => augmentations(folder),
        Suite::Transfer => frozen(folder, threads),
    };
    let [torchvision, pillow, albumentations, opencv] = PEERS;
    let whos: &[Who] = match suite {
        Suite::Conv => &[Who::Ours, Who::Flex, Who::Torch, Who::Tuned, Who::Fma],
        Suite::Norm | Suite::Optim => &[Who::Ours, Who::Flex, Who::Torch, Who::Tuned, Who::Triad],
        Suite::Step => &[Who::Ours, Who::Flex, Who::Torch, Who::Tuned],
        Suite::Infer => &[Who::Ours, Who::Flex, Who::Torch, Who::Tuned, Who::Onnx],
        Suite::Zoo | Suite::Transfer => &[Who::Ours, Who::Torch, Who::Tuned],
        Suite::Augment => &[Who::Ours, torchvision, pillow, albumentations, opencv],
    };
    let mut cases: Vec<Case> = cases
        .into_iter()
        .map(|(name, mut told, work)| {
            if told["suite"].is_null() {
                told["suite"] = suite.name().into();
            }
            let whos: &[Who] = match (suite, work) {
                // Nobody else has packs.
                _ if !told["pack"].is_null() => &[Who::Ours],
                (Suite::Conv, Work::Bytes(_)) => {
                    &[Who::Ours, Who::Flex, Who::Torch, Who::Tuned, Who::Triad]
                }
                _ => whos,
            };
            Case {
                suite,
                name,
                told,
                work,
                contenders: of(whos),
            }
        })
        .collect();
    if suite == Suite::Step && threads > 1 {
        cases.push(scaling(&cases[1], threads));
    }
    cases
}

/// The name of the case that compares one thread with all.
pub(super) const SCALING: &str = "ResNet-20, scaling";

/// The same step on one thread and on all, and the limits of the machine on both.
fn scaling(step: &Case, threads: usize) -> Case {
    let contenders = [Who::Ours, Who::Fma, Who::Triad]
        .into_iter()
        .flat_map(|who| [1, threads].map(|threads| Contender { who, threads }));
    Case {
        name: SCALING.into(),
        contenders: contenders.collect(),
        ..step.clone()
    }
}

/// The passes of a convolution, as workers know them.
pub(super) const PASSES: [&str; 4] = ["forward", "input_grad", "weight_grad", "forward_backward"];

fn convolutions() -> Vec<(String, Value, Work)> {
    // Batch, channels in and out, side, kernel, stride, groups.
    let shapes: [[usize; 7]; 31] = [
        [64, 64, 64, 32, 3, 1, 1],
        [64, 16, 16, 32, 3, 1, 1],
        [64, 32, 32, 16, 3, 1, 1],
        [64, 64, 64, 8, 3, 1, 1],
        [32, 128, 128, 16, 3, 1, 1],
        [32, 256, 256, 8, 3, 1, 1],
        [32, 512, 512, 4, 3, 1, 1],
        [64, 64, 128, 32, 3, 2, 1],
        [64, 64, 128, 32, 1, 2, 1],
        [64, 1, 32, 28, 3, 1, 1],
        [64, 3, 64, 32, 3, 1, 1],
        [64, 64, 64, 32, 3, 1, 64],
        // Depthwise: MobileNet, EfficientNet, ShuffleNet, ConvNeXt.
        [8, 32, 32, 112, 3, 1, 32],
        [8, 144, 144, 56, 3, 1, 144],
        [8, 144, 144, 56, 3, 2, 144],
        [8, 576, 576, 14, 3, 1, 576],
        [8, 960, 960, 7, 3, 1, 960],
        [8, 116, 116, 14, 3, 1, 116],
        [8, 240, 240, 28, 5, 1, 240],
        [8, 672, 672, 14, 5, 2, 672],
        [8, 1152, 1152, 7, 5, 1, 1152],
        [8, 192, 192, 28, 7, 1, 192],
        [8, 768, 768, 7, 7, 1, 768],
        // Groups of few channels: ResNeXt, RegNet.
        [8, 256, 256, 28, 3, 1, 32],
        [8, 512, 512, 14, 3, 1, 32],
        [8, 208, 208, 14, 3, 1, 26],
        // Stems of photos.
        [8, 3, 32, 224, 3, 2, 1],
        [8, 3, 64, 224, 7, 2, 1],
        // Pointwise, few pixels, a single one.
        [8, 960, 160, 7, 1, 1, 1],
        [8, 24, 144, 56, 1, 1, 1],
        [8, 240, 64, 1, 1, 1, 1],
    ];
    let mut cases = Vec::new();
    for [batch, inputs, outputs, side, kernel, stride, groups] in shapes {
        let padding = kernel / 2;
        let out = (side + 2 * padding - kernel) / stride + 1;
        let weights = outputs * inputs / groups * kernel * kernel;
        let flop = 2 * batch * out * out * weights;
        let bytes = 4 * (batch * (side * side * inputs + out * out * outputs) + weights);
        for pass in PASSES {
            let steps = if stride > 1 {
                format!(" /{stride}")
            } else {
                String::new()
            };
            let grouped = match groups {
                1 => String::new(),
                _ if groups == inputs => " depthwise".to_owned(),
                _ => format!(" in {groups} groups"),
            };
            let name = format!(
                "{kernel}×{kernel}{steps}{grouped} {inputs}→{outputs} @{side} b{batch} {pass}"
            );
            let told = json!({
                "batch": batch, "inputs": inputs, "outputs": outputs, "side": side, "kernel": kernel,
                "stride": stride, "padding": padding, "groups": groups, "pass": pass,
            });
            let passes = if pass == "forward_backward" { 3 } else { 1 };
            // What few products are made of is bound by the memory.
            let work = if flop < 8 * bytes {
                Work::Bytes((passes * bytes) as f64)
            } else {
                Work::Flop((passes * flop) as f64)
            };
            cases.push((name, told, work));
        }
    }
    cases
}

fn elementwise() -> Vec<(String, Value, Work)> {
    // Passes over memory, of four bytes for each element. Batch norm reads its input twice, once
    // for the statistics; backward it reads input and gradient twice.
    let operations = [
        ("batch_norm_relu", 3.0),
        ("batch_norm_relu_grad", 5.0),
        ("batch_norm_relu_both", 8.0),
        ("relu", 2.0 + 1.0 / 32.0),
        ("relu_grad", 2.0 + 1.0 / 32.0),
        ("max_pool", 1.25),
        ("max_pool_grad", 1.25),
        ("add", 3.0),
    ];
    let mut cases = Vec::new();
    for shape in [[64, 64, 32, 32], [64, 16, 32, 32]] {
        let elements = shape.iter().product::<usize>() as f64;
        for (operation, passes) in operations {
            let told = json!({ "operation": operation, "shape": shape });
            let name = format!("{operation} {shape:?}");
            cases.push((name, told, Work::Bytes(4.0 * passes * elements)));
        }
    }
    cases
}

fn optimizers() -> Vec<(String, Value, Work)> {
    /// Of ResNet-18 with the CIFAR stem and 10 classes.
    const PARAMETERS: f64 = 11_173_962.0;
    // Adam reads value, gradient and two moments and writes all but the gradient; the norm is read
    // once, then every gradient is read and written.
    [("adam", 7.0), ("sgd", 5.0), ("clip", 3.0)]
        .map(|(operation, passes)| {
            let name = format!("{operation}, 11 M parameters in 62 tensors");
            let work = Work::Bytes(4.0 * passes * PARAMETERS);
            (name, json!({ "operation": operation }), work)
        })
        .to_vec()
}

fn networks(folder: &Path) -> Vec<(String, Value, Work)> {
    let network = |name: &str, network: &str, stem: Option<&str>, batch: usize, grey: bool| {
        let told = json!({
            "network": network, "stem": stem, "batch": batch,
            "channels": if grey { 1 } else { 3 }, "side": if grey { 28 } else { 32 },
            "classes": 10, "lr": 1e-3,
            "weights": folder.join(format!("{network}.safetensors")),
        });
        (format!("{name} b{batch}"), told, Work::Images(batch as f64))
    };
    vec![
        network("small CNN 1×28×28", "small_cnn", None, 64, true),
        network("ResNet-20 3×32×32", "resnet20", None, 64, false),
        network("ResNet-18 3×32×32", "resnet18", Some("cifar"), 32, false),
    ]
}

fn inference(folder: &Path) -> Vec<(String, Value, Work)> {
    [1, 8]
        .map(|batch| {
            let told = json!({
                "network": "resnet18", "stem": "imagenet", "batch": batch,
                "channels": 3, "side": 224, "classes": 1000,
                "weights": folder.join("resnet18-imagenet.safetensors"),
            });
            let name = format!("ResNet-18 3×224×224 b{batch}");
            (name, told, Work::Images(batch as f64))
        })
        .to_vec()
}

/// The networks of `zoo`, without the dropout of some, so that everyone gets the same losses.
const ZOO: [&str; 12] = [
    "resnet18",
    "resnet50",
    "mobilenet_v2(dropout=0)",
    "mobilenet_v3_small(dropout=0)",
    "efficientnet_lite0(dropout=0)",
    "efficientnet_b0(dropout=0, drop_path=0)",
    "shufflenet_v2_x1_0",
    "vgg11_bn(dropout=0)",
    "densenet121",
    "convnext_tiny(drop_path=0)",
    "squeezenet1_1(dropout=0)",
    "regnet_y_400mf",
];

fn zoo(folder: &Path) -> Vec<(String, Value, Work)> {
    let mut cases = Vec::new();
    for network in ZOO {
        let name = network.split('(').next().unwrap_or(network);
        for (what, suite, batch) in [
            ("evaluation", "infer", 1),
            ("evaluation", "infer", 8),
            ("training", "step", 16),
        ] {
            let told = json!({
                "suite": suite, "network": network, "stem": null, "batch": batch,
                "channels": 3, "side": 224, "classes": 1000, "lr": 1e-3,
                "weights": folder.join(format!("{name}-1000.safetensors")),
            });
            cases.push((
                format!("{name} {what} b{batch}"),
                told,
                Work::Images(batch as f64),
            ));
        }
    }
    cases
}

/// Backbones for photos, one repetition the features of all of them.
fn frozen(folder: &Path, threads: usize) -> Vec<(String, Value, Work)> {
    [
        "efficientnet_lite0(dropout=0)",
        "squeezenet1_1(dropout=0)",
        "resnet18",
    ]
    .map(|network| {
        let name = network.split('(').next().unwrap_or(network);
        let told = json!({
            "network": network, "stem": null, "batch": FROZEN_BATCH,
            "channels": 3, "side": 224, "classes": 1000, "crop": 0.875,
            "photos": dataset(folder, FROZEN), "count": FROZEN.count, "workers": threads,
            "normalize": { "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225] },
            "weights": folder.join(format!("{name}-1000.safetensors")),
        });
        let name = format!("{name} from JPEG @{}", FROZEN.side);
        (name, told, Work::Images(FROZEN.count as f64))
    })
    .to_vec()
}

/// Images in a forward pass of PyTorch; Firebrick chooses its own number.
const FROZEN_BATCH: usize = 32;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_work_is_right() {
        let folder = Path::new("weights");
        let all: Vec<Case> = Suite::ALL
            .into_iter()
            .flat_map(|suite| cases(suite, 2, folder))
            .collect();
        let names: BTreeSet<_> = all.iter().map(|case| &case.name).collect();
        assert_eq!(names.len(), all.len());
        let flop = |name: &str| {
            all.iter()
                .find(|case| case.name == name)
                .map(|case| case.work)
        };
        let expected = Work::Flop(2.0 * 64.0 * 1024.0 * 64.0 * 64.0 * 9.0);
        assert_eq!(flop("3×3 64→64 @32 b64 forward"), Some(expected));
        let expected = Work::Flop(2.0 * 64.0 * 256.0 * 64.0 * 128.0);
        assert_eq!(flop("1×1 /2 64→128 @32 b64 weight_grad"), Some(expected));
        let bytes = Work::Bytes(4.0 * (2.0 * 8.0 * 196.0 * 576.0 + 9.0 * 576.0));
        let name = "3×3 depthwise 576→576 @14 b8 input_grad";
        assert_eq!(flop(name), Some(bytes));
        let limits = all.iter().find(|case| case.name == name);
        let limits = limits.map(|case| case.contenders.iter().any(|one| one.who == Who::Triad));
        assert_eq!(limits, Some(true));
    }

    #[test]
    fn augmentation_runs_on_one_thread() {
        let cases = cases(Suite::Augment, 8, Path::new("weights"));
        let threads = |case: &Case| -> BTreeSet<usize> {
            let of = |contender: &Contender| contender.threads;
            case.contenders.iter().map(of).collect()
        };
        assert!(cases.iter().all(|case| threads(case) == [1].into()));
        assert!(cases.iter().all(|case| case.told["suite"] == "augment"));
    }

    #[test]
    fn one_thread_has_nothing_to_scale() {
        let named = |threads| {
            let cases = cases(Suite::Step, threads, Path::new("weights"));
            cases.iter().filter(|case| case.name == SCALING).count()
        };
        assert_eq!((named(1), named(2)), (0, 1));
    }
}
