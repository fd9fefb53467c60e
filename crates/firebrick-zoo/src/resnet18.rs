//! ResNet-18 (He, Zhang, Ren and Sun 2015), with the stem for photos or for 32×32 images.
//!
//! A stem to 64 channels, four stages of two residual blocks of 64 to 512 channels, the mean over the image, and a linear layer. 11 689 512
//! parameters for 1000 classes; keys and layouts are torchvision's.

use burn::tensor::Device;
use firebrick_core::ConfigError;
use firebrick_core::about::{About, Field, Range};
use firebrick_core::init::{Init, WeightInit};
use firebrick_core::nn::Activation;
use firebrick_core::spec::Spec;
use serde::{Deserialize, Serialize};

use crate::architecture::{ACTIVATION, INIT};
use crate::builder::{Chain, Window};
use crate::layers::Operation;
use crate::members::{MEMBERS, Members, without_idle_options};
use crate::residual::Stages;
use crate::{Architecture, Input, Model, ModelConfig, Network};

const NAME: &str = "resnet18";
/// The last layer.
const HEAD: &str = "fc";
/// Channels of the stages.
const WIDTHS: [usize; 4] = [64, 128, 256, 512];

/// Options of ResNet-18.
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
    /// The layers, whose weights take no memory before they are drawn or loaded.
    fn network(&self, input: &Input, device: &Device) -> Result<Network, ConfigError> {
        self.check()?;
        input.check(NAME, 1)?;
        let activation = Activation::from_spec(&self.activation)?;
        let members = Members::from_spec(&self.members)?;
        let mut chain = Chain::new(input.channels, device).with_members(members);
        let names = ["conv1", "bn1"];
        chain.conv_norm(names, WIDTHS[0], self.stem.window(), Some(activation));
        chain.stage("stem");
        self.stem.pool(&mut chain);
        let stages = Stages {
            widths: &WIDTHS,
            blocks: 2,
            activation,
            drop_path: self.drop_path,
        };
        stages.behind(&mut chain, |projection, width| {
            let names = ["downsample.0", "downsample.1"];
            projection.conv_norm(names, width, Window::new(1).stride(2), None);
        })?;
        chain.plain(Operation::GlobalAvgPool);
        chain.head(HEAD, input.classes)?;
        Ok(chain.network(HEAD))
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
        Some(HEAD)
    }

    fn check(&self) -> Result<(), ConfigError> {
        Self::ABOUT.check(self)?;
        Init::from_spec(&self.init, REFERENCE)?;
        Activation::from_spec(&self.activation)?;
        Members::from_spec(&self.members)?.check(NAME, &WIDTHS)
    }

    fn undrawn(&self, input: &Input, device: &Device) -> Result<Model, ConfigError> {
        self.network(input, device).map(Network::model)
    }

    fn model(&self, input: &Input, seed: u64, device: &Device) -> Result<Model, ConfigError> {
        let init = Init::from_spec(&self.init, REFERENCE)?;
        Ok(self.network(input, device)?.drawn(init, seed).model())
    }
}

impl Stem {
    /// A first convolution of 7×7 pixels with stride 2, or of 3×3 pixels.
    pub(crate) fn window(self) -> Window {
        match self {
            Self::Imagenet => Window::new(7).stride(2),
            Self::Cifar => Window::new(3),
        }
    }

    /// The max-pool of 3×3 pixels behind it, which small images do without.
    pub(crate) fn pool(self, chain: &mut Chain<'_>) {
        if self == Self::Imagenet {
            chain.max_pool(3, 2, 1, false);
        }
    }
}
