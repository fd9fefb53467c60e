//! All models by name.

use burn::tensor::Device;
use firebrick_core::ConfigError;
use firebrick_core::registry::{Entry, Registry};
use firebrick_core::spec::Spec;

use crate::alexnet::AlexNet;
use crate::all_stages::{self, AllStagesConfig};
use crate::architecture::{Architecture, Build};
use crate::convnext::ConvNext;
use crate::densenet::DenseNet;
use crate::efficientnet::EfficientNet;
use crate::efficientnet_lite::EfficientNetLite;
use crate::family::entry;
use crate::googlenet::GoogLeNet;
use crate::inception_v3::InceptionV3;
use crate::mnasnet::MnasNet;
use crate::mobilenet_v1::MobileNetV1;
use crate::mobilenet_v2::MobileNetV2;
use crate::mobilenet_v3::MobileNetV3;
use crate::mobilenet_v4::MobileNetV4;
use crate::regnet::RegNet;
use crate::repvgg::RepVgg;
use crate::resnet::ResNet;
use crate::resnet_v2::ResNetV2;
use crate::shufflenet_v2::ShuffleNetV2;
use crate::squeezenet::SqueezeNet;
use crate::vgg::Vgg;
use crate::wide_resnet_cifar::WideResNetCifar;
use crate::{Input, LeNet5Config, Model, ResNet18Config, SmallCnnConfig, resnet_cifar};

/// The entries of the small models, then those of networks of families by their names.
macro_rules! networks {
    ($($family:ident: $($name:literal)+;)+) => {
        &[
            Entry::of::<LeNet5Config>(),
            Entry::of::<SmallCnnConfig>(),
            resnet_cifar::entry::<20>(&resnet_cifar::ABOUT[0]),
            resnet_cifar::entry::<32>(&resnet_cifar::ABOUT[1]),
            resnet_cifar::entry::<44>(&resnet_cifar::ABOUT[2]),
            resnet_cifar::entry::<56>(&resnet_cifar::ABOUT[3]),
            resnet_cifar::entry::<110>(&resnet_cifar::ABOUT[4]),
            Entry::of::<ResNet18Config>(),
            $($(entry::<$family>($name),)+)+
        ]
    };
}

/// All models.
pub static REGISTRY: Registry<Build> = Registry::new(
    "model",
    networks! {
        AlexNet: "alexnet";
        Vgg: "vgg11" "vgg13" "vgg16" "vgg19" "vgg11_bn" "vgg13_bn" "vgg16_bn" "vgg19_bn";
        SqueezeNet: "squeezenet1_0" "squeezenet1_1";
        GoogLeNet: "googlenet";
        InceptionV3: "inception_v3";
        ResNet: "resnet34" "resnet50" "resnet101" "resnet152" "resnext50_32x4d" "resnext101_32x8d" "wide_resnet50_2" "wide_resnet101_2" "resnet18d" "resnet26d" "resnet34d" "resnet50d" "resnet101d" "resnet152d";
        ResNetV2: "resnetv2_18" "resnetv2_34" "resnetv2_50" "resnetv2_101" "resnetv2_152";
        WideResNetCifar: "wide_resnet28_10";
        DenseNet: "densenet121" "densenet169" "densenet201";
        MobileNetV1: "mobilenet_v1";
        MobileNetV2: "mobilenet_v2";
        MobileNetV3: "mobilenet_v3_large" "mobilenet_v3_small";
        MobileNetV4: "mobilenetv4_conv_small";
        ShuffleNetV2: "shufflenet_v2_x0_5" "shufflenet_v2_x1_0" "shufflenet_v2_x1_5" "shufflenet_v2_x2_0";
        EfficientNet: "efficientnet_b0" "efficientnet_b1" "efficientnet_b2" "efficientnet_b3" "efficientnet_b4" "efficientnet_v2_s";
        EfficientNetLite: "efficientnet_lite0" "efficientnet_lite1" "efficientnet_lite2" "efficientnet_lite3" "efficientnet_lite4";
        MnasNet: "mnasnet0_5" "mnasnet0_75" "mnasnet1_0" "mnasnet1_3";
        RegNet: "regnet_y_400mf" "regnet_y_800mf" "regnet_y_1_6gf" "regnet_y_3_2gf" "regnet_y_8gf";
        ConvNext: "convnext_tiny" "convnext_small";
        RepVgg: "repvgg_a0";
    },
);

