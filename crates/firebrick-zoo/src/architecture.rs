//! What a model's configuration does: it describes itself, and builds the model for an input.

use burn::tensor::Device;
use firebrick_core::ConfigError;
use firebrick_core::about::{About, Field, Range};
use firebrick_core::registry::BuildOf;
use firebrick_core::spec::{Config, Spec};

use crate::input::Input;
use crate::model::Model;

/// The option `init` of every model.
pub(crate) const INIT: Field = Field::new(
    "init",
    Range::Unit("initialization: pytorch, xavier, kaiming, orthogonal or normal(std=…)"),
);
/// The option `activation` of every model.
pub(crate) const ACTIVATION: Field = Field::new(
    "activation",
    Range::Unit(
        "activation: relu, leaky_relu, elu, gelu, silu, tanh, sigmoid, relu6, hardsigmoid, hardswish or identity",
    ),
);

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

    /// Keys of published files that the model has no tensor for, where `*` stands for any text: `aux1.*`.
    fn ignored(&self) -> &'static [&'static str] {
        &[]
    }

    /// Parts of the keys of older files, and what they are in the model's keys.
    fn renamed(&self) -> &'static [(&'static str, &'static str)] {
        &[]
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

/// An [`Architecture`] as plain data, with a name of its own. A new model is one file with such a struct, and an
/// entry of it in [`REGISTRY`](crate::REGISTRY); a crate outside hands the entry to its `register`.
pub trait ModelConfig: Architecture + Config + 'static {
    /// What the model says about itself.
    const ABOUT: About;
}

/// How a model is built from its spec.
#[derive(Debug, Clone, Copy)]
pub struct Build {
    /// Reads the spec and checks every field.
    pub architecture: fn(&Spec) -> Result<Box<dyn Architecture>, ConfigError>,
}

impl<C: ModelConfig> BuildOf<C> for Build {
    const ABOUT: &'static About = &C::ABOUT;
    const BUILD: Self = Self {
        architecture: |spec| Ok(Box::new(C::ABOUT.resolve::<C>(spec)?)),
    };
}

#[cfg(test)]
mod tests {
    use firebrick_core::init::Init;
    use firebrick_core::nn::Activation;

    use super::*;
    use crate::members::{MEMBERS, Members};

    #[test]
    fn options_of_all_models_list_every_name() {
        let known = |error: ConfigError| match error {
            ConfigError::UnknownName { known, .. } => known,
            other => panic!("{other}"),
        };
        let none = Spec::new("none");
        let members = known(Members::from_spec(&none).unwrap_err());
        let inits = known(Init::from_spec(&none, Init::PYTORCH).unwrap_err());
        let activations = known(Activation::from_spec(&none).unwrap_err());
        for (field, known) in [(INIT, inits), (ACTIVATION, activations), (MEMBERS, members)] {
            let range = field.range.to_string();
            for name in known.split(", ") {
                assert!(range.contains(name), "{name} is not in: {range}");
            }
        }
    }
}
