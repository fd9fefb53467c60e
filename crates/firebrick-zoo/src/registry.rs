//! All models by name.

use burn::tensor::Device;
use firebrick_core::ConfigError;
use firebrick_core::registry::{Entry, Registry};
use firebrick_core::spec::Spec;

use crate::{Input, LeNet5Config, Model, ResNet18Config, ResNetCifarConfig, SmallCnnConfig};

/// The configuration of a model: its options, and how it is built from them. `M` is the type of the model;
/// those of this crate are all built as a [`Model`].
pub trait Architecture<M = Model> {
    /// The spec that gives this configuration again, with every option spelled out.
    fn spec(&self) -> Spec;

    /// The input that the model was made for: that of its published weights.
    fn native_input(&self) -> Input;

    /// The path of the last layer, whose outputs are the classes, as in the keys of weight files: `fc`
    /// for `fc.weight` and `fc.bias`. The rest does not depend on the number of classes. Without it,
    /// weights are only loaded into a model of as many classes.
    fn head(&self) -> Option<&'static str> {
        None
    }

    /// Checks the options without building anything.
    ///
    /// # Errors
    /// [`ConfigError`] naming the option.
    fn check(&self) -> Result<(), ConfigError> {
        Ok(())
    }

    /// The model before its weights are drawn or loaded: its keys and shapes, without their memory where
    /// the model is able to do without.
    ///
    /// # Errors
    /// As [`Self::model`].
    fn undrawn(&self, input: &Input, device: &Device) -> Result<M, ConfigError> {
        self.model(input, 0, device)
    }

    /// Builds the model, its weights drawn on the host from `seed`: equal on every device.
    ///
    /// # Errors
    /// [`ConfigError`] naming the option, or the side of the input that is too small.
    fn model(&self, input: &Input, seed: u64, device: &Device) -> Result<M, ConfigError>;
}

/// Reads the configuration of a model from its spec.
pub type Build = fn(&Spec) -> Result<Box<dyn Architecture>, ConfigError>;

/// All models.
pub const REGISTRY: Registry<Build> = Registry {
    family: "model",
    entries: &[
        Entry::new::<LeNet5Config>(
            "lenet5",
            "LeNet-5, 2 convolutions and 3 linear layers",
            |spec| Ok(Box::new(spec.resolve::<LeNet5Config>()?)),
        ),
        Entry::new::<SmallCnnConfig>(
            "small_cnn",
            "6 convolutions with batch norm: a quick baseline for small images",
            |spec| Ok(Box::new(spec.resolve::<SmallCnnConfig>()?)),
        ),
        Entry::new::<ResNetCifarConfig>("resnet20", "ResNet-20 for 32×32 images", |spec| {
            resnet_cifar(20, spec)
        }),
        Entry::new::<ResNetCifarConfig>("resnet32", "ResNet-32 for 32×32 images", |spec| {
            resnet_cifar(32, spec)
        }),
        Entry::new::<ResNetCifarConfig>("resnet44", "ResNet-44 for 32×32 images", |spec| {
            resnet_cifar(44, spec)
        }),
        Entry::new::<ResNetCifarConfig>("resnet56", "ResNet-56 for 32×32 images", |spec| {
            resnet_cifar(56, spec)
        }),
        Entry::new::<ResNetCifarConfig>("resnet110", "ResNet-110 for 32×32 images", |spec| {
            resnet_cifar(110, spec)
        }),
        Entry::new::<ResNet18Config>(
            "resnet18",
            "ResNet-18 for photos; stem=cifar for 32×32 images",
            |spec| Ok(Box::new(spec.resolve::<ResNet18Config>()?)),
        ),
    ],
};

fn resnet_cifar(depth: usize, spec: &Spec) -> Result<Box<dyn Architecture>, ConfigError> {
    let options = spec.resolve::<ResNetCifarConfig>()?;
    Ok(Box::new(ResNetCifarConfig { depth, ..options }))
}

/// The configuration of the model that a spec names.
///
/// # Errors
/// [`ConfigError`] naming the unknown model or option; values are for [`Architecture::check`].
pub fn architecture(spec: &Spec) -> Result<Box<dyn Architecture>, ConfigError> {
    (REGISTRY.find(spec)?.build)(spec)
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
