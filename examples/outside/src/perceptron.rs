//! `perceptron`: one hidden layer over all pixels, the net of before convolutions.

use firebrick::core::about::{About, Field, Range};
use firebrick::core::init::Init;
use firebrick::core::nn::{Activation, Linear, LinearConfig};
use firebrick::core::spec::Spec;
use firebrick::core::{Classifier, ConfigError};
use firebrick::prelude::{Device, Module, Tensor};
use firebrick::zoo::{Architecture, Input, Model, ModelConfig};
use serde::{Deserialize, Serialize};

/// Configuration of [`Perceptron`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PerceptronConfig {
    /// How weights are drawn: `pytorch`, `xavier`, `kaiming`, `orthogonal`, `normal(std=…)`.
    pub init: Spec,
    /// Units of the hidden layer.
    pub hidden: usize,
}

impl Default for PerceptronConfig {
    fn default() -> Self {
        Self {
            init: Spec::new("pytorch"),
            hidden: 64,
        }
    }
}

impl ModelConfig for PerceptronConfig {
    const ABOUT: About = About::new(
        "perceptron",
        "one hidden layer over all pixels",
        &[
            Field::new("init", Range::Unit("init")),
            Field::new("hidden", Range::Whole(1, 4096)),
        ],
    );
}

impl Architecture for PerceptronConfig {
    fn spec(&self) -> Spec {
        Spec::canonical(Self::ABOUT.name, self)
    }

    fn native_input(&self) -> Input {
        Input {
            channels: 1,
            height: 28,
            width: 28,
            classes: 10,
        }
    }

    fn head(&self) -> Option<&'static str> {
        Some("fc")
    }

    fn check(&self) -> Result<(), ConfigError> {
        Self::ABOUT.check(self)?;
        Init::from_spec(&self.init, Init::PYTORCH).map(drop)
    }

    fn undrawn(&self, input: &Input, device: &Device) -> Result<Model, ConfigError> {
        self.check()?;
        input.check(Self::ABOUT.name, 1)?;
        let pixels = input.channels * input.height * input.width;
        Ok(Model::new(Perceptron {
            hidden: LinearConfig::new(pixels, self.hidden).init(device),
            fc: LinearConfig::new(self.hidden, input.classes).init(device),
        }))
    }

    fn model(&self, input: &Input, seed: u64, device: &Device) -> Result<Model, ConfigError> {
        let init = Init::from_spec(&self.init, Init::PYTORCH)?;
        Ok(init.apply(self.undrawn(input, device)?, seed))
    }
}

/// One hidden layer.
#[derive(Module, Debug)]
pub struct Perceptron {
    hidden: Linear,
    fc: Linear,
}

impl Classifier for Perceptron {
    fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let hidden = self.hidden.forward(images.flatten(1, 3));
        self.fc.forward(Activation::Relu.forward(hidden))
    }
}
