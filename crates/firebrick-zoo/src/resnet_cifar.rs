//! ResNet-20 to ResNet-110 for 32×32 images (He, Zhang, Ren and Sun 2015, section 4.2).

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use firebrick_core::about::{About, Field, Range};
use firebrick_core::error::check;
use firebrick_core::graph::{Graph, Operator, Value};
use firebrick_core::init::{Init, WeightInit};
use firebrick_core::kernels::subsample;
use firebrick_core::nn::{Activation, BatchNorm, Conv2dConfig, GlobalAvgPool};
use firebrick_core::registry::Entry;
use firebrick_core::spec::Spec;
use firebrick_core::{Classifier, ConfigError, TrainingScores};
use firebrick_regularize::dropout::{DropPath, DropPathConfig, drop_path_rates};
use serde::{Deserialize, Serialize};

use crate::architecture::{ACTIVATION, INIT};
use crate::backbone::{Backbone, Stage};
use crate::layers::as_planes;
use crate::members::{self, MEMBERS, MemberConv, MemberHead, Members, Place, without_idle_options};
use crate::residual::{add_branch, branch_graph, conv_graph, conv3x3, projection};
use crate::{Architecture, Build, Head, Input, Model};

/// Configuration of [`ResNetCifar`].
///
/// | field | default | meaning |
/// |---|---|---|
/// | `init` | `pytorch` | how weights are drawn; `pytorch` is He's normal, as in the reference |
/// | `activation` | `relu` | after every batch norm, in blocks after the sum |
/// | `shortcut` | `a` | where the number of planes doubles: `a` pads with zeros, `b` has a 1×1 convolution |
/// | `drop_path` | 0 | stochastic depth: the probability of dropping the branch of the last block, in [0, 1]; it rises from 0 in equal steps |
/// | `members` | `one` | several members in one network: [`Members`] |
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ResNetCifarConfig {
    /// Layers with weights, 6n + 2: 20, 32, 44, 56, 110. Specs give it by the model's name.
    #[serde(skip)]
    pub depth: usize,
    /// How weights are drawn: `pytorch`, `xavier`, `kaiming`, `orthogonal`, `normal(std=…)`.
    pub init: Spec,
    /// The activation after every batch norm, in blocks after the sum.
    pub activation: Spec,
    /// What the shortcut does where the number of planes doubles.
    pub shortcut: Shortcut,
    /// The probability of dropping the branch of the last block in training, in [0, 1]; it rises from 0 at the first.
    pub drop_path: f64,
    /// Several members in one network: `one`, `batch_ensemble(…)`, `packed(…)`, `mimo(…)`.
    pub members: Spec,
}

const FIELDS: &[Field] = &[
    INIT,
    ACTIVATION,
    Field::new("shortcut", Range::Choice(&["a", "b"])),
    Field::new("drop_path", Range::Within(0.0, 1.0)),
    MEMBERS,
];

/// The depths that have a name.
pub(crate) const ABOUT: [About; 5] = [
    About::new("resnet20", "ResNet-20 for 32×32 images", FIELDS),
    About::new("resnet32", "ResNet-32 for 32×32 images", FIELDS),
    About::new("resnet44", "ResNet-44 for 32×32 images", FIELDS),
    About::new("resnet56", "ResNet-56 for 32×32 images", FIELDS),
    About::new("resnet110", "ResNet-110 for 32×32 images", FIELDS),
];

/// The entry of a depth.
pub(crate) const fn entry<const DEPTH: usize>(about: &'static About) -> Entry<Build> {
    Entry::new::<ResNetCifarConfig>(
        about,
        Build {
            architecture: |spec| {
                let options = spec.resolve::<ResNetCifarConfig>()?;
                Ok(Box::new(ResNetCifarConfig {
                    depth: DEPTH,
                    ..options
                }))
            },
        },
    )
}

/// What the shortcut does where the size halves and the number of planes doubles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shortcut {
    /// Takes every second row and column and pads planes of zeros, half of them on each side: the
    /// paper's option A, without weights.
    #[default]
    A,
    /// A 1×1 convolution with batch norm: option B.
    B,
}

/// The reference implementation's: He's normal for all weights; the linear bias as PyTorch draws it.
const REFERENCE: Init = Init {
    conv: WeightInit::KaimingNormal,
    linear: WeightInit::KaimingNormal,
    random_bias: true,
};

impl Default for ResNetCifarConfig {
    fn default() -> Self {
        Self {
            depth: 20,
            init: Spec::new("pytorch"),
            activation: Spec::new("relu"),
            shortcut: Shortcut::default(),
            drop_path: 0.0,
            members: Spec::new("one"),
        }
    }
}

impl ResNetCifarConfig {
    /// The default options at a depth of 6n + 2.
    #[must_use]
    pub fn new(depth: usize) -> Self {
        Self {
            depth,
            ..Self::default()
        }
    }

