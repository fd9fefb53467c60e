//! Normalization layers against PyTorch's and timm's float64 values, on every device of this machine. The values come from
//! `python3 xtask/golden/layers/normalization.py`.

use std::collections::BTreeMap;

use burn::module::Module;
use burn::tensor::{DType, Device, Tensor};
use firebrick_core::gradcheck::GradCheck;
use firebrick_core::nn::{
    BatchNorm, BatchNormConfig, Conv2dConfig, GroupNorm, GroupNormConfig, LayerNorm2d,
    LayerNorm2dConfig, StdConv2d, StdConv2dConfig, fold, with_pooled_batch_norm,
};
use firebrick_core::state_dict::StateDict;
use serde::Deserialize;

use crate::pass::{Array, Pass, check, loaded, on_devices};
use crate::support::{noise, plain, scalar, training, values};

#[derive(Deserialize)]
struct Golden {
    group_norm: Vec<GroupNormCase>,
    layer_norm2d: Vec<LayerNorm2dCase>,
    std_conv2d: Vec<StdConv2dCase>,
    statistics: Statistics,
    fold: Vec<FoldCase>,
}

#[derive(Deserialize)]
struct GroupNormCase {
    groups: usize,
    channels: usize,
    eps: f64,
    affine: bool,
    #[serde(flatten)]
    pass: Pass,
}

#[derive(Deserialize)]
struct LayerNorm2dCase {
    channels: usize,
    eps: f64,
    affine: bool,
    #[serde(flatten)]
    pass: Pass,
}

#[derive(Deserialize)]
struct StdConv2dCase {
    channels: [usize; 2],
    kernel: usize,
    stride: usize,
    padding: usize,
    groups: usize,
    bias: bool,
    scaled: bool,
    gamma: f64,
    #[serde(flatten)]
    pass: Pass,
}

#[derive(Deserialize)]
struct Statistics {
    cases: Vec<StatisticsCase>,
    exact: Exact,
}

#[derive(Deserialize)]
struct StatisticsCase {
    momentum: Option<f64>,
    affine: bool,
    tracked: bool,
    passes: Vec<Pass>,
    state: BTreeMap<String, Array>,
    counted: Vec<u64>,
    evaluation: Pass,
}

#[derive(Deserialize)]
struct Exact {
    mean: Array,
    variance: Array,
}

#[derive(Deserialize)]
struct FoldCase {
    groups: usize,
    stride: usize,
    eps: f64,
    conv: BTreeMap<String, Array>,
    bn: BTreeMap<String, Array>,
    folded: BTreeMap<String, Array>,
    input: Array,
    output: Array,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("../golden/normalization.json")).unwrap()
}

#[test]
fn group_norm_is_pytorchs() {
    on_devices(|name, device| {
        for (index, case) in golden().group_norm.iter().enumerate() {
            let config = GroupNormConfig {
                epsilon: case.eps,
                affine: case.affine,
                ..GroupNormConfig::new(case.groups, case.channels)
            };
            let layer = loaded(config.init(device).unwrap(), &case.pass.parameters);
            let place = format!("group norm {index} on {name}");
            check(&case.pass, &layer, GroupNorm::forward::<4>, device, &place);
        }
    });
}

#[test]
fn layer_norm_over_channels_is_timms() {
    on_devices(|name, device| {
        for (index, case) in golden().layer_norm2d.iter().enumerate() {
            let config = LayerNorm2dConfig {
                epsilon: case.eps,
                affine: case.affine,
                ..LayerNorm2dConfig::new(case.channels)
            };
            let layer = loaded(config.init(device), &case.pass.parameters);
            let place = format!("layer norm {index} on {name}");
            check(&case.pass, &layer, LayerNorm2d::forward, device, &place);
        }
    });
}

