//! A small convolutional network with batch norm: a quick baseline for small images.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use firebrick_core::about::{About, Field, Range};
use firebrick_core::graph::{Graph, Operator, Value};
use firebrick_core::init::Init;
use firebrick_core::nn::{Activation, BatchNorm, GlobalAvgPool, MaxPool2d, MaxPool2dConfig};
use firebrick_core::spec::Spec;
use firebrick_core::{Classifier, ConfigError, TrainingScores};
use firebrick_regularize::{Dropout, DropoutConfig};
use serde::{Deserialize, Serialize};

use crate::architecture::{ACTIVATION, INIT};
use crate::backbone::{Backbone, Stage};
use crate::layers::as_planes;
use crate::members::{MEMBERS, MemberConv, MemberHead, Members, Place, without_idle_options};
use crate::residual::conv3x3;
use crate::{Architecture, Head, Input, Model, ModelConfig};

const NAME: &str = "small_cnn";

/// Configuration of [`SmallCnn`].
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

    /// Builds the model; its weights are drawn on the host from `seed`.
    ///
    /// # Errors
    /// [`ConfigError`] naming the option, or the side that is below 4 pixels.
    pub fn build(
        &self,
        input: &Input,
        seed: u64,
        device: &Device,
    ) -> Result<SmallCnn, ConfigError> {
        let init = Init::from_spec(&self.init, Init::PYTORCH)?;
        let model = self.undrawn(input, device)?;
        Ok(model.members.draw(init, model, seed))
    }

    /// The layers, whose weights take no memory before they are drawn or loaded.
    fn undrawn(&self, input: &Input, device: &Device) -> Result<SmallCnn, ConfigError> {
        self.check()?;
        input.check(NAME, Self::LEAST_SIDE)?;
        let activation = Activation::from_spec(&self.activation)?;
        let members = Members::from_spec(&self.members)?;
        let stage = |planes, place| SmallCnnStage::new(planes, place, activation, members, device);
        let width = self.width;
        Ok(SmallCnn {
            layer1: stage([input.channels, width], Place::Images),
            layer2: stage([width, 2 * width], Place::First),
            layer3: stage([2 * width, 4 * width], Place::First),
            fc: members.head(4 * width, input.classes, device)?,
            pool: MaxPool2dConfig::new(2).init(),
            mean: GlobalAvgPool {},
            dropout: DropoutConfig::new(self.dropout).init()?,
            members,
        })
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
        Some("fc")
    }

    fn check(&self) -> Result<(), ConfigError> {
        Self::ABOUT.check(self)?;
        Init::from_spec(&self.init, Init::PYTORCH)?;
        Activation::from_spec(&self.activation)?;
        let planes = [1, 2, 4].map(|times| times * self.width);
        Members::from_spec(&self.members)?.check(NAME, &planes)
    }

    fn undrawn(&self, input: &Input, device: &Device) -> Result<Model, ConfigError> {
        Self::undrawn(self, input, device).map(|model| model.members.model(model))
    }

    fn model(&self, input: &Input, seed: u64, device: &Device) -> Result<Model, ConfigError> {
        self.build(input, seed, device)
            .map(|model| model.members.model(model))
    }
}

/// Three stages of two 3×3 convolutions with batch norm, 16, 32 and 64 planes wide, a 2×2 max-pool
/// between stages, the mean of each plane, and a linear layer. 72 954 parameters and 9.9 million
/// multiply-adds for a 3×32×32 image. There is no published counterpart.
#[derive(Module, Debug)]
pub struct SmallCnn {
    /// The first stage.
    pub layer1: SmallCnnStage,
    /// The second stage, with twice the planes.
    pub layer2: SmallCnnStage,
    /// The third stage, with twice the planes.
    pub layer3: SmallCnnStage,
    /// To the classes.
    pub fc: MemberHead,
    /// Between stages.
    pub pool: MaxPool2d,
    /// The mean of each plane.
    pub mean: GlobalAvgPool,
    /// Before the last layer.
    pub dropout: Dropout,
    /// The members of the network; planes are those of a single one.
    #[module(skip)]
    pub members: Members,
}

