//! ResNet-20 with what the zoo's cannot do: go without batch norm, drop values inside its blocks, begin with larger or
//! smaller weights.

use burn::module::Param;
use firebrick::core::error::{check, check_positive};
use firebrick::core::init::Init;
use firebrick::core::kernels::subsample;
use firebrick::core::nn::{
    Activation, BatchNorm, BatchNormConfig, Conv2d, Conv2dConfig, GlobalAvgPool, Linear,
    LinearConfig, conv_bn,
};
use firebrick::prelude::*;
use firebrick::zoo::Architecture;
use serde::{Deserialize, Serialize};

const NAME: &str = "resnet";

/// What keeps activations and gradients at a size at which the network can train.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Norm {
    /// Batch norm after each convolution, as in the zoo.
    Batch,
    /// No layer, but initial weights for which a residual network needs none: Zhang, Dauphin and Ma 2019, "Fixup Initialization".
    /// The second convolution of each block and the last layer are 0, the first convolution of a block is divided by
    /// the root of the number of blocks. Without the paper's multipliers, and with a bias for each plane.
    Fixup,
    /// Nothing: He's weights and biases.
    Plain,
}

/// The options of the network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NetworkConfig {
    /// Residual blocks in each of the three stages; with 3 it is ResNet-20.
    pub blocks: usize,
    /// Planes of the first stage; the later ones have two and four times as many.
    pub width: usize,
    /// What keeps activations and gradients in bounds.
    pub norm: Norm,
    /// The probability of dropping a value between the two convolutions of a block.
    pub dropout: f64,
    /// A factor on all initial weights.
    pub scale: f64,
}

impl Default for NetworkConfig {
    fn default() -> Self {
        Self {
            blocks: 3,
            width: 16,
            norm: Norm::Batch,
            dropout: 0.0,
            scale: 1.0,
        }
    }
}

/// The networks that a recipe can name.
pub fn models() -> Models<Network> {
    Models::new(|spec| match spec.name.as_str() {
        NAME => Ok(Box::new(spec.resolve::<NetworkConfig>()?)),
        other => Err(ConfigError::unknown_name("model", other, [NAME])),
    })
}

impl NetworkConfig {
    /// The spec that names this network.
    pub fn spec(&self) -> Spec {
        Spec::canonical(NAME, self)
    }
}

impl Architecture<Network> for NetworkConfig {
    fn spec(&self) -> Spec {
        self.spec()
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
        Some("linear")
    }

    fn check(&self) -> Result<(), ConfigError> {
        check(NAME, "blocks", self.blocks, 1..=18)?;
        check(NAME, "width", self.width, 1..=256)?;
        check(NAME, "dropout", self.dropout, 0.0..=1.0)?;
        check_positive(NAME, "scale", self.scale)
    }

    fn model(&self, input: &Input, seed: u64, device: &Device) -> Result<Network, ConfigError> {
        self.check()?;
        let mut blocks = Vec::new();
        let mut inputs = self.width;
        for outputs in [1, 2, 4].map(|times| times * self.width) {
            for _ in 0..self.blocks {
                blocks.push(Block {
                    first: self.layer([inputs, outputs], device),
                    dropout: DropoutConfig::new(self.dropout).init()?,
                    second: self.layer([outputs, outputs], device),
                });
                inputs = outputs;
            }
        }
        let network = Network {
            first: self.layer([input.channels, self.width], device),
            blocks,
            pool: GlobalAvgPool::default(),
            linear: LinearConfig::new(inputs, input.classes).init(device),
        };
        // He's normal distribution, biases 0.
        let he = Init::from_spec(&Spec::new("kaiming"), Init::PYTORCH)?;
        Ok(self.scaled(he.apply(network, seed)))
    }
}

impl NetworkConfig {
    /// A 3×3 convolution; where the number of planes doubles, the size halves.
    fn layer(&self, [inputs, outputs]: [usize; 2], device: &Device) -> Layer {
        let stride = if outputs == 2 * inputs && inputs >= self.width {
            2
        } else {
            1
        };
        let batch = self.norm == Norm::Batch;
        Layer {
            conv: Conv2dConfig::new([inputs, outputs], 3)
                .with_stride(stride)
                .with_padding(1)
                .with_bias(!batch)
                .init(device),
            norm: batch.then(|| BatchNormConfig::new(outputs).init(device)),
        }
    }

    fn scaled(&self, mut network: Network) -> Network {
        let scale = self.scale;
        let branches = network.blocks.len() as f64;
        let [first, second] = match self.norm {
            Norm::Batch | Norm::Plain => [1.0, 1.0],
            Norm::Fixup => [1.0 / branches.sqrt(), 0.0],
        };
        network.first = network.first.times(scale);
        let blocks = network.blocks.into_iter().map(|block| Block {
            first: block.first.times(scale * first),
            second: block.second.times(scale * second),
            dropout: block.dropout,
        });
        network.blocks = blocks.collect();
        network.linear.weight = times(network.linear.weight, scale * second);
        network
    }
}

/// A weight times a factor, as a parameter again.
fn times<const D: usize>(weight: Param<Tensor<D>>, factor: f64) -> Param<Tensor<D>> {
    let trains = weight.is_require_grad();
    weight.map(|weight| (weight * factor).detach().set_require_grad(trains))
}

/// A residual network for small images, with shortcuts that have no weights.
#[derive(Module, Debug)]
pub struct Network {
    first: Layer,
    blocks: Vec<Block>,
    pool: GlobalAvgPool,
    linear: Linear,
}

impl Classifier for Network {
    fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let planes = self.first.forward(images, None);
        let planes = self
            .blocks
            .iter()
            .fold(planes, |planes, block| block.forward(planes));
        self.linear.forward(self.pool.forward(planes))
    }
}

/// Two convolutions, added to what came in.
#[derive(Module, Debug)]
struct Block {
    first: Layer,
    dropout: Dropout,
    second: Layer,
}

impl Block {
    fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let [outputs, ..] = self.first.conv.weight.dims();
        let missing = outputs - input.dims()[1];
        let shortcut = match missing {
            0 => input.clone(),
            _ => subsample(input.clone(), 2, (missing / 2, missing - missing / 2)),
        };
        let planes = self.dropout.forward(self.first.forward(input, None));
        self.second.forward(planes, Some(shortcut))
    }
}

/// A convolution with batch norm or a bias, what is added to it, and a rectifier.
#[derive(Module, Debug)]
struct Layer {
    conv: Conv2d,
    norm: Option<BatchNorm>,
}

impl Layer {
    fn forward(&self, input: Tensor<4>, residual: Option<Tensor<4>>) -> Tensor<4> {
        if let Some(norm) = &self.norm {
            return conv_bn(&self.conv, norm, input, residual, Activation::Relu);
        }
        let planes = self.conv.forward(input);
        Activation::Relu.forward(match residual {
            Some(residual) => planes + residual,
            None => planes,
        })
    }

    fn times(mut self, factor: f64) -> Self {
        self.conv.weight = times(self.conv.weight, factor);
        self
    }
}