fn std_conv2d(case: &StdConv2dCase, device: &Device) -> StdConv2d {
    let conv = Conv2dConfig::new(case.channels, case.kernel)
        .with_stride(case.stride)
        .with_padding(case.padding)
        .with_groups(case.groups)
        .with_bias(case.bias);
    let config = if case.scaled {
        StdConv2dConfig::scaled(conv, case.gamma)
    } else {
        StdConv2dConfig::new(conv)
    };
    loaded(config.init(device), &case.pass.parameters)
}

#[test]
fn weight_standardization_is_timms() {
    on_devices(|name, device| {
        for (index, case) in golden().std_conv2d.iter().enumerate() {
            let place = format!("standardized convolution {index} on {name}");
            let layer = std_conv2d(case, device);
            check(&case.pass, &layer, StdConv2d::forward, device, &place);
        }
    });
}

fn batch_norm(case: &StatisticsCase, device: &Device) -> BatchNorm {
    let config = BatchNormConfig {
        momentum: case.momentum,
        affine: case.affine,
        tracked: case.tracked,
        ..BatchNormConfig::new(3)
    };
    loaded(config.init(device), &case.passes[0].parameters)
}

#[test]
fn cumulative_statistics_and_layers_without_parameters_or_statistics_are_pytorchs() {
    on_devices(|name, device| {
        for case in &golden().statistics.cases {
            let layer = batch_norm(case, device);
            let place = format!("momentum {:?} on {name}", case.momentum);
            for pass in &case.passes {
                check(pass, &layer, BatchNorm::forward::<4>, device, &place);
            }
            let dict = StateDict::of(&layer);
            for (key, array) in &case.state {
                array.assert_near(&dict.tensors[key], &format!("{place}: {key}"));
            }
            let counts = dict.tensors.contains_key("num_batches_tracked");
            assert_eq!(counts, case.tracked && case.momentum.is_none());
            if counts {
                let counted = dict.tensors["num_batches_tracked"].iter::<f64>();
                assert_eq!(counted.collect::<Vec<_>>(), [case.counted[0] as f64]);
            }
            let evaluated = layer
                .valid()
                .forward(case.evaluation.input.tensor::<4>(&device.clone().inner()));
            case.evaluation
                .output
                .assert_near(&evaluated.to_data(), &place);
        }
    });
}

#[test]
fn a_cumulative_average_goes_on_where_it_was_saved() {
    let golden = golden().statistics;
    let case = &golden.cases[0];
    let device = training();
    let first = batch_norm(case, &device);
    let pass = |layer: &BatchNorm, at: usize| {
        let _ = layer.forward(case.passes[at].input.tensor::<4>(&device));
    };
    (0..2).for_each(|at| pass(&first, at));
    let bytes = StateDict::of(&first).to_safetensors().unwrap();
    let resumed = StateDict::from_safetensors(&bytes).unwrap();
    let resumed = resumed.load_into(batch_norm(case, &device)).unwrap();
    pass(&first, 2);
    pass(&resumed, 2);
    assert_eq!(StateDict::of(&resumed), StateDict::of(&first));
    // A file of PyTorch's, whose count of batches is a whole number, loads as well.
    let mut dict = StateDict::of(&first);
    dict.tensors.remove("num_batches_tracked");
    assert!(dict.load_into(batch_norm(case, &device)).is_ok());
}

#[test]
fn exact_moments_are_those_of_all_values_and_not_the_mean_of_batches() {
    let golden = golden().statistics;
    for ghost in [None, Some(2)] {
        let config = BatchNormConfig {
            ghost,
            ..BatchNormConfig::new(3)
        };
        let layer = config.init(&training());
        let mut before = 0;
        for pass in &golden.cases[0].passes {
            let input = pass.input.tensor::<4>(&training());
            let images = pass.input.shape[0];
            with_pooled_batch_norm(before, images, || layer.forward(input));
            before += images;
        }
        let dict = StateDict::of(&layer);
        golden
            .exact
            .mean
            .assert_near(&dict.tensors["running_mean"], "mean");
        golden
            .exact
            .variance
            .assert_near(&dict.tensors["running_var"], "variance");
    }
}

