//! Wide ResNet for 32×32 images.
//!
//! Source: Zagoruyko and Komodakis, "Wide Residual Networks", BMVC 2016, WRN-28-10 with blocks of two 3×3 convolutions that normalize first; dropout, where
//! it is asked for, lies between the convolutions of a block. There is no reference implementation in PyTorch; keys are `conv1`, then
//! `block1.layer.0.bn1`, `.conv1`, `.bn2`, `.conv2` and `.convShortcut` to `block3`, and `bn1` and `fc`, as most ports have them.

use firebrick_core::ConfigError;
use firebrick_core::about::Field;
use firebrick_core::init::{Init, WeightInit};
use firebrick_core::nn::Activation::Relu;
use firebrick_core::spec::Spec;
use firebrick_regularize::dropout::drop_path_rates;
use serde::{Deserialize, Serialize};

use crate::architecture::INIT;
use crate::builder::{Chain, Window};
use crate::family::{Family, Published};
use crate::layers::{Join, Operation};
use crate::options::{DROP_PATH, DROPOUT, Options};

pub(crate) struct WideResNetCifar;

pub(crate) struct Size {
    /// Blocks of each of the three stages.
    blocks: usize,
    /// Channels of the stem and of the stages.
    widths: [usize; 4],
}

/// Options of Wide ResNet for small images.
///
/// | field | default | meaning |
/// |---|---|---|
/// | `init` | `pytorch` | how weights are drawn |
/// | `dropout` | 0 | drop probability between the convolutions of a block, in [0, 1]; the paper has 0.3 where it uses any |
/// | `drop_path` | 0 | stochastic depth: the probability of dropping the branch of the last block, in [0, 1]; it rises from 0 in equal steps |
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WideResNetOptions {
    /// How weights are drawn: `pytorch`, `xavier`, `kaiming`, `orthogonal`, `normal(std=…)`.
    pub init: Spec,
    /// Drop probability between the convolutions of a block, in [0, 1]; without it, 0.
    pub dropout: Option<f64>,
    /// The probability of dropping the branch of the last block in training, in [0, 1]; without it, 0.
    pub drop_path: Option<f64>,
}

const FIELDS: &[Field] = &[INIT, DROPOUT, DROP_PATH];

impl Default for WideResNetOptions {
    fn default() -> Self {
        Self {
            init: Spec::new("pytorch"),
            dropout: None,
            drop_path: None,
        }
    }
}

impl Options for WideResNetOptions {
    fn init(&self) -> &Spec {
        &self.init
    }

    fn fill(&mut self, dropout: f64, drop_path: f64) {
        self.dropout.get_or_insert(dropout);
        self.drop_path.get_or_insert(drop_path);
    }
}

const fn wide_resnet(name: &'static str, size: Size) -> Published<WideResNetCifar> {
    Published {
        side: 32,
        classes: 10,
        ..Published::new(
            name,
            "Wide ResNet for 32×32 images",
            "Zagoruyko and Komodakis 2016",
            FIELDS,
            size,
        )
    }
}

impl Family for WideResNetCifar {
    type Options = WideResNetOptions;
    type Size = Size;

    const NETWORKS: &'static [Published<Self>] = &[
        wide_resnet(
            "wide_resnet28_10",
            Size {
                blocks: 4,
                widths: [16, 160, 320, 640],
            },
        ),
        wide_resnet(
            "test_wide_resnet",
            Size {
                blocks: 2,
                widths: [8, 12, 16, 24],
            },
        ),
    ];
    const REFERENCE: Init = Init {
        conv: WeightInit::KaimingNormalFanOut,
        linear: WeightInit::KaimingUniform,
        random_bias: false,
    };
    const HEAD: &'static str = "fc";

    fn build(
        size: &Size,
        options: &WideResNetOptions,
        classes: usize,
        chain: &mut Chain<'_>,
    ) -> Result<(), ConfigError> {
        let [stem, widths @ ..] = size.widths;
        let dropout = options.dropout.unwrap_or_default();
        let rate = options.drop_path.unwrap_or_default();
        let mut rates = drop_path_rates(rate, 3 * size.blocks).into_iter();
        chain.conv("conv1", stem, Window::new(3));
        for (stage, width) in widths.into_iter().enumerate() {
            for block in 0..size.blocks {
                let stride = if stage > 0 && block == 0 { 2 } else { 1 };
                let mut first = chain.branch();
                first.norm("bn1");
                first.activation(Relu);
                let mut branch = chain.branch();
                let window = Window::new(3).stride(stride);
                branch.conv_norm(["conv1", "bn2"], width, window, Some(Relu));
                branch.dropout("dropout", dropout)?;
                branch.conv("conv2", width, Window::new(3));
                branch.drop_path(rates.next().unwrap_or_default())?;
                let mut parts = vec![first, branch];
                if stride != 1 || chain.channels != width {
                    let mut projection = chain.branch();
                    projection.conv("convShortcut", width, Window::new(1).stride(stride));
                    parts.push(projection);
                }
                let name = format!("block{}.layer.{block}", stage + 1);
                chain.branches(name, Join::Preactivated, parts);
            }
            chain.stage(format!("block{}", stage + 1));
        }
        chain.norm("bn1");
        chain.activation(Relu);
        chain.plain(Operation::GlobalAvgPool);
        chain.linear("fc", chain.channels, classes);
        Ok(())
    }
}
