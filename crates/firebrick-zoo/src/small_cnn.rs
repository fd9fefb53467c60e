//! A small convolutional network with batch norm: a quick baseline for small images.
//!
//! Three stages of two 3×3 convolutions with batch norm, 16, 32 and 64 channels wide, a 2×2 max-pool between stages, the mean over the image,
//! and a linear layer. 72 954 parameters and 9.9 million multiply-adds for a 3×32×32 image. There is no published counterpart.

use burn::tensor::Device;
use firebrick_core::ConfigError;
use firebrick_core::about::{About, Field, Range};
use firebrick_core::init::Init;
use firebrick_core::nn::Activation;
use firebrick_core::spec::Spec;
use serde::{Deserialize, Serialize};

use crate::architecture::{ACTIVATION, INIT};
use crate::builder::{Chain, Window};
use crate::layers::Operation;
use crate::members::{MEMBERS, Members, without_idle_options};
use crate::{Architecture, Input, Model, ModelConfig, Network};

const NAME: &str = "small_cnn";
/// The last layer.
const HEAD: &str = "fc";

/// Options of the small network.
///
/// | field | default | meaning |
/// |---|---|---|
/// | `init` | `pytorch` | how weights are drawn |
/// | `activation` | `relu` | after every batch norm |
/// | `dropout` | 0 | drop probability before the last layer, in [0, 1] |
/// | `width` | 16 | planes of the first stage, 1 to 1024; each later stage has twice as many |
/// | `members` | `one` | several members in one network: [`Members`] |
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SmallCnnConfig {
    /// How weights are drawn: `pytorch`, `xavier`, `kaiming`, `orthogonal`, `normal(std=…)`.
    pub init: Spec,
    /// The activation after every batch norm.
    pub activation: Spec,
    /// Drop probability before the last layer, in [0, 1].
    pub dropout: f64,
    /// Planes of the first stage.
    pub width: usize,
    /// Several members in one network: `one`, `batch_ensemble(…)`, `packed(…)`, `mimo(…)`.
    pub members: Spec,
}

impl Default for SmallCnnConfig {
    fn default() -> Self {
        Self {
            init: Spec::new("pytorch"),
            activation: Spec::new("relu"),
            dropout: 0.0,
            width: 16,
            members: Spec::new("one"),
        }
    }
}

impl SmallCnnConfig {
    /// Two pools halve the side: 4 pixels leave one.
    const LEAST_SIDE: usize = 4;

    /// The layers, whose weights take no memory before they are drawn or loaded.
    fn network(&self, input: &Input, device: &Device) -> Result<Network, ConfigError> {
        self.check()?;
        input.check(NAME, Self::LEAST_SIDE)?;
        let activation = Activation::from_spec(&self.activation)?;
        let members = Members::from_spec(&self.members)?;
        let mut chain = Chain::new(input.channels, device).with_members(members);
        for (at, width) in self.widths().into_iter().enumerate() {
            if at > 0 {
                chain.max_pool(2, 2, 0, false);
                chain.begin_block();
            }
            let mut stage = chain.branch();
            for names in [["conv1", "bn1"], ["conv2", "bn2"]] {
                stage.conv_norm(names, width, Window::new(3), Some(activation));
            }
            let name = format!("layer{}", at + 1);
            chain.chain(name.as_str(), stage);
            chain.stage(name);
        }
        chain.plain(Operation::GlobalAvgPool);
        chain.dropout("dropout", self.dropout)?;
        chain.head(HEAD, input.classes)?;
        Ok(chain.network(HEAD))
    }

    /// Channels of the stages.
    fn widths(&self) -> [usize; 3] {
        [1, 2, 4].map(|times| times * self.width)
    }
}

impl ModelConfig for SmallCnnConfig {
    const ABOUT: About = About::new(
        NAME,
        "6 convolutions with batch norm; small and quick to train",
        &[
            INIT,
            ACTIVATION,
            Field::new("dropout", Range::Within(0.0, 1.0)),
            Field::new("width", Range::Whole(1, 1024)),
            MEMBERS,
        ],
    );
}

impl Architecture for SmallCnnConfig {
    fn spec(&self) -> Spec {
        without_idle_options(Spec::canonical(NAME, self), &self.members)
    }

    fn native_input(&self) -> Input {
        Input {
            channels: 3,
            height: 32,
            width: 32,
            classes: 10,
        }
    }

    fn head(&self) -> Option<&'static str> {
        Some(HEAD)
    }

    fn check(&self) -> Result<(), ConfigError> {
        Self::ABOUT.check(self)?;
        Init::from_spec(&self.init, Init::PYTORCH)?;
        Activation::from_spec(&self.activation)?;
        Members::from_spec(&self.members)?.check(NAME, &self.widths())
    }

    fn undrawn(&self, input: &Input, device: &Device) -> Result<Model, ConfigError> {
        self.network(input, device).map(Network::model)
    }

    fn model(&self, input: &Input, seed: u64, device: &Device) -> Result<Model, ConfigError> {
        let init = Init::from_spec(&self.init, Init::PYTORCH)?;
        Ok(self.network(input, device)?.drawn(init, seed).model())
    }
}