#[test]
fn ghost_batches_are_normalized_one_by_one() {
    let config = BatchNormConfig {
        ghost: Some(3),
        ..BatchNormConfig::new(2)
    };
    let ghost = config.init(&training());
    let whole = BatchNormConfig::new(2).init(&training());
    // 8 images make three parts of 3, 3 and 2.
    let input = noise([8, 2, 3, 3]).cast(DType::F32);
    let residual = input.clone() * 0.5;
    let output = ghost.forward_add_relu(input.clone(), residual.clone());
    let parts = [(0, 3), (3, 3), (6, 2)].map(|(first, count)| {
        let part = |x: &Tensor<4>| x.clone().narrow(0, first, count);
        whole.forward_add_relu(part(&input), part(&residual))
    });
    assert_eq!(values(&output), values(&Tensor::cat(parts.to_vec(), 0)));
    assert_eq!(
        StateDict::of(&ghost),
        StateDict::of(&whole),
        "statistics move with each part"
    );
    let together = BatchNormConfig::new(2)
        .init(&training())
        .forward_add_relu(input.clone(), residual);
    assert_ne!(values(&together), values(&output));
    let inner = input.inner();
    assert_eq!(
        values(&ghost.valid().forward(inner.clone())),
        values(&whole.valid().forward(inner.clone()))
    );
    // A batch no larger than a ghost batch is one.
    let small = inner.narrow(0, 0, 3).autodiff();
    assert_eq!(
        values(&ghost.forward(small.clone())),
        values(&whole.forward(small))
    );
}

#[test]
fn ghost_batches_are_as_even_as_those_of_torch_chunk() {
    // 9 images in three parts of 3, not 4, 4 and 1; 7 in 4 and 3, not 6 and 1.
    for (images, ghost, counts) in [(9, 4, &[3, 3, 3][..]), (7, 6, &[4, 3]), (8, 3, &[3, 3, 2])] {
        let config = BatchNormConfig {
            ghost: Some(ghost),
            ..BatchNormConfig::new(2)
        };
        let (layer, whole) = (
            config.init(&training()),
            BatchNormConfig::new(2).init(&training()),
        );
        let input = noise([images, 2, 3, 3]).cast(DType::F32);
        let mut first = 0;
        let parts = counts.iter().map(|count| {
            let part = input.clone().narrow(0, first, *count);
            first += count;
            whole.forward(part)
        });
        let expected = Tensor::cat(parts.collect(), 0);
        let output = layer.forward(input.clone());
        assert_eq!(values(&output), values(&expected), "{images} in {counts:?}");
        assert_eq!(StateDict::of(&layer), StateDict::of(&whole), "{images}");
    }
}

