//! ResNet-20 to ResNet-110 for 32×32 images (He, Zhang, Ren and Sun 2015, section 4.2).
//!
//! A convolution to 16 channels, three stages of residual blocks of 16, 32 and 64 channels, the mean over the image, and a linear layer. Keys
//! and layouts are those of the PyTorch implementation whose weights are published for CIFAR-10 (`akamaster/pytorch_resnet_cifar10`).

use burn::tensor::Device;
use firebrick_core::ConfigError;
use firebrick_core::about::{About, Field, Range};
use firebrick_core::error::check;
use firebrick_core::init::{Init, WeightInit};
use firebrick_core::nn::Activation;
use firebrick_core::registry::Entry;
use firebrick_core::spec::Spec;
use serde::{Deserialize, Serialize};

use crate::architecture::{ACTIVATION, INIT};
use crate::builder::{Chain, Window};
use crate::layers::Operation;
use crate::members::{MEMBERS, Members, without_idle_options};
use crate::residual::Stages;
use crate::{Architecture, Build, Input, Model, Network};

/// The last layer.
const HEAD: &str = "linear";
/// Channels of the stages.
const WIDTHS: [usize; 3] = [16, 32, 64];

/// Options of a residual network for CIFAR.
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

    /// The layers, whose weights take no memory before they are drawn or loaded.
    fn network(&self, input: &Input, device: &Device) -> Result<Network, ConfigError> {
        self.check()?;
        input.check(&self.name(), 1)?;
        let activation = Activation::from_spec(&self.activation)?;
        let members = Members::from_spec(&self.members)?;
        let mut chain = Chain::new(input.channels, device).with_members(members);
        let names = ["conv1", "bn1"];
        chain.conv_norm(names, WIDTHS[0], Window::new(3), Some(activation));
        chain.stage("stem");
        let stages = Stages {
            widths: &WIDTHS,
            blocks: (self.depth - 2) / 6,
            activation,
            drop_path: self.drop_path,
        };
        stages.behind(&mut chain, |shortcut, width| match self.shortcut {
            Shortcut::A => shortcut.subsample(width),
            Shortcut::B => {
                let names = ["shortcut.0", "shortcut.1"];
                shortcut.conv_norm(names, width, Window::new(1).stride(2), None);
            }
        })?;
        chain.plain(Operation::GlobalAvgPool);
        chain.head(HEAD, input.classes)?;
        Ok(chain.network(HEAD))
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
        Some(HEAD)
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
        Members::from_spec(&self.members)?.check(&self.name(), &WIDTHS)
    }

    fn undrawn(&self, input: &Input, device: &Device) -> Result<Model, ConfigError> {
        self.network(input, device).map(Network::model)
    }

    fn model(&self, input: &Input, seed: u64, device: &Device) -> Result<Model, ConfigError> {
        let init = Init::from_spec(&self.init, REFERENCE)?;
        Ok(self.network(input, device)?.drawn(init, seed).model())
    }
}
