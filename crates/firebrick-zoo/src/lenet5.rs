//! LeNet-5 (LeCun, Bottou, Bengio and Haffner 1998), in the form that is usual today.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use firebrick_core::about::{About, Field, Range};
use firebrick_core::graph::{Graph, Value};
use firebrick_core::init::Init;
use firebrick_core::nn::{
    Activation, AvgPool2dConfig, Conv2d, Conv2dConfig, Linear, LinearConfig, MaxPool2dConfig,
};
use firebrick_core::spec::Spec;
use firebrick_core::{Classifier, ConfigError};
use firebrick_regularize::{Dropout, DropoutConfig};
use serde::{Deserialize, Serialize};

use crate::architecture::{ACTIVATION, INIT};
use crate::backbone::{Backbone, Stage};
use crate::layers::as_planes;
use crate::members::MemberHead;
use crate::{Architecture, Head, Input, Model, ModelConfig};

const NAME: &str = "lenet5";

/// Configuration of [`LeNet5`].
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

    /// Builds the model; its weights are drawn on the host from `seed`.
    ///
    /// # Errors
    /// [`ConfigError`] naming the option, or the side that is below 12 pixels.
    pub fn build(&self, input: &Input, seed: u64, device: &Device) -> Result<LeNet5, ConfigError> {
        let init = Init::from_spec(&self.init, Init::PYTORCH)?;
        Ok(init.apply(self.undrawn(input, device)?, seed))
    }

    /// The layers, whose weights take no memory before they are drawn or loaded.
    fn undrawn(&self, input: &Input, device: &Device) -> Result<LeNet5, ConfigError> {
        self.check()?;
        input.check(NAME, Self::LEAST_SIDE)?;
        let padding = if input.height.min(input.width) < 32 {
            2
        } else {
            0
        };
        let after = |side: usize| ((side + 2 * padding - 4) / 2 - 4) / 2;
        let features = 16 * after(input.height) * after(input.width);
        let conv1 = Conv2dConfig::new([input.channels, 6], 5).with_padding(padding);
        Ok(LeNet5 {
            conv1: conv1.init(device),
            conv2: Conv2dConfig::new([6, 16], 5).init(device),
            fc1: LinearConfig::new(features, 120).init(device),
            fc2: LinearConfig::new(120, 84).init(device),
            fc3: MemberHead::Plain(LinearConfig::new(84, input.classes).init(device)),
            dropout: DropoutConfig::new(self.dropout).init()?,
            activation: Activation::from_spec(&self.activation)?,
            pool: self.pool,
        })
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
        Some("fc3")
    }

    fn check(&self) -> Result<(), ConfigError> {
        Self::ABOUT.check(self)?;
        Init::from_spec(&self.init, Init::PYTORCH)?;
        Activation::from_spec(&self.activation)?;
        Ok(())
    }

    fn undrawn(&self, input: &Input, device: &Device) -> Result<Model, ConfigError> {
        Self::undrawn(self, input, device).map(Model::of_backbone)
    }

    fn model(&self, input: &Input, seed: u64, device: &Device) -> Result<Model, ConfigError> {
        self.build(input, seed, device).map(Model::of_backbone)
    }
}

/// LeNet-5: convolutions of 5×5 to 6 and 16 planes, each followed by a pool, then linear layers of
/// 120, 84 and as many units as classes. 61 706 parameters for MNIST.
///
/// Images with a side under 32 pixels get a border of 2 zeros: MNIST's 28×28 becomes the 32×32 of
/// the paper. Differs from the paper, as most implementations do: every plane of the second
/// convolution sees all 6 planes of the first, pooling has no weights, the third convolution is the
/// linear layer that it amounts to, and the output is a linear layer instead of radial basis
/// functions. `lenet5(activation=tanh, pool=average)` is nearest to it.
#[derive(Module, Debug)]
pub struct LeNet5 {
    /// 5×5, to 6 planes.
    pub conv1: Conv2d,
    /// 5×5, to 16 planes.
    pub conv2: Conv2d,
    /// To 120 units.
    pub fc1: Linear,
    /// To 84 units.
    pub fc2: Linear,
    /// To the classes.
    pub fc3: MemberHead,
    /// Before the last layer.
    pub dropout: Dropout,
    /// After each layer but the last.
    #[module(skip)]
    pub activation: Activation,
    /// After each convolution.
    #[module(skip)]
    pub pool: Pool,
}

impl Classifier for LeNet5 {
    fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        self.logits(images)
    }

    fn graph(&self, graph: &mut Graph, images: Value) -> Result<Value, ConfigError> {
        let mut value = images;
        for (path, conv) in [("conv1", &self.conv1), ("conv2", &self.conv2)] {
            let planes = graph.conv(path, conv, value);
            let planes = graph.activation(path, self.activation, planes);
            value = match self.pool {
                Pool::Max => graph.max_pool(path, &MaxPool2dConfig::new(2).init(), planes),
                Pool::Average => graph.avg_pool(path, &AvgPool2dConfig::new(2).init(), planes),
            };
        }
        for (path, linear) in [("fc1", &self.fc1), ("fc2", &self.fc2)] {
            let hidden = graph.linear(path, linear, value);
            value = graph.activation(path, self.activation, hidden);
        }
        self.fc3.graph("fc3", graph, value)
    }
}

/// Each fully connected layer but the last is a stage of its own.
impl Backbone for LeNet5 {
    fn stages(&self) -> Vec<Stage> {
        let stage = |module: &str, width: usize, stride: Option<usize>| Stage {
            name: module.into(),
            modules: vec![module.into()],
            width,
            stride,
        };
        vec![
            stage("conv1", 6, Some(1)),
            stage("conv2", 16, Some(2)),
            stage("fc1", 120, None),
            stage("fc2", 84, None),
        ]
    }

    fn embed_through(
        &self,
        images: Tensor<4>,
        stage: &mut dyn FnMut(Tensor<4>) -> Tensor<4>,
    ) -> Tensor<4> {
        let first = stage(self.activation.forward(self.conv1.forward(images)));
        let second = self.conv2.forward(self.pool.forward(first));
        let second = stage(self.activation.forward(second));
        let planes = self.pool.forward(second);
        let hidden = self.fc1.forward(planes.flatten::<2>(1, 3));
        let hidden = stage(as_planes(self.activation.forward(hidden)));
        let hidden = self.fc2.forward(hidden.flatten::<2>(1, 3));
        let hidden = stage(as_planes(self.activation.forward(hidden)));
        as_planes(self.dropout.forward(hidden.flatten::<2>(1, 3)))
    }

    fn classify(&self, features: Tensor<4>) -> Tensor<2> {
        self.fc3.forward(features.flatten(1, 3))
    }

    fn with_head(self, head: Head, classes: usize, seed: u64) -> Self {
        Self {
            fc3: self.fc3.replaced(head, classes, seed),
            ..self
        }
    }
}

impl Pool {
    fn forward(self, planes: Tensor<4>) -> Tensor<4> {
        match self {
            Self::Max => MaxPool2dConfig::new(2).init().forward(planes),
            Self::Average => AvgPool2dConfig::new(2).init().forward(planes),
        }
    }
}