#[test]
fn normalization_gradients() {
    let input = noise([4, 6, 3, 2]);
    let group = GroupNormConfig::new(3, 6).init(&training()).unwrap();
    let layer = LayerNorm2dConfig::new(6).init(&training());
    let ghost = BatchNormConfig {
        ghost: Some(2),
        ..BatchNormConfig::new(6)
    };
    let ghost = ghost.init(&training());
    let conv = StdConv2dConfig::scaled(Conv2dConfig::new([6, 4], 3).with_padding(1), 1.5);
    let conv = conv.init(&training());
    let plain = BatchNormConfig {
        affine: false,
        tracked: false,
        ..BatchNormConfig::new(6)
    };
    let plain = plain.init(&training());
    for check in [GradCheck::in_f64(), GradCheck::in_f32()] {
        let input = input.clone().cast(check.dtype.unwrap());
        let of = |x: &Tensor<4>| x.clone();
        check
            .module(&group, |group| scalar(group.forward(of(&input))))
            .assert_right();
        check
            .module(&layer, |layer| scalar(layer.forward(of(&input))))
            .assert_right();
        check
            .module(&ghost, |ghost| scalar(ghost.forward(of(&input))))
            .assert_right();
        check
            .module(&conv, |conv| scalar(conv.forward(of(&input))))
            .assert_right();
        check
            .tensor("plain", &input, |x| scalar(plain.forward(x)))
            .assert_right();
    }
    let in_f64 = |x: Tensor<4>| x.cast(DType::F64);
    let check = GradCheck::in_f64();
    check
        .tensor("group", &input, |x| {
            scalar(crate::support::f64_weights(group.clone()).forward(in_f64(x)))
        })
        .assert_right();
    check
        .tensor("layer", &input, |x| {
            scalar(crate::support::f64_weights(layer.clone()).forward(in_f64(x)))
        })
        .assert_right();
    check
        .tensor("ghost", &input, |x| {
            scalar(crate::support::f64_weights(ghost.clone()).forward(in_f64(x)))
        })
        .assert_right();
    check
        .tensor("conv", &input, |x| {
            scalar(crate::support::f64_weights(conv.clone()).forward(in_f64(x)))
        })
        .assert_right();
}

#[test]
fn folding_gives_torchs_convolution() {
    on_devices(|name, device| {
        for case in &golden().fold {
            let config = Conv2dConfig::new([4, 6], 3)
                .with_padding(1)
                .with_stride(case.stride)
                .with_groups(case.groups)
                .with_bias(case.conv.contains_key("bias"));
            let conv = loaded(config.init(device), &case.conv);
            let bn = BatchNormConfig {
                epsilon: case.eps,
                ..BatchNormConfig::new(6)
            };
            let bn = loaded(bn.init(device), &case.bn);
            let folded = fold(&conv, &bn).unwrap();
            let dict = StateDict::of(&folded);
            assert_eq!(dict.tensors.len(), 2);
            for (key, array) in &case.folded {
                array.assert_near(&dict.tensors[key], &format!("{key} on {name}"));
            }
            let input = case.input.tensor::<4>(&device.clone().inner());
            let output = folded.valid().forward(input.clone());
            case.output.assert_near(&output.to_data(), name);
            let layers = bn.valid().forward(conv.valid().forward(input));
            case.output.assert_near(&layers.to_data(), name);
        }
    });
}

#[test]
fn what_cannot_be_folded_or_divided_is_named() {
    let conv = Conv2dConfig::new([2, 4], 3).init(&plain());
    let untracked = BatchNormConfig {
        tracked: false,
        ..BatchNormConfig::new(4)
    };
    let error = fold(&conv, &untracked.init(&plain()))
        .unwrap_err()
        .to_string();
    assert!(error.contains("no running statistics"), "{error}");
    let error = fold(&conv, &BatchNormConfig::new(3).init(&plain()))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("4 channels, but the batch norm 3"),
        "{error}"
    );
    for (groups, needle) in [
        (0, "groups = 0"),
        (3, "4 channels cannot be divided into 3 groups"),
    ] {
        let error = GroupNormConfig::new(groups, 4)
            .init(&plain())
            .unwrap_err()
            .to_string();
        assert!(error.contains(needle), "{error}");
    }
}

#[test]
fn without_running_statistics_nothing_is_folded_in_evaluation() {
    let conv = Conv2dConfig::new([2, 3], 3).init(&plain());
    let config = BatchNormConfig {
        tracked: false,
        affine: false,
        ..BatchNormConfig::new(3)
    };
    let bn = config.init(&plain());
    let input = noise([4, 2, 5, 5]).cast(DType::F32).inner();
    let one = firebrick_core::nn::conv_bn(
        &conv,
        &bn,
        input.clone(),
        None,
        firebrick_core::nn::Activation::Relu,
    );
    let other = bn.forward_relu(conv.forward(input));
    assert_eq!(values(&one), values(&other));
    assert!(StateDict::of(&bn).tensors.is_empty());
}
