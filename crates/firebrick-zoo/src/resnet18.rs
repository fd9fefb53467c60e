//! ResNet-18 (He, Zhang, Ren and Sun 2015), with the stem for photos or for 32×32 images.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use firebrick_core::about::{About, Field, Range};
use firebrick_core::graph::{Graph, Operator, Value};
use firebrick_core::init::{Init, WeightInit};
use firebrick_core::nn::{
    Activation, BatchNorm, Conv2dConfig, GlobalAvgPool, MaxPool2d, MaxPool2dConfig,
};
use firebrick_core::spec::Spec;
use firebrick_core::{Classifier, ConfigError, TrainingScores};
use firebrick_regularize::dropout::{DropPath, DropPathConfig, drop_path_rates};
use serde::{Deserialize, Serialize};

use crate::architecture::{ACTIVATION, INIT};
use crate::backbone::{Backbone, Stage};
use crate::layers::as_planes;
use crate::members::{self, MEMBERS, MemberConv, MemberHead, Members, Place, without_idle_options};
use crate::residual::{add_branch, branch_graph, conv_graph, conv3x3, projection};
use crate::{Architecture, Head, Input, Model, ModelConfig};

const NAME: &str = "resnet18";

/// Configuration of [`ResNet18`].
///
/// | field | default | meaning |
/// |---|---|---|
/// | `init` | `pytorch` | how weights are drawn; `pytorch` is torchvision's |
/// | `activation` | `relu` | after every batch norm, in blocks after the sum |
/// | `stem` | `imagenet` | 7×7 convolution and max-pool, both with stride 2; `cifar`: one 3×3 convolution |
/// | `drop_path` | 0 | stochastic depth: the probability of dropping the branch of the last block, in [0, 1]; it rises from 0 in equal steps |
/// | `members` | `one` | several members in one network: [`Members`] |
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ResNet18Config {
    /// How weights are drawn: `pytorch`, `xavier`, `kaiming`, `orthogonal`, `normal(std=…)`.
    pub init: Spec,
    /// The activation after every batch norm, in blocks after the sum.
    pub activation: Spec,
    /// What comes before the residual blocks.
    pub stem: Stem,
    /// The probability of dropping the branch of the last block in training, in [0, 1]; it rises from 0 at the first.
    pub drop_path: f64,
    /// Several members in one network: `one`, `batch_ensemble(…)`, `packed(…)`, `mimo(…)`.
    pub members: Spec,
}

/// What comes before the residual blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stem {
    /// A 7×7 convolution with stride 2 and a 3×3 max-pool with stride 2, for photos.
    #[default]
    Imagenet,
    /// A 3×3 convolution with stride 1, for images of about 32×32.
    Cifar,
}

/// Torchvision's: convolutions N(0, 2/fan_out), the linear layer as PyTorch draws it.
const REFERENCE: Init = Init {
    conv: WeightInit::KaimingNormalFanOut,
    linear: WeightInit::KaimingUniform,
    random_bias: true,
};

impl Default for ResNet18Config {
    fn default() -> Self {
        Self {
            init: Spec::new("pytorch"),
            activation: Spec::new("relu"),
            stem: Stem::default(),
            drop_path: 0.0,
            members: Spec::new("one"),
        }
    }
}

impl ResNet18Config {
    /// Builds the model; its weights are drawn on the host from `seed`.
    ///
    /// # Errors
    /// [`ConfigError`] naming the option or what is wrong with the input.
    pub fn build(
        &self,
        input: &Input,
        seed: u64,
        device: &Device,
    ) -> Result<ResNet18, ConfigError> {
        let init = Init::from_spec(&self.init, REFERENCE)?;
        let model = self.undrawn(input, device)?;
        Ok(model.members.draw(init, model, seed))
    }

    /// The layers, whose weights take no memory before they are drawn or loaded.
    fn undrawn(&self, input: &Input, device: &Device) -> Result<ResNet18, ConfigError> {
        self.check()?;
        input.check(NAME, 1)?;
        let activation = Activation::from_spec(&self.activation)?;
        let members = Members::from_spec(&self.members)?;
        let (conv1, maxpool) = self.stem.layers(input.channels);
        let mut drop_paths = drop_path_rates(self.drop_path, 8).into_iter();
        let mut block = |inputs: usize, outputs: usize| {
            let p = drop_paths.next().unwrap_or(self.drop_path);
            let drop_path = DropPathConfig::new(p).init()?;
            Ok(ResNet18Block::new(
                [inputs, outputs],
                activation,
                drop_path,
                members,
                device,
            ))
        };
        let mut stage = |inputs: usize, outputs: usize| {
            Ok::<_, ConfigError>(vec![block(inputs, outputs)?, block(outputs, outputs)?])
        };
        Ok(ResNet18 {
            conv1: members.conv(&conv1, Place::Images, device),
            bn1: members.norm(64, device),
            maxpool,
            layer1: stage(64, 64)?,
            layer2: stage(64, 128)?,
            layer3: stage(128, 256)?,
            layer4: stage(256, 512)?,
            avgpool: GlobalAvgPool {},
            fc: members.head(512, input.classes, device)?,
            activation,
            members,
        })
    }
}

