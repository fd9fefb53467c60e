//! The options of the families.

use firebrick_core::about::{Field, Range};
use firebrick_core::nn::Activation;
use firebrick_core::spec::Spec;
use serde::{Deserialize, Serialize};

use crate::architecture::INIT;
use crate::builder::{Chain, Window};
use crate::resnet18::Stem;

/// The option `dropout` of every family.
pub(crate) const DROPOUT: Field = Field::new("dropout", Range::Within(0.0, 1.0));
/// The option `drop_path` of residual networks.
pub(crate) const DROP_PATH: Field = Field::new("drop_path", Range::Within(0.0, 1.0));

/// Options of a network whose only regularization is dropout in front of its last layers.
///
/// | field | default | meaning |
/// |---|---|---|
/// | `init` | `pytorch` | how weights are drawn; `pytorch` is the reference implementation's way |
/// | `dropout` | as published | drop probability in front of the last layers, in [0, 1] |
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClassifierOptions {
    /// How weights are drawn: `pytorch`, `xavier`, `kaiming`, `orthogonal`, `normal(std=…)`.
    pub init: Spec,
    /// Drop probability in front of the last layers, in [0, 1]; without it, the published one.
    pub dropout: Option<f64>,
}

/// What is said of [`ClassifierOptions`].
pub(crate) const CLASSIFIER: &[Field] = &[INIT, DROPOUT];

impl Default for ClassifierOptions {
    fn default() -> Self {
        Self {
            init: Spec::new("pytorch"),
            dropout: None,
        }
    }
}

/// Options of a network of residual blocks.
///
/// | field | default | meaning |
/// |---|---|---|
/// | `init` | `pytorch` | how weights are drawn; `pytorch` is the reference implementation's way |
/// | `dropout` | as published | drop probability in front of the last layer, in [0, 1] |
/// | `drop_path` | as published | stochastic depth: the probability of dropping the branch of the last block, in [0, 1]; it rises from 0 in equal steps |
/// | `stem` | `imagenet` | `cifar`, for small images: the first convolution has stride 1, and no max-pool follows it |
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ResidualOptions {
    /// How weights are drawn: `pytorch`, `xavier`, `kaiming`, `orthogonal`, `normal(std=…)`.
    pub init: Spec,
    /// Drop probability in front of the last layer, in [0, 1]; without it, the published one.
    pub dropout: Option<f64>,
    /// The probability of dropping the branch of the last block in training, in [0, 1]; without it, the published one.
    pub drop_path: Option<f64>,
    /// What comes before the blocks.
    pub stem: Stem,
}

/// What is said of [`ResidualOptions`].
pub(crate) const RESIDUAL: &[Field] = &[
    INIT,
    DROPOUT,
    DROP_PATH,
    Field::new("stem", Range::Choice(&["imagenet", "cifar"])),
];

impl Default for ResidualOptions {
    fn default() -> Self {
        Self {
            init: Spec::new("pytorch"),
            dropout: None,
            drop_path: None,
            stem: Stem::default(),
        }
    }
}

/// Options that every family has.
pub(crate) trait Options {
    /// How weights are drawn.
    fn init(&self) -> &Spec;

    /// Puts what was published in place of what is not said.
    fn fill(&mut self, dropout: f64, drop_path: f64);

    /// Whether the network is for small images.
    fn is_for_small_images(&self) -> bool {
        false
    }
}

impl Options for ClassifierOptions {
    fn init(&self) -> &Spec {
        &self.init
    }

    fn fill(&mut self, dropout: f64, _drop_path: f64) {
        self.dropout.get_or_insert(dropout);
    }
}

impl ClassifierOptions {
    pub(crate) fn dropout(&self) -> f64 {
        self.dropout.unwrap_or_default()
    }
}

impl Options for ResidualOptions {
    fn init(&self) -> &Spec {
        &self.init
    }

    fn fill(&mut self, dropout: f64, drop_path: f64) {
        self.dropout.get_or_insert(dropout);
        self.drop_path.get_or_insert(drop_path);
    }

    fn is_for_small_images(&self) -> bool {
        self.stem == Stem::Cifar
    }
}

impl ResidualOptions {
    pub(crate) fn dropout(&self) -> f64 {
        self.dropout.unwrap_or_default()
    }

    /// The probabilities of the blocks, for a share of the way to the last one.
    pub(crate) fn drop_path(&self) -> f64 {
        self.drop_path.unwrap_or_default()
    }

    /// The stride of the first convolution: 1 for small images.
    pub(crate) fn stem_stride(&self) -> usize {
        match self.stem {
            Stem::Imagenet => 2,
            Stem::Cifar => 1,
        }
    }

    /// A first convolution of 7×7 pixels, or of 3×3 for small images.
    pub(crate) fn stem_window(&self) -> Window {
        self.stem.window()
    }

    /// The max-pool of 3×3 pixels behind it, which small images do without.
    pub(crate) fn stem_pool(&self, chain: &mut Chain<'_>) {
        self.stem.pool(chain);
    }
}

/// The last layers of most networks: the mean over the image, dropout, and a linear layer.
pub(crate) fn classifier(
    chain: &mut Chain<'_>,
    [dropout, linear]: [&str; 2],
    p: f64,
    classes: usize,
) -> Result<(), firebrick_core::ConfigError> {
    chain.plain(crate::layers::Operation::GlobalAvgPool);
    chain.dropout(dropout, p)?;
    chain.linear(linear, chain.channels, classes);
    Ok(())
}

/// Both activations of squeeze-and-excite.
pub(crate) const RELU_SIGMOID: [Activation; 2] = [Activation::Relu, Activation::Sigmoid];

/// `value` as the nearest multiple of `divisor`, a tenth less at most: how MobileNets round their widths.
pub(crate) fn make_divisible(value: f64, divisor: usize) -> usize {
    let step = divisor as f64;
    let near = ((value + step / 2.0) / step).floor() * step;
    let near = near.max(step);
    let near = if near < 0.9 * value {
        near + step
    } else {
        near
    };
    near as usize
}
