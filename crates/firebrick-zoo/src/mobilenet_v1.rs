//! MobileNet-V1.
//!
//! Source: Howard et al., "MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications" (2017). The layers are those of
//! Google's TensorFlow models: TensorFlow's padding, ReLU6, batch norm with an epsilon of 1e-3. Keys number the layers: `conv0`, then `dw1`
//! and `pw1` to `dw13` and `pw13`, each with its batch norm, and `fc`.

use firebrick_core::ConfigError;
use firebrick_core::about::{Field, Range};
use firebrick_core::init::{Init, WeightInit};
use firebrick_core::nn::Activation::Relu6;
use firebrick_core::spec::Spec;
use serde::{Deserialize, Serialize};

use crate::architecture::INIT;
use crate::builder::{Chain, Window};
use crate::family::{Family, Published};
use crate::network::Network;
use crate::options::{DROPOUT, Options, classifier};

pub(crate) struct MobileNetV1;

/// Options of MobileNet-V1.
///
/// | field | default | meaning |
/// |---|---|---|
/// | `init` | `pytorch` | how weights are drawn |
/// | `dropout` | 0.001 | drop probability in front of the last layer, in [0, 1] |
/// | `width` | 1 | factor of all widths; published are 1, 0.75, 0.5 and 0.25 |
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MobileNetV1Options {
    /// How weights are drawn: `pytorch`, `xavier`, `kaiming`, `orthogonal`, `normal(std=…)`.
    pub init: Spec,
    /// Drop probability in front of the last layer, in [0, 1]; without it, 0.001.
    pub dropout: Option<f64>,
    /// Factor of all widths, which are at least 8 channels.
    pub width: f64,
}

impl Default for MobileNetV1Options {
    fn default() -> Self {
        Self {
            init: Spec::new("pytorch"),
            dropout: None,
            width: 1.0,
        }
    }
}

impl Options for MobileNetV1Options {
    fn init(&self) -> &Spec {
        &self.init
    }

    fn fill(&mut self, dropout: f64, _drop_path: f64) {
        self.dropout.get_or_insert(dropout);
    }
}

/// Channels behind the pointwise convolution, and stride of the depthwise one, of each of the thirteen blocks.
pub(crate) type Blocks = [(usize, usize); 13];

const FIELDS: &[Field] = &[INIT, DROPOUT, Field::new("width", Range::Within(0.05, 4.0))];

const fn mobilenet(name: &'static str, blocks: Blocks) -> Published<MobileNetV1> {
    Published {
        dropout: 0.001,
        ..Published::new(
            name,
            "MobileNet-V1 for photos, of depthwise convolutions",
            "Howard et al. 2017; Google's TensorFlow models",
            FIELDS,
            blocks,
        )
    }
}

const BLOCKS: Blocks = [
    (64, 1),
    (128, 2),
    (128, 1),
    (256, 2),
    (256, 1),
    (512, 2),
    (512, 1),
    (512, 1),
    (512, 1),
    (512, 1),
    (512, 1),
    (1024, 2),
    (1024, 1),
];

const TINY: Blocks = [
    (12, 1),
    (16, 2),
    (16, 1),
    (16, 2),
    (16, 1),
    (24, 2),
    (24, 1),
    (24, 1),
    (24, 1),
    (24, 1),
    (24, 1),
    (32, 2),
    (32, 1),
];

impl Family for MobileNetV1 {
    type Options = MobileNetV1Options;
    type Size = Blocks;

    const NETWORKS: &'static [Published<Self>] = &[
        mobilenet("mobilenet_v1", BLOCKS),
        Published {
            side: 32,
            classes: 10,
            ..mobilenet("test_mobilenet_v1", TINY)
        },
    ];
    const REFERENCE: Init = Init {
        conv: WeightInit::KaimingNormalFanOut,
        linear: WeightInit::UniformFanOut(1.0),
        random_bias: false,
    };
    const HEAD: &'static str = "fc";

    fn build(
        blocks: &Blocks,
        options: &MobileNetV1Options,
        classes: usize,
        chain: &mut Chain<'_>,
    ) -> Result<(), ConfigError> {
        let width = |width: usize| ((width as f64 * options.width) as usize).max(8);
        chain.set_norms(1e-3, 0.1);
        chain.set_tensorflow();
        let stem = Window::new(3).stride(2);
        let mut stage = 1;
        chain.conv_norm(["conv0", "conv0_bn"], width(32), stem, Some(Relu6));
        for (at, (outputs, stride)) in blocks.iter().enumerate() {
            if *stride == 2 {
                chain.stage(format!("stage{stage}"));
                stage += 1;
            }
            let number = at + 1;
            let each = Window::new(3).stride(*stride).groups(chain.channels);
            let names = ["dw", "pw"].map(|kind| {
                let conv = format!("{kind}{number}");
                let norm = format!("{conv}_bn");
                [conv, norm]
            });
            let [dw, pw] = &names;
            chain.conv_norm([&dw[0], &dw[1]], chain.channels, each, Some(Relu6));
            chain.conv_norm(
                [&pw[0], &pw[1]],
                width(*outputs),
                Window::new(1),
                Some(Relu6),
            );
        }
        chain.stage(format!("stage{stage}"));
        let p = options.dropout.unwrap_or_default();
        classifier(chain, ["dropout", "fc"], p, classes)
    }

    fn drawn(network: Network, _seed: u64) -> Network {
        network.with_fan_out_of_groups()
    }
}