    /// Builds the model; its weights are drawn on the host from `seed`.
    ///
    /// # Errors
    /// [`ConfigError`] naming the option or what is wrong with the input.
    pub fn build(
        &self,
        input: &Input,
        seed: u64,
        device: &Device,
    ) -> Result<ResNetCifar, ConfigError> {
        let init = Init::from_spec(&self.init, REFERENCE)?;
        let model = self.undrawn(input, device)?;
        Ok(model.members.draw(init, model, seed))
    }

    /// The layers, whose weights take no memory before they are drawn or loaded.
    fn undrawn(&self, input: &Input, device: &Device) -> Result<ResNetCifar, ConfigError> {
        self.check()?;
        input.check(&self.name(), 1)?;
        let activation = Activation::from_spec(&self.activation)?;
        let members = Members::from_spec(&self.members)?;
        let blocks = (self.depth - 2) / 6;
        let mut drop_paths = drop_path_rates(self.drop_path, 3 * blocks).into_iter();
        let mut stage = |inputs: usize, outputs: usize| {
            let blocks = drop_paths.by_ref().take(blocks).enumerate();
            let blocks = blocks.map(|(block, p)| {
                let inputs = if block == 0 { inputs } else { outputs };
                let drop_path = DropPathConfig::new(p).init()?;
                Ok(ResNetCifarBlock::new(
                    [inputs, outputs],
                    self.shortcut,
                    activation,
                    drop_path,
                    members,
                    device,
                ))
            });
            blocks.collect::<Result<Vec<_>, ConfigError>>()
        };
        Ok(ResNetCifar {
            conv1: members.conv(&conv3x3(input.channels, 16, 1), Place::Images, device),
            bn1: members.norm(16, device),
            layer1: stage(16, 16)?,
            layer2: stage(16, 32)?,
            layer3: stage(32, 64)?,
            linear: members.head(64, input.classes, device)?,
            pool: GlobalAvgPool {},
            activation,
            members,
        })
    }

    fn name(&self) -> String {
        format!("resnet{}", self.depth)
    }
}

impl Architecture for ResNetCifarConfig {
    fn spec(&self) -> Spec {
        without_idle_options(Spec::canonical(&self.name(), self), &self.members)
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
        if self.depth < 8 || self.depth % 6 != 2 {
            let range = "6n + 2 with n of at least 1, such as 20, 32, 44, 56 or 110";
            return Err(ConfigError::out_of_range(
                "resnet", "depth", self.depth, range,
            ));
        }
        check(&self.name(), "drop_path", self.drop_path, 0.0..=1.0)?;
        Init::from_spec(&self.init, REFERENCE)?;
        Activation::from_spec(&self.activation)?;
        Members::from_spec(&self.members)?.check(&self.name(), &[16, 32, 64])
    }

    fn undrawn(&self, input: &Input, device: &Device) -> Result<Model, ConfigError> {
        Self::undrawn(self, input, device).map(|model| model.members.model(model))
    }

    fn model(&self, input: &Input, seed: u64, device: &Device) -> Result<Model, ConfigError> {
        self.build(input, seed, device)
            .map(|model| model.members.model(model))
    }
}

/// A convolution to 16 planes, three stages of residual blocks of 16, 32 and 64 planes, the mean
/// of each plane, and a linear layer.
///
/// Keys and layouts are those of the PyTorch implementation whose weights are published for
/// CIFAR-10 (`akamaster/pytorch_resnet_cifar10`).
#[derive(Module, Debug)]
pub struct ResNetCifar {
    /// To 16 planes.
    pub conv1: MemberConv,
    /// Batch norm of the first convolution.
    pub bn1: BatchNorm,
    /// The stage of 16 planes.
    pub layer1: Vec<ResNetCifarBlock>,
    /// The stage of 32 planes.
    pub layer2: Vec<ResNetCifarBlock>,
    /// The stage of 64 planes.
    pub layer3: Vec<ResNetCifarBlock>,
    /// To the classes.
    pub linear: MemberHead,
    /// The mean of each plane.
    pub pool: GlobalAvgPool,
    /// After each batch norm.
    #[module(skip)]
    pub activation: Activation,
    /// The members of the network; planes are those of a single one.
    #[module(skip)]
    pub members: Members,
}

impl Classifier for ResNetCifar {
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
            for (stage, blocks) in (1..).zip([&self.layer1, &self.layer2, &self.layer3]) {
                for (number, block) in blocks.iter().enumerate() {
                    planes = block.graph(&format!("layer{stage}.{number}"), graph, planes)?;
                }
            }
            let features = graph.push("pool", Operator::GlobalAvgPool, &[planes]);
            self.linear.graph("linear", graph, features)
        })
    }
}

