//! LeNet-5 (LeCun, Bottou, Bengio and Haffner 1998), in the form that is usual today.
//!
//! Convolutions of 5×5 to 6 and 16 planes, each followed by a pool, then linear layers of
//! 120, 84 and as many units as classes. 61 706 parameters for MNIST.
//!
//! Images with a side under 32 pixels get a border of 2 zeros: MNIST's 28×28 becomes the 32×32 of
//! the paper. Differs from the paper, as most implementations do: every plane of the second
//! convolution sees all 6 planes of the first, pooling has no weights, the third convolution is the
//! linear layer that it amounts to, and the output is a linear layer instead of radial basis
//! functions. `lenet5(activation=tanh, pool=average)` is nearest to it.

use burn::tensor::Device;
use firebrick_core::ConfigError;
use firebrick_core::about::{About, Field, Range};
use firebrick_core::init::Init;
use firebrick_core::nn::Activation;
use firebrick_core::spec::Spec;
use serde::{Deserialize, Serialize};

use crate::architecture::{ACTIVATION, INIT};
use crate::builder::{Chain, Window};
use crate::{Architecture, Input, Model, ModelConfig, Network};

const NAME: &str = "lenet5";
/// The last layer.
const HEAD: &str = "fc3";

/// Options of LeNet-5.
///
/// | field | default | meaning |
/// |---|---|---|
/// | `init` | `pytorch` | how weights are drawn |
/// | `activation` | `relu` | after every layer but the last; the paper has `tanh` |
/// | `pool` | `max` | or `average`, as in the paper |
/// | `dropout` | 0 | drop probability before the last layer, in [0, 1] |
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LeNet5Config {
    /// How weights are drawn: `pytorch`, `xavier`, `kaiming`, `orthogonal`, `normal(std=…)`.
    pub init: Spec,
    /// The activation after every layer but the last.
    pub activation: Spec,
    /// How windows of 2×2 are pooled.
    pub pool: Pool,
    /// Drop probability before the last layer, in [0, 1].
    pub dropout: f64,
}

/// How windows of 2×2 are pooled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pool {
    /// The largest value.
    #[default]
    Max,
    /// The mean, which is linear.
    Average,
}

impl Default for LeNet5Config {
    fn default() -> Self {
        Self {
            init: Spec::new("pytorch"),
            activation: Spec::new("relu"),
            pool: Pool::default(),
            dropout: 0.0,
        }
    }
}

impl LeNet5Config {
    /// Two convolutions halve the side twice: 12 pixels leave one.
    const LEAST_SIDE: usize = 12;

    /// The layers, whose weights take no memory before they are drawn or loaded.
    fn network(&self, input: &Input, device: &Device) -> Result<Network, ConfigError> {
        self.check()?;
        input.check(NAME, Self::LEAST_SIDE)?;
        let activation = Activation::from_spec(&self.activation)?;
        let padding = if input.height.min(input.width) < 32 {
            2
        } else {
            0
        };
        let after = |side: usize| ((side + 2 * padding - 4) / 2 - 4) / 2;
        let features = 16 * after(input.height) * after(input.width);
        let mut chain = Chain::new(input.channels, device);
        for (name, planes, padding) in [("conv1", 6, padding), ("conv2", 16, 0)] {
            chain.conv(name, planes, Window::new(5).padding(padding).bias());
            chain.activation(activation);
            chain.stage(name);
            match self.pool {
                Pool::Max => chain.max_pool(2, 2, 0, false),
                Pool::Average => chain.avg_pool(2, 2, 0),
            }
        }
        for (name, inputs, units) in [("fc1", features, 120), ("fc2", 120, 84)] {
            chain.linear(name, inputs, units);
            chain.activation(activation);
            chain.flat_stage(name);
        }
        chain.dropout("dropout", self.dropout)?;
        chain.linear(HEAD, 84, input.classes);
        Ok(chain.network(HEAD))
    }
}

impl ModelConfig for LeNet5Config {
    const ABOUT: About = About::new(
        NAME,
        "LeNet-5, 2 convolutions and 3 linear layers",
        &[
            INIT,
            ACTIVATION,
            Field::new("pool", Range::Choice(&["max", "average"])),
            Field::new("dropout", Range::Within(0.0, 1.0)),
        ],
    );
}

impl Architecture for LeNet5Config {
    fn spec(&self) -> Spec {
        Spec::canonical(NAME, self)
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
        Some(HEAD)
    }

    fn check(&self) -> Result<(), ConfigError> {
        Self::ABOUT.check(self)?;
        Init::from_spec(&self.init, Init::PYTORCH)?;
        Activation::from_spec(&self.activation)?;
        Ok(())
    }

    fn undrawn(&self, input: &Input, device: &Device) -> Result<Model, ConfigError> {
        self.network(input, device).map(Network::model)
    }

    fn model(&self, input: &Input, seed: u64, device: &Device) -> Result<Model, ConfigError> {
        let init = Init::from_spec(&self.init, Init::PYTORCH)?;
        Ok(self.network(input, device)?.drawn(init, seed).model())
    }
}
