//! Layers of networks with several members against torch-uncertainty's float64 values, on every device of this machine. The values come
//! from `python3 xtask/golden/layers/members.py`.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use firebrick_core::ConfigError;
use firebrick_core::gradcheck::GradCheck;
use firebrick_core::init::{FastWeights, Init};
use firebrick_core::nn::{
    BatchConv2d, BatchConv2dConfig, BatchLinear, BatchLinearConfig, Conv2dConfig, LinearConfig,
    PackedLinear, PackedLinearConfig,
};
use firebrick_core::spec::Spec;
use firebrick_core::state_dict::StateDict;
use serde::Deserialize;

use crate::pass::{Pass, check, loaded, on_devices};
use crate::support::{TOLERANCE as IN_F64, f64_weights, noise, plain, scalar, training, values};

#[derive(Deserialize)]
struct Golden {
    batch_conv2d: Vec<ConvCase>,
    batch_linear: Vec<LinearCase>,
    packed_linear: Vec<PackedCase>,
}

#[derive(Deserialize)]
struct ConvCase {
    members: usize,
    channels: [usize; 2],
    kernel: usize,
    stride: usize,
    padding: usize,
    groups: usize,
    bias: bool,
    #[serde(flatten)]
    pass: Pass,
}

#[derive(Deserialize)]
struct LinearCase {
    members: usize,
    features: [usize; 2],
    bias: bool,
    #[serde(flatten)]
    pass: Pass,
}

#[derive(Deserialize)]
struct PackedCase {
    groups: usize,
    features: [usize; 2],
    bias: bool,
    #[serde(flatten)]
    pass: Pass,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("../golden/members.json")).unwrap()
}

/// The layer with the tensors of the file, which has all of the layer's keys and no other.
fn exactly<M: Module>(layer: M, pass: &Pass) -> M {
    let keys: Vec<_> = StateDict::shapes(&layer)
        .into_iter()
        .map(|(key, _)| key)
        .collect();
    assert_eq!(keys.len(), pass.parameters.len(), "{keys:?}");
    loaded(layer, &pass.parameters)
}

fn conv(case: &ConvCase, device: &Device) -> BatchConv2d {
    let conv = Conv2dConfig::new(case.channels, case.kernel)
        .with_stride(case.stride)
        .with_padding(case.padding)
        .with_groups(case.groups)
        .with_bias(case.bias);
    BatchConv2dConfig::new(conv, case.members).init(device)
}

fn features([inputs, outputs]: [usize; 2], bias: bool) -> LinearConfig {
    LinearConfig {
        bias,
        ..LinearConfig::new(inputs, outputs)
    }
}

#[test]
fn shared_layers_are_torch_uncertaintys() {
    let golden = golden();
    on_devices(|name, device| {
        for (index, case) in golden.batch_conv2d.iter().enumerate() {
            let place = format!("convolution {index} on {name}");
            let layer = conv(case, device);
            check(
                &case.pass,
                &exactly(layer, &case.pass),
                BatchConv2d::forward,
                device,
                &place,
            );
        }
        for (index, case) in golden.batch_linear.iter().enumerate() {
            let place = format!("linear layer {index} on {name}");
            let linear = features(case.features, case.bias);
            let layer = BatchLinearConfig::new(linear, case.members).init(device);
            check(
                &case.pass,
                &exactly(layer, &case.pass),
                BatchLinear::forward,
                device,
                &place,
            );
        }
    });
}

#[test]
fn a_packed_linear_layer_is_torch_uncertaintys() {
    let golden = golden();
    on_devices(|name, device| {
        for (index, case) in golden.packed_linear.iter().enumerate() {
            let place = format!("packed layer {index} on {name}");
            let linear = features(case.features, case.bias);
            let layer = PackedLinearConfig::new(linear, case.groups).init(device);
            let layer = layer.unwrap();
            check(
                &case.pass,
                &exactly(layer, &case.pass),
                PackedLinear::forward,
                device,
                &place,
            );
        }
    });
}

