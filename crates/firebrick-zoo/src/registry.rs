//! All models by name.

use burn::tensor::Device;
use firebrick_core::ConfigError;
use firebrick_core::registry::{Entry, Registry};
use firebrick_core::spec::Spec;

use crate::architecture::{Architecture, Build};
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
    ],
);

/// The configuration of the model that a spec names, its fields in their ranges.
///
/// # Errors
/// [`ConfigError`] naming the unknown model or option.
pub fn architecture(spec: &Spec) -> Result<Box<dyn Architecture>, ConfigError> {
    (REGISTRY.find(spec)?.build.architecture)(spec)
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