/// The small models, and a tiny network of each family: for tests that go over all kinds of models. The tiny ones, whose names begin with
/// `test_`, are built by name like the others, but are not listed.
pub static TINY: Registry<Build> = Registry::new(
    "model",
    networks! {
        AlexNet: "test_alexnet";
        Vgg: "test_vgg" "test_vgg_bn";
        SqueezeNet: "test_squeezenet";
        GoogLeNet: "test_googlenet";
        InceptionV3: "test_inception_v3";
        ResNet: "test_resnet" "test_resnext" "test_resnet_d";
        ResNetV2: "test_resnetv2" "test_resnetv2_basic";
        WideResNetCifar: "test_wide_resnet";
        DenseNet: "test_densenet";
        MobileNetV1: "test_mobilenet_v1";
        MobileNetV2: "test_mobilenet_v2";
        MobileNetV3: "test_mobilenet_v3";
        MobileNetV4: "test_mobilenetv4";
        ShuffleNetV2: "test_shufflenet_v2";
        EfficientNet: "test_efficientnet";
        EfficientNetLite: "test_efficientnet_lite";
        MnasNet: "test_mnasnet";
        RegNet: "test_regnet";
        ConvNext: "test_convnext";
        RepVgg: "test_repvgg";
    },
);

/// The configuration of the model that a spec names, its fields in their ranges.
///
/// # Errors
/// [`ConfigError`] naming the unknown model or option.
pub fn architecture(spec: &Spec) -> Result<Box<dyn Architecture>, ConfigError> {
    if spec.name == all_stages::NAME {
        let all_stages = spec.resolve::<AllStagesConfig>()?;
        return Ok(Box::new(all_stages.around(architecture)?));
    }
    let entry = REGISTRY
        .find(spec)
        .or_else(|error| match spec.name.strip_prefix("test_") {
            Some(_) => TINY.find(spec).map_err(|_| error),
            None => Err(error),
        })?;
    (entry.build.architecture)(spec)
}

/// Builds the model that a spec names, for images and classes of `input`. Its weights are drawn on
/// the host from `seed`, so that they are equal on every device.
///
/// # Errors
/// [`ConfigError`] naming the unknown model or option, or the side of the input that is too small
/// together with the least size.
pub fn build(spec: &Spec, input: &Input, seed: u64, device: &Device) -> Result<Model, ConfigError> {
    architecture(spec)?.model(input, seed, device)
}

/// The model that a spec names, before its weights are drawn or loaded: its keys and shapes are known,
/// but take no memory. A weight that is read all the same is drawn from Burn's own generator.
///
/// # Errors
/// As [`build`].
pub fn undrawn(spec: &Spec, input: &Input, device: &Device) -> Result<Model, ConfigError> {
    architecture(spec)?.undrawn(input, device)
}

/// The same spec with every option spelled out by name, in order.
///
/// # Errors
/// [`ConfigError`] naming the unknown model or option.
pub fn canonical(spec: &Spec) -> Result<Spec, ConfigError> {
    let architecture = architecture(spec)?;
    architecture.check()?;
    Ok(architecture.spec())
}

/// The input that the model was made for: that of its published weights.
///
/// # Errors
/// [`ConfigError`] naming the unknown model or option.
pub fn default_input(spec: &Spec) -> Result<Input, ConfigError> {
    Ok(architecture(spec)?.native_input())
}