impl Classifier for SmallCnn {
    fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        self.members.forward(images, |images| self.logits(images))
    }

    fn forward_training(&self, images: Tensor<4>) -> TrainingScores {
        self.members
            .forward_training(images, |images| self.logits(images))
    }

    fn graph(&self, graph: &mut Graph, images: Value) -> Result<Value, ConfigError> {
        self.members.graph(graph, images, |graph, images| {
            let planes = self.layer1.graph("layer1", graph, images)?;
            let planes = graph.max_pool("pool", &self.pool, planes);
            let planes = self.layer2.graph("layer2", graph, planes)?;
            let planes = graph.max_pool("pool", &self.pool, planes);
            let planes = self.layer3.graph("layer3", graph, planes)?;
            let features = graph.push("mean", Operator::GlobalAvgPool, &[planes]);
            self.fc.graph("fc", graph, features)
        })
    }
}

/// Of a network without members; of one with members, [`Backbone::logits`] are the outputs for the inputs of its members.
impl Backbone for SmallCnn {
    fn stages(&self) -> Vec<Stage> {
        let layers = [&self.layer1, &self.layer2, &self.layer3].into_iter();
        let stages = layers.enumerate().map(|(at, layer)| Stage {
            name: format!("layer{}", at + 1),
            modules: vec![format!("layer{}", at + 1)],
            width: layer.conv2.outputs(),
            stride: Some(1 << at),
        });
        stages.collect()
    }

    fn embed_through(
        &self,
        images: Tensor<4>,
        stage: &mut dyn FnMut(Tensor<4>) -> Tensor<4>,
    ) -> Tensor<4> {
        let first = stage(self.layer1.forward(images));
        let second = stage(self.layer2.forward(self.pool.forward(first)));
        let third = stage(self.layer3.forward(self.pool.forward(second)));
        as_planes(self.dropout.forward(self.mean.forward(third)))
    }

    fn classify(&self, features: Tensor<4>) -> Tensor<2> {
        self.fc.forward(features.flatten(1, 3))
    }

    fn with_head(self, head: Head, classes: usize, seed: u64) -> Self {
        Self {
            fc: self.fc.replaced(head, classes, seed),
            ..self
        }
    }
}

/// Two convolutions with batch norm and activation.
#[derive(Module, Debug)]
pub struct SmallCnnStage {
    /// The first convolution.
    pub conv1: MemberConv,
    /// Batch norm of the first convolution.
    pub bn1: BatchNorm,
    /// The second convolution.
    pub conv2: MemberConv,
    /// Batch norm of the second convolution.
    pub bn2: BatchNorm,
    /// After each batch norm.
    #[module(skip)]
    pub activation: Activation,
}

impl SmallCnnStage {
    fn new(
        [inputs, outputs]: [usize; 2],
        place: Place,
        activation: Activation,
        members: Members,
        device: &Device,
    ) -> Self {
        Self {
            conv1: members.conv(&conv3x3(inputs, outputs, 1), place, device),
            bn1: members.norm(outputs, device),
            conv2: members.conv(&conv3x3(outputs, outputs, 1), Place::Inner, device),
            bn2: members.norm(outputs, device),
            activation,
        }
    }

    fn forward(&self, planes: Tensor<4>) -> Tensor<4> {
        let planes = self.conv1.with_bn(&self.bn1, planes, None, self.activation);
        self.conv2.with_bn(&self.bn2, planes, None, self.activation)
    }

    fn graph(&self, path: &str, graph: &mut Graph, input: Value) -> Result<Value, ConfigError> {
        let mut value = input;
        for (number, conv, bn) in [(1, &self.conv1, &self.bn1), (2, &self.conv2, &self.bn2)] {
            let paths = [format!("{path}.conv{number}"), format!("{path}.bn{number}")];
            let planes = conv.graph([&paths[0], &paths[1]], bn, graph, value)?;
            value = graph.activation(path, self.activation, planes);
        }
        Ok(value)
    }
}
