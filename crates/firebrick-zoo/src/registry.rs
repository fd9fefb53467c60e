//! All models by name.

use burn::tensor::Device;
use firebrick_core::ConfigError;
use firebrick_core::registry::{Entry, Registry};
use firebrick_core::spec::Spec;

use crate::alexnet::AlexNet;
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

/// All models.
pub static REGISTRY: Registry<Build> = Registry::new(
    "model",
    &[
        Entry::of::<LeNet5Config>(),
        Entry::of::<SmallCnnConfig>(),
        resnet_cifar::entry::<20>(&resnet_cifar::ABOUT[0]),
        resnet_cifar::entry::<32>(&resnet_cifar::ABOUT[1]),
        resnet_cifar::entry::<44>(&resnet_cifar::ABOUT[2]),
        resnet_cifar::entry::<56>(&resnet_cifar::ABOUT[3]),
        resnet_cifar::entry::<110>(&resnet_cifar::ABOUT[4]),
        Entry::of::<ResNet18Config>(),
        entry::<AlexNet, 0>(),
        entry::<Vgg, 0>(),
        entry::<Vgg, 1>(),
        entry::<Vgg, 2>(),
        entry::<Vgg, 3>(),
        entry::<Vgg, 4>(),
        entry::<Vgg, 5>(),
        entry::<Vgg, 6>(),
        entry::<Vgg, 7>(),
        entry::<SqueezeNet, 0>(),
        entry::<SqueezeNet, 1>(),
        entry::<GoogLeNet, 0>(),
        entry::<InceptionV3, 0>(),
        entry::<ResNet, 0>(),
        entry::<ResNet, 1>(),
        entry::<ResNet, 2>(),
        entry::<ResNet, 3>(),
        entry::<ResNet, 4>(),
        entry::<ResNet, 5>(),
        entry::<ResNet, 6>(),
        entry::<ResNet, 7>(),
        entry::<ResNet, 8>(),
        entry::<ResNet, 9>(),
        entry::<ResNet, 10>(),
        entry::<ResNet, 11>(),
        entry::<ResNet, 12>(),
        entry::<ResNet, 13>(),
        entry::<ResNetV2, 0>(),
        entry::<ResNetV2, 1>(),
        entry::<ResNetV2, 2>(),
        entry::<ResNetV2, 3>(),
        entry::<ResNetV2, 4>(),
        entry::<WideResNetCifar, 0>(),
        entry::<DenseNet, 0>(),
        entry::<DenseNet, 1>(),
        entry::<DenseNet, 2>(),
        entry::<MobileNetV1, 0>(),
        entry::<MobileNetV2, 0>(),
        entry::<MobileNetV3, 0>(),
        entry::<MobileNetV3, 1>(),
        entry::<MobileNetV4, 0>(),
        entry::<ShuffleNetV2, 0>(),
        entry::<ShuffleNetV2, 1>(),
        entry::<ShuffleNetV2, 2>(),
        entry::<ShuffleNetV2, 3>(),
        entry::<EfficientNet, 0>(),
        entry::<EfficientNet, 1>(),
        entry::<EfficientNet, 2>(),
        entry::<EfficientNet, 3>(),
        entry::<EfficientNet, 4>(),
        entry::<EfficientNet, 5>(),
        entry::<EfficientNetLite, 0>(),
        entry::<EfficientNetLite, 1>(),
        entry::<EfficientNetLite, 2>(),
        entry::<EfficientNetLite, 3>(),
        entry::<EfficientNetLite, 4>(),
        entry::<MnasNet, 0>(),
        entry::<MnasNet, 1>(),
        entry::<MnasNet, 2>(),
        entry::<MnasNet, 3>(),
        entry::<RegNet, 0>(),
        entry::<RegNet, 1>(),
        entry::<RegNet, 2>(),
        entry::<RegNet, 3>(),
        entry::<RegNet, 4>(),
        entry::<ConvNext, 0>(),
        entry::<ConvNext, 1>(),
        entry::<RepVgg, 0>(),
    ],
);

/// The small models, and a tiny network of each family: for tests that go over all kinds of models. The tiny ones, whose names begin with
/// `test_`, are built by name like the others, but are not listed.
pub static TINY: Registry<Build> = Registry::new(
    "model",
    &[
        Entry::of::<LeNet5Config>(),
        Entry::of::<SmallCnnConfig>(),
        resnet_cifar::entry::<20>(&resnet_cifar::ABOUT[0]),
        resnet_cifar::entry::<32>(&resnet_cifar::ABOUT[1]),
        resnet_cifar::entry::<44>(&resnet_cifar::ABOUT[2]),
        resnet_cifar::entry::<56>(&resnet_cifar::ABOUT[3]),
        resnet_cifar::entry::<110>(&resnet_cifar::ABOUT[4]),
        Entry::of::<ResNet18Config>(),
        entry::<AlexNet, 1>(),
        entry::<Vgg, 8>(),
        entry::<Vgg, 9>(),
        entry::<SqueezeNet, 2>(),
        entry::<GoogLeNet, 1>(),
        entry::<InceptionV3, 1>(),
        entry::<ResNet, 14>(),
        entry::<ResNet, 15>(),
        entry::<ResNet, 16>(),
        entry::<ResNetV2, 5>(),
        entry::<ResNetV2, 6>(),
        entry::<WideResNetCifar, 1>(),
        entry::<DenseNet, 3>(),
        entry::<MobileNetV1, 1>(),
        entry::<MobileNetV2, 1>(),
        entry::<MobileNetV3, 2>(),
        entry::<MobileNetV4, 1>(),
        entry::<ShuffleNetV2, 4>(),
        entry::<EfficientNet, 6>(),
        entry::<EfficientNetLite, 5>(),
        entry::<MnasNet, 4>(),
        entry::<RegNet, 5>(),
        entry::<ConvNext, 2>(),
        entry::<RepVgg, 1>(),
    ],
);

/// The configuration of the model that a spec names, its fields in their ranges.
///
/// # Errors
/// [`ConfigError`] naming the unknown model or option.
pub fn architecture(spec: &Spec) -> Result<Box<dyn Architecture>, ConfigError> {
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
