//! SqueezeNet 1.0 and 1.1.
//!
//! Source: Iandola et al., "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters and <0.5MB model size" (2016); version 1.1 is from
//! the authors' repository. Keys and layouts are torchvision's.

use firebrick_core::ConfigError;
use firebrick_core::about::{Field, Range};
use firebrick_core::init::{Init, WeightInit};
use firebrick_core::nn::Activation::Relu;
use firebrick_core::spec::Spec;
use serde::{Deserialize, Serialize};

use crate::architecture::INIT;
use crate::builder::{Chain, Window};
use crate::family::{Family, Published};
use crate::layers::{Join, Operation};
use crate::network::Network;
use crate::options::{DROPOUT, Options};

/// Options of SqueezeNet.
///
/// | field | default | meaning |
/// |---|---|---|
/// | `init` | `pytorch` | how weights are drawn; `pytorch` is the reference implementation's way |
/// | `dropout` | as published | drop probability in front of the last layer, in [0, 1] |
/// | `head` | `published` | the last layer scores each pixel, and a ReLU and the mean over the image follow; `linear`: the mean first and no ReLU, so that it is a linear classifier on the pooled features |
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SqueezeNetOptions {
    /// How weights are drawn: `pytorch`, `xavier`, `kaiming`, `orthogonal`, `normal(std=…)`.
    pub init: Spec,
    /// Drop probability in front of the last layer, in [0, 1]; without it, the published one.
    pub dropout: Option<f64>,
    /// What the end of the network is.
    pub head: SqueezeNetHead,
}

/// The end of a SqueezeNet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SqueezeNetHead {
    /// Each pixel is scored; a ReLU and the mean over the image follow.
    #[default]
    Published,
    /// The mean over the image is scored.
    Linear,
}

const FIELDS: &[Field] = &[
    INIT,
    DROPOUT,
    Field::new("head", Range::Choice(&["published", "linear"])),
];

impl Default for SqueezeNetOptions {
    fn default() -> Self {
        Self {
            init: Spec::new("pytorch"),
            dropout: None,
            head: SqueezeNetHead::default(),
        }
    }
}

impl Options for SqueezeNetOptions {
    fn init(&self) -> &Spec {
        &self.init
    }

    fn fill(&mut self, dropout: f64, _drop_path: f64) {
        self.dropout.get_or_insert(dropout);
    }
}

pub(crate) struct SqueezeNet;

pub(crate) struct Size {
    /// Channels and side of the first window.
    stem: [usize; 2],
    /// Channels of each fire module between its layers; what it leaves is eight times as wide.
    squeezed: [usize; 8],
    /// Fire modules in front of the second and the third max-pool.
    pools: [usize; 2],
}

const fn squeezenet(name: &'static str, least_side: usize, size: Size) -> Published<SqueezeNet> {
    Published {
        least_side,
        dropout: 0.5,
        ..Published::new(
            name,
            "SqueezeNet for photos, small, without batch norm",
            "Iandola et al. 2016; torchvision",
            FIELDS,
            size,
        )
    }
}

const SQUEEZED: [usize; 8] = [16, 16, 32, 32, 48, 48, 64, 64];

impl Family for SqueezeNet {
    type Options = SqueezeNetOptions;
    type Size = Size;

    const NETWORKS: &'static [Published<Self>] = &[
        squeezenet(
            "squeezenet1_0",
            21,
            Size {
                stem: [96, 7],
                squeezed: SQUEEZED,
                pools: [3, 7],
            },
        ),
        squeezenet(
            "squeezenet1_1",
            17,
            Size {
                stem: [64, 3],
                squeezed: SQUEEZED,
                pools: [2, 4],
            },
        ),
        Published {
            side: 32,
            classes: 10,
            ..squeezenet(
                "test_squeezenet",
                17,
                Size {
                    stem: [8, 3],
                    squeezed: [4, 4, 4, 4, 6, 6, 8, 8],
                    pools: [2, 4],
                },
            )
        },
    ];
    // The last convolution: see `drawn`.
    const REFERENCE: Init = Init {
        conv: WeightInit::KaimingUniformRelu,
        linear: WeightInit::KaimingUniform,
        random_bias: false,
    };
    const HEAD: &'static str = "classifier.1";

    fn build(
        size: &Size,
        options: &SqueezeNetOptions,
        classes: usize,
        chain: &mut Chain<'_>,
    ) -> Result<(), ConfigError> {
        let [width, side] = size.stem;
        let window = Window::new(side).stride(2).padding(0).bias();
        chain.conv("features.0", width, window);
        chain.activation(Relu);
        let mut position = 2;
        let mut stage = 1;
        for (at, squeezed) in size.squeezed.into_iter().enumerate() {
            if at == 0 || size.pools.contains(&at) {
                chain.stage(format!("stage{stage}"));
                chain.max_pool(3, 2, 0, true);
                position += 1;
                stage += 1;
            }
            fire(chain, &format!("features.{position}"), squeezed);
            position += 1;
        }
        chain.stage(format!("stage{stage}"));
        chain.dropout("classifier.0", options.dropout.unwrap_or_default())?;
        let score = Window::new(1).bias();
        match options.head {
            SqueezeNetHead::Published => {
                chain.conv("classifier.1", classes, score);
                chain.activation(Relu);
                chain.plain(Operation::GlobalAvgPool);
            }
            SqueezeNetHead::Linear => {
                chain.plain(Operation::GlobalAvgPool);
                chain.conv("classifier.1", classes, score);
            }
        }
        Ok(())
    }

    fn drawn(network: Network, seed: u64) -> Network {
        let last = Init {
            conv: WeightInit::Normal(0.01),
            ..Self::REFERENCE
        };
        network.each_layer(&mut |path, layer| {
            if path == Self::HEAD {
                last.apply(layer, seed)
            } else {
                layer
            }
        })
    }
}

/// A convolution to few channels, then two to four times as many each, side by side.
fn fire(chain: &mut Chain<'_>, name: &str, squeezed: usize) {
    let mut fire = chain.branch();
    fire.conv("squeeze", squeezed, Window::new(1).bias());
    fire.activation(Relu);
    let expand = [("expand1x1", 1), ("expand3x3", 3)].map(|(name, side)| {
        let mut expand = fire.branch();
        expand.conv(name, 4 * squeezed, Window::new(side).bias());
        expand.activation(Relu);
        expand
    });
    fire.branches("", Join::Concat, expand.into());
    chain.chain(name, fire);
}