impl ModelConfig for ResNet18Config {
    const ABOUT: About = About::new(
        NAME,
        "ResNet-18 for photos; stem=cifar for 32×32 images",
        &[
            INIT,
            ACTIVATION,
            Field::new("stem", Range::Choice(&["imagenet", "cifar"])),
            Field::new("drop_path", Range::Within(0.0, 1.0)),
            MEMBERS,
        ],
    );
}

impl Architecture for ResNet18Config {
    fn spec(&self) -> Spec {
        without_idle_options(Spec::canonical(NAME, self), &self.members)
    }

    fn native_input(&self) -> Input {
        let (side, classes) = match self.stem {
            Stem::Imagenet => (224, 1000),
            Stem::Cifar => (32, 10),
        };
        Input {
            channels: 3,
            height: side,
            width: side,
            classes,
        }
    }

    fn head(&self) -> Option<&'static str> {
        Some("fc")
    }

    fn check(&self) -> Result<(), ConfigError> {
        Self::ABOUT.check(self)?;
        Init::from_spec(&self.init, REFERENCE)?;
        Activation::from_spec(&self.activation)?;
        Members::from_spec(&self.members)?.check(NAME, &[64, 128, 256, 512])
    }

    fn undrawn(&self, input: &Input, device: &Device) -> Result<Model, ConfigError> {
        Self::undrawn(self, input, device).map(|model| model.members.model(model))
    }

    fn model(&self, input: &Input, seed: u64, device: &Device) -> Result<Model, ConfigError> {
        self.build(input, seed, device)
            .map(|model| model.members.model(model))
    }
}

impl Stem {
    fn layers(self, channels: usize) -> (Conv2dConfig, Option<MaxPool2d>) {
        match self {
            Self::Imagenet => {
                let conv = Conv2dConfig::new([channels, 64], 7)
                    .with_stride(2)
                    .with_padding(3)
                    .with_bias(false);
                let pool = MaxPool2dConfig {
                    stride: 2,
                    padding: 1,
                    ..MaxPool2dConfig::new(3)
                };
                (conv, Some(pool.init()))
            }
            Self::Cifar => (conv3x3(channels, 64, 1), None),
        }
    }
}

/// A stem to 64 planes, four stages of two residual blocks of 64 to 512 planes, the mean of each
/// plane, and a linear layer. 11 689 512 parameters for 1000 classes; keys and layouts are
/// torchvision's.
#[derive(Module, Debug)]
pub struct ResNet18 {
    /// To 64 planes.
    pub conv1: MemberConv,
    /// Batch norm of the first convolution.
    pub bn1: BatchNorm,
    /// The rest of the stem for photos.
    pub maxpool: Option<MaxPool2d>,
    /// The stage of 64 planes.
    pub layer1: Vec<ResNet18Block>,
    /// The stage of 128 planes.
    pub layer2: Vec<ResNet18Block>,
    /// The stage of 256 planes.
    pub layer3: Vec<ResNet18Block>,
    /// The stage of 512 planes.
    pub layer4: Vec<ResNet18Block>,
    /// The mean of each plane.
    pub avgpool: GlobalAvgPool,
    /// To the classes.
    pub fc: MemberHead,
    /// After each batch norm.
    #[module(skip)]
    pub activation: Activation,
    /// The members of the network; planes are those of a single one.
    #[module(skip)]
    pub members: Members,
}

impl Classifier for ResNet18 {
    fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        self.members.forward(images, |images| self.logits(images))
    }

    fn forward_training(&self, images: Tensor<4>) -> TrainingScores {
        self.members
            .forward_training(images, |images| self.logits(images))
    }

    fn graph(&self, graph: &mut Graph, images: Value) -> Result<Value, ConfigError> {
        self.members.graph(graph, images, |graph, images| {
            let planes = self
                .conv1
                .graph(["conv1", "bn1"], &self.bn1, graph, images)?;
            let mut planes = graph.activation("", self.activation, planes);
            if let Some(maxpool) = &self.maxpool {
                planes = graph.max_pool("maxpool", maxpool, planes);
            }
            let stages = [&self.layer1, &self.layer2, &self.layer3, &self.layer4];
            for (stage, blocks) in (1..).zip(stages) {
                for (number, block) in blocks.iter().enumerate() {
                    planes = block.graph(&format!("layer{stage}.{number}"), graph, planes)?;
                }
            }
            let features = graph.push("avgpool", Operator::GlobalAvgPool, &[planes]);
            self.fc.graph("fc", graph, features)
        })
    }
}

