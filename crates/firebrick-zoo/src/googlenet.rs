//! GoogLeNet, which is Inception-v1 with batch norm.
//!
//! Source: Szegedy et al., "Going Deeper with Convolutions", CVPR 2015; keys and layouts are torchvision's, and so are the windows of 3×3
//! pixels where the paper has 5×5. The published weights expect pixels from -1 to 1: mean and deviation 0.5.
//!
//! The paper trains two more heads in the middle of the network. Without `aux`, tensors of these heads in a file are ignored; with `aux=true`, the
//! network holds them and writes them again. It never runs them, in training neither.

use firebrick_core::ConfigError;
use firebrick_core::about::{Field, Range};
use firebrick_core::init::{Init, WeightInit};
use firebrick_core::nn::Activation::Relu;
use firebrick_core::spec::Spec;
use serde::{Deserialize, Serialize};

use crate::architecture::INIT;
use crate::builder::{Chain, Window};
use crate::family::{Family, Published};
use crate::layers::Join;
use crate::options::{DROPOUT, Options, classifier};

pub(crate) struct GoogLeNet;

/// Options of the Inception networks.
///
/// | field | default | meaning |
/// |---|---|---|
/// | `init` | `pytorch` | how weights are drawn |
/// | `dropout` | as published | drop probability in front of the last layer, in [0, 1] |
/// | `aux` | `false` | whether the network holds the weights of the auxiliary heads, which it never runs |
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct InceptionOptions {
    /// How weights are drawn: `pytorch`, `xavier`, `kaiming`, `orthogonal`, `normal(std=…)`.
    pub init: Spec,
    /// Drop probability in front of the last layer, in [0, 1]; without it, the published one.
    pub dropout: Option<f64>,
    /// Whether the network holds the weights of the auxiliary heads.
    pub aux: bool,
}

/// What is said of [`InceptionOptions`].
pub(crate) const FIELDS: &[Field] = &[INIT, DROPOUT, Field::new("aux", Range::Flag)];

impl Default for InceptionOptions {
    fn default() -> Self {
        Self {
            init: Spec::new("pytorch"),
            dropout: None,
            aux: false,
        }
    }
}

impl Options for InceptionOptions {
    fn init(&self) -> &Spec {
        &self.init
    }

    fn fill(&mut self, dropout: f64, _drop_path: f64) {
        self.dropout.get_or_insert(dropout);
    }
}

/// An inception module: its name, and the channels of `branch1`, `branch2` (both layers), `branch3` (both layers) and `branch4`.
type Module = (&'static str, [usize; 6]);

pub(crate) struct Size {
    stem: [usize; 3],
    stages: [&'static [Module]; 3],
}

/// Sides of the max-pools behind the first two stages.
const POOLS: [usize; 2] = [3, 2];

const fn googlenet(name: &'static str, size: Size) -> Published<GoogLeNet> {
    Published {
        least_side: 15,
        dropout: 0.2,
        ..Published::new(
            name,
            "GoogLeNet for photos, of inception modules",
            "Szegedy et al. 2015; torchvision",
            FIELDS,
            size,
        )
    }
}

impl Family for GoogLeNet {
    type Options = InceptionOptions;
    type Size = Size;

    const NETWORKS: &'static [Published<Self>] = &[
        googlenet(
            "googlenet",
            Size {
                stem: [64, 64, 192],
                stages: [
                    &[
                        ("3a", [64, 96, 128, 16, 32, 32]),
                        ("3b", [128, 128, 192, 32, 96, 64]),
                    ],
                    &[
                        ("4a", [192, 96, 208, 16, 48, 64]),
                        ("4b", [160, 112, 224, 24, 64, 64]),
                        ("4c", [128, 128, 256, 24, 64, 64]),
                        ("4d", [112, 144, 288, 32, 64, 64]),
                        ("4e", [256, 160, 320, 32, 128, 128]),
                    ],
                    &[
                        ("5a", [256, 160, 320, 32, 128, 128]),
                        ("5b", [384, 192, 384, 48, 128, 128]),
                    ],
                ],
            },
        ),
        Published {
            side: 32,
            classes: 10,
            ..googlenet(
                "test_googlenet",
                Size {
                    stem: [8, 8, 12],
                    stages: [
                        &[("3a", [4, 4, 6, 2, 4, 4])],
                        &[("4a", [6, 4, 6, 2, 4, 4]), ("4d", [6, 4, 6, 2, 4, 4])],
                        &[("5a", [6, 4, 8, 2, 4, 4])],
                    ],
                },
            )
        },
    ];
    // Normal, cut off at 200 deviations.
    const REFERENCE: Init = Init {
        conv: WeightInit::Normal(0.01),
        linear: WeightInit::Normal(0.01),
        random_bias: true,
    };
    const HEAD: &'static str = "fc";
    const IGNORED: &'static [&'static str] = &["aux1.*", "aux2.*"];

    fn build(
        size: &Size,
        options: &InceptionOptions,
        classes: usize,
        chain: &mut Chain<'_>,
    ) -> Result<(), ConfigError> {
        chain.set_norms(1e-3, 0.1);
        let [first, second, third] = size.stem;
        basic(chain, "conv1", first, Window::new(7).stride(2));
        chain.max_pool(3, 2, 0, true);
        basic(chain, "conv2", second, Window::new(1));
        basic(chain, "conv3", third, Window::new(3));
        chain.stage("stem");
        chain.max_pool(3, 2, 0, true);
        for (stage, modules) in size.stages.iter().enumerate() {
            for (name, widths) in *modules {
                inception(chain, name, *widths);
                let aux = match *name {
                    "4a" => "aux1",
                    "4d" => "aux2",
                    _ => continue,
                };
                if options.aux {
                    let mut head = chain.branch();
                    basic(&mut head, "conv", 128, Window::new(1));
                    head.linear("fc1", 2048, 1024);
                    head.linear("fc2", 1024, classes);
                    chain.held(aux, head);
                }
            }
            chain.stage(format!("inception{}", stage + 3));
            if let Some(side) = POOLS.get(stage) {
                chain.max_pool(*side, 2, 0, true);
            }
        }
        let p = options.dropout.unwrap_or_default();
        classifier(chain, ["dropout", "fc"], p, classes)
    }
}

/// A convolution, batch norm and ReLU under torchvision's names.
pub(crate) fn basic(chain: &mut Chain<'_>, name: &str, width: usize, window: Window) {
    let names = [format!("{name}.conv"), format!("{name}.bn")];
    chain.conv_norm([&names[0], &names[1]], width, window, Some(Relu));
}

fn inception(chain: &mut Chain<'_>, name: &str, widths: [usize; 6]) {
    let [first, second_in, second, third_in, third, fourth] = widths;
    let mut branches = [(); 4].map(|()| chain.branch());
    basic(&mut branches[0], "branch1", first, Window::new(1));
    basic(&mut branches[1], "branch2.0", second_in, Window::new(1));
    basic(&mut branches[1], "branch2.1", second, Window::new(3));
    basic(&mut branches[2], "branch3.0", third_in, Window::new(1));
    basic(&mut branches[2], "branch3.1", third, Window::new(3));
    branches[3].max_pool(3, 1, 1, true);
    basic(&mut branches[3], "branch4.1", fourth, Window::new(1));
    chain.branches(format!("inception{name}"), Join::Concat, branches.into());
}