#[test]
fn their_gradients_are_those_of_differences() {
    let device = training();
    let config = BatchConv2dConfig::new(Conv2dConfig::new([2, 3], 3), 2);
    let layer = f64_weights(FastWeights::Normal.draw(config.init(&device), 1));
    let input = noise([4, 2, 4, 4]);
    let forward = |layer: &BatchConv2d| scalar(layer.forward(input.clone()));
    GradCheck::in_f64()
        .module(&layer, forward)
        .assert_within(IN_F64);
    let packed = PackedLinearConfig::new(LinearConfig::new(6, 4), 2).init(&device);
    let packed = f64_weights(packed.unwrap());
    let input = noise([3, 6]);
    let forward = |layer: &PackedLinear| scalar(layer.forward(input.clone()));
    GradCheck::in_f64()
        .module(&packed, forward)
        .assert_within(IN_F64);
}

#[test]
fn with_fast_weights_of_one_every_member_is_the_plain_layer() {
    let device = plain();
    let config = || Conv2dConfig::new([3, 5], 3).with_bias(false);
    let shared = Init::PYTORCH.apply(BatchConv2dConfig::new(config(), 2).init(&device), 4);
    let alone = Init::PYTORCH.apply(config().init(&device), 4);
    let x = noise::<4>([2, 3, 5, 5])
        .inner()
        .cast(burn::tensor::DType::F32);
    let both = values(&shared.forward(x.clone().repeat_dim(0, 2)));
    let one = values(&alone.forward(x));
    assert_eq!(both, [one.clone(), one].concat());
}

#[test]
fn every_group_is_drawn_as_a_layer_of_its_own() {
    let device = plain();
    let layer = PackedLinearConfig::new(LinearConfig::new(40, 60), 2).init(&device);
    let init = Init::from_spec(&Spec::new("orthogonal"), Init::PYTORCH).unwrap();
    let weight = init.apply(layer.unwrap(), 2).weight.val();
    assert_eq!(weight.dims(), [2, 30, 20]);
    // More outputs than inputs: the columns of each group are orthonormal.
    let product = weight.clone().swap_dims(1, 2).matmul(weight.clone());
    let identity = Tensor::<2>::eye(20, &device).reshape([1, 20, 20]);
    let error: f32 = (product - identity).abs().max().into_scalar();
    assert!(error < 1e-5, "{error}");
    let [one, other] = [0, 1].map(|group| values(&weight.clone().narrow(0, group, 1)));
    assert_ne!(one, other);
    let layer = PackedLinearConfig::new(LinearConfig::new(400, 60), 2).init(&device);
    let weight = Init::PYTORCH.apply(layer.unwrap(), 2).weight.val();
    let largest: f32 = weight.abs().max().into_scalar();
    let bound = 1.0 / 200f32.sqrt();
    assert!((0.99 * bound..=bound).contains(&largest), "{largest}");
}

#[test]
fn what_cannot_be_divided_is_refused() {
    let device = plain();
    for (inputs, outputs, groups) in [(6, 4, 4), (4, 6, 4), (4, 4, 0)] {
        let config = PackedLinearConfig::new(LinearConfig::new(inputs, outputs), groups);
        let refused: ConfigError = config.init(&device).unwrap_err();
        let expected =
            format!("{inputs} inputs and {outputs} outputs cannot be divided into {groups} groups");
        assert!(refused.to_string().contains(&expected), "{refused}");
    }
    let layer = BatchConv2dConfig::new(Conv2dConfig::new([1, 1], 1), 2).init(&device);
    let odd = Tensor::<4>::zeros([3, 1, 2, 2], &device);
    let forward = std::panic::AssertUnwindSafe(|| layer.forward(odd));
    let refused = std::panic::catch_unwind(forward).unwrap_err();
    let refused = refused.downcast_ref::<String>().unwrap();
    assert!(
        refused.contains("a batch of 3 cannot be divided among 2 members"),
        "{refused}"
    );
}