/// Of a network without members; of one with members, [`Backbone::logits`] are the outputs for the inputs of its members.
impl Backbone for ResNet18 {
    fn stages(&self) -> Vec<Stage> {
        let first = if self.maxpool.is_some() { 2 } else { 1 };
        let stem = Stage {
            name: "stem".into(),
            modules: vec!["conv1".into(), "bn1".into()],
            width: 64,
            stride: Some(first),
        };
        let first = if self.maxpool.is_some() { 4 } else { 1 };
        let layers = (0..4).map(|layer| Stage {
            name: format!("layer{}", layer + 1),
            modules: vec![format!("layer{}", layer + 1)],
            width: 64 << layer,
            stride: Some(first << layer),
        });
        std::iter::once(stem).chain(layers).collect()
    }

    fn embed_through(
        &self,
        images: Tensor<4>,
        stage: &mut dyn FnMut(Tensor<4>) -> Tensor<4>,
    ) -> Tensor<4> {
        let mut planes = self.conv1.with_bn(&self.bn1, images, None, self.activation);
        planes = stage(planes);
        if let Some(maxpool) = &self.maxpool {
            planes = maxpool.forward(planes);
        }
        for blocks in [&self.layer1, &self.layer2, &self.layer3, &self.layer4] {
            let blocks = blocks.iter();
            planes = blocks.fold(planes, |planes, block| block.forward(planes));
            planes = stage(planes);
        }
        as_planes(self.avgpool.forward(planes))
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

/// Two 3×3 convolutions, added to what came in, or to its projection where the size halves.
#[derive(Module, Debug)]
pub struct ResNet18Block {
    /// The first convolution.
    pub conv1: MemberConv,
    /// Batch norm of the first convolution.
    pub bn1: BatchNorm,
    /// The second convolution.
    pub conv2: MemberConv,
    /// Batch norm of the second convolution.
    pub bn2: BatchNorm,
    /// The projection where the number of planes doubles.
    pub downsample: Option<(MemberConv, BatchNorm)>,
    /// Stochastic depth of the branch.
    pub drop_path: DropPath,
    /// After each batch norm.
    #[module(skip)]
    pub activation: Activation,
}

impl ResNet18Block {
    fn new(
        [inputs, outputs]: [usize; 2],
        activation: Activation,
        drop_path: DropPath,
        members: Members,
        device: &Device,
    ) -> Self {
        let grows = inputs != outputs;
        let stride = if grows { 2 } else { 1 };
        let conv = |config: &Conv2dConfig, place| members.conv(config, place, device);
        let norm = || members.norm(outputs, device);
        Self {
            conv1: conv(&conv3x3(inputs, outputs, stride), Place::First),
            bn1: norm(),
            conv2: conv(&conv3x3(outputs, outputs, 1), Place::Inner),
            bn2: norm(),
            downsample: grows.then(|| {
                let projection = projection(inputs, outputs, stride);
                (conv(&projection, Place::Inner), norm())
            }),
            drop_path,
            activation,
        }
    }

    fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let shortcut = match &self.downsample {
            Some((conv, bn)) => conv.with_bn(bn, input.clone(), None, Activation::Identity),
            None => input.clone(),
        };
        let planes = self.conv1.with_bn(&self.bn1, input, None, self.activation);
        add_branch(
            (&self.conv2, &self.bn2),
            &self.drop_path,
            planes,
            shortcut,
            self.activation,
        )
    }

    fn graph(&self, path: &str, graph: &mut Graph, input: Value) -> Result<Value, ConfigError> {
        let shortcut = match &self.downsample {
            Some((conv, bn)) => {
                let names = [path, "downsample.0", "downsample.1"];
                conv_graph(names, (conv, bn), graph, input)?
            }
            None => input,
        };
        let convs = [(&self.conv1, &self.bn1), (&self.conv2, &self.bn2)];
        let planes = branch_graph(path, convs, self.activation, graph, input)?;
        Ok(members::add(
            path,
            self.activation,
            graph,
            [planes, shortcut],
        ))
    }
}