/// Of a network without members; of one with members, [`Backbone::logits`] are the outputs for the inputs of its members.
impl Backbone for ResNetCifar {
    fn stages(&self) -> Vec<Stage> {
        let stage = |name: &str, modules: &[&str], layer: usize| Stage {
            name: name.into(),
            modules: modules.iter().copied().map(String::from).collect(),
            width: 16 << layer,
            stride: Some(1 << layer),
        };
        vec![
            stage("stem", &["conv1", "bn1"], 0),
            stage("layer1", &["layer1"], 0),
            stage("layer2", &["layer2"], 1),
            stage("layer3", &["layer3"], 2),
        ]
    }

    fn embed_through(
        &self,
        images: Tensor<4>,
        stage: &mut dyn FnMut(Tensor<4>) -> Tensor<4>,
    ) -> Tensor<4> {
        let mut planes = self.conv1.with_bn(&self.bn1, images, None, self.activation);
        planes = stage(planes);
        for blocks in [&self.layer1, &self.layer2, &self.layer3] {
            let blocks = blocks.iter();
            planes = blocks.fold(planes, |planes, block| block.forward(planes));
            planes = stage(planes);
        }
        as_planes(self.pool.forward(planes))
    }

    fn classify(&self, features: Tensor<4>) -> Tensor<2> {
        self.linear.forward(features.flatten(1, 3))
    }

    fn with_head(self, head: Head, classes: usize, seed: u64) -> Self {
        Self {
            linear: self.linear.replaced(head, classes, seed),
            ..self
        }
    }
}

/// Two 3×3 convolutions, added to what came in.
#[derive(Module, Debug)]
pub struct ResNetCifarBlock {
    /// The first convolution.
    pub conv1: MemberConv,
    /// Batch norm of the first convolution.
    pub bn1: BatchNorm,
    /// The second convolution.
    pub conv2: MemberConv,
    /// Batch norm of the second convolution.
    pub bn2: BatchNorm,
    /// The projection of option B where the number of planes doubles.
    pub shortcut: Option<(MemberConv, BatchNorm)>,
    /// Stochastic depth of the branch.
    pub drop_path: DropPath,
    /// After each batch norm.
    #[module(skip)]
    pub activation: Activation,
    /// The members of the network.
    #[module(skip)]
    pub members: Members,
}

impl ResNetCifarBlock {
    fn new(
        [inputs, outputs]: [usize; 2],
        shortcut: Shortcut,
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
            shortcut: (grows && shortcut == Shortcut::B).then(|| {
                let projection = projection(inputs, outputs, stride);
                (conv(&projection, Place::Inner), norm())
            }),
            drop_path,
            activation,
            members,
        }
    }

    fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let shortcut = self.shortcut(input.clone());
        let planes = self.conv1.with_bn(&self.bn1, input, None, self.activation);
        add_branch(
            (&self.conv2, &self.bn2),
            &self.drop_path,
            planes,
            shortcut,
            self.activation,
        )
    }

    fn shortcut(&self, input: Tensor<4>) -> Tensor<4> {
        if let Some((conv, bn)) = &self.shortcut {
            return conv.with_bn(bn, input, None, Activation::Identity);
        }
        let [_, inputs, ..] = input.dims();
        let missing = self.conv1.outputs() - inputs;
        if missing == 0 {
            return input;
        }
        let members = self.members.side_by_side();
        let before = missing / members / 2;
        let sides = (before, missing / members - before);
        if members == 1 {
            return subsample(input, 2, sides);
        }
        let parts = input.chunk(members, 1).into_iter();
        Tensor::cat(parts.map(|own| subsample(own, 2, sides)).collect(), 1)
    }

    fn graph(&self, path: &str, graph: &mut Graph, input: Value) -> Result<Value, ConfigError> {
        let convs = [(&self.conv1, &self.bn1), (&self.conv2, &self.bn2)];
        let planes = branch_graph(path, convs, self.activation, graph, input)?;
        let shortcut = match &self.shortcut {
            Some((conv, bn)) => {
                let names = [path, "shortcut.0", "shortcut.1"];
                conv_graph(names, (conv, bn), graph, input)?
            }
            None => self.graph_of_option_a(path, graph, input, planes),
        };
        Ok(members::add(
            path,
            self.activation,
            graph,
            [planes, shortcut],
        ))
    }

    /// The shortcut without weights, to the planes of the branch; members lie side by side.
    fn graph_of_option_a(
        &self,
        path: &str,
        graph: &mut Graph,
        input: Value,
        branch: Value,
    ) -> Value {
        let missing = graph.shape(branch)[0] - graph.shape(input)[0];
        if missing == 0 {
            return input;
        }
        let members = self.members.apart();
        let before = missing / members / 2;
        let sides = (before, missing / members - before);
        let parts = graph.split(path, members, input).into_iter();
        let parts: Vec<Value> = parts
            .map(|own| graph.subsample(path, 2, sides, own))
            .collect();
        graph.concat(path, &parts)
    }
}
