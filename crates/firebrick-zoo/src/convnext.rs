//! ConvNeXt, tiny and small.
//!
//! Source: Liu et al., "A ConvNet for the 2020s", CVPR 2022; keys and layouts are torchvision's.

use firebrick_core::ConfigError;
use firebrick_core::about::Field;
use firebrick_core::init::{Init, WeightInit};
use firebrick_core::nn::Activation::{Gelu, Identity};
use firebrick_core::spec::Spec;
use firebrick_regularize::dropout::drop_path_rates;
use serde::{Deserialize, Serialize};

use crate::architecture::INIT;
use crate::builder::{Chain, Window};
use crate::family::{Family, Published};
use crate::layers::Operation;
use crate::options::{DROP_PATH, DROPOUT, Options};

pub(crate) struct ConvNext;

/// Options of ConvNeXt.
///
/// | field | default | meaning |
/// |---|---|---|
/// | `init` | `pytorch` | how weights are drawn |
/// | `dropout` | 0 | drop probability in front of the last layer, in [0, 1] |
/// | `drop_path` | as published | stochastic depth: the probability of dropping the branch of the last block, in [0, 1]; it rises from 0 in equal steps |
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ConvNextOptions {
    /// How weights are drawn: `pytorch`, `xavier`, `kaiming`, `orthogonal`, `normal(std=…)`.
    pub init: Spec,
    /// Drop probability in front of the last layer, in [0, 1]; without it, 0.
    pub dropout: Option<f64>,
    /// The probability of dropping the branch of the last block in training, in [0, 1]; without it, the published one.
    pub drop_path: Option<f64>,
}

const FIELDS: &[Field] = &[INIT, DROPOUT, DROP_PATH];

impl Default for ConvNextOptions {
    fn default() -> Self {
        Self {
            init: Spec::new("pytorch"),
            dropout: None,
            drop_path: None,
        }
    }
}

impl Options for ConvNextOptions {
    fn init(&self) -> &Spec {
        &self.init
    }

    fn fill(&mut self, dropout: f64, drop_path: f64) {
        self.dropout.get_or_insert(dropout);
        self.drop_path.get_or_insert(drop_path);
    }
}

/// Blocks and width of each stage.
pub(crate) type Stages = [(usize, usize); 4];

const fn convnext(name: &'static str, drop_path: f64, stages: Stages) -> Published<ConvNext> {
    Published {
        least_side: 32,
        drop_path,
        ..Published::new(
            name,
            "ConvNeXt for photos, with layer norm and 7×7 depthwise convolutions",
            "Liu et al. 2022; torchvision",
            FIELDS,
            stages,
        )
    }
}

/// Added to variances.
const EPSILON: f64 = 1e-6;
/// What the scales of the branches begin at.
const LAYER_SCALE: f64 = 1e-6;

impl Family for ConvNext {
    type Options = ConvNextOptions;
    type Size = Stages;

    const NETWORKS: &'static [Published<Self>] = &[
        convnext(
            "convnext_tiny",
            0.1,
            [(3, 96), (3, 192), (9, 384), (3, 768)],
        ),
        convnext(
            "convnext_small",
            0.4,
            [(3, 96), (3, 192), (27, 384), (3, 768)],
        ),
        Published {
            side: 32,
            classes: 10,
            ..convnext("test_convnext", 0.1, [(1, 8), (1, 12), (2, 16), (1, 24)])
        },
    ];
    const REFERENCE: Init = Init {
        conv: WeightInit::Normal(0.02),
        linear: WeightInit::Normal(0.02),
        random_bias: false,
    };
    const HEAD: &'static str = "classifier.2";

    fn build(
        stages: &Stages,
        options: &ConvNextOptions,
        classes: usize,
        chain: &mut Chain<'_>,
    ) -> Result<(), ConfigError> {
        let patches = |side: usize| Window::new(side).stride(side).padding(0).bias();
        let blocks = stages.iter().map(|(blocks, _)| blocks).sum();
        let rate = options.drop_path.unwrap_or_default();
        let mut rates = drop_path_rates(rate, blocks).into_iter();
        let mut position = 0;
        for (stage, (blocks, width)) in stages.iter().enumerate() {
            if stage == 0 {
                chain.conv("features.0.0", *width, patches(4));
                chain.layer_norm("features.0.1", EPSILON);
            } else {
                chain.layer_norm(format!("features.{position}.0"), EPSILON);
                chain.conv(format!("features.{position}.1"), *width, patches(2));
            }
            for block in 0..*blocks {
                let mut inner = chain.branch();
                inner.conv("block.0", *width, Window::new(7).groups(*width).bias());
                inner.layer_norm("block.2", EPSILON);
                inner.pointwise("block.3", 4 * width);
                inner.activation(Gelu);
                inner.pointwise("block.5", *width);
                inner.layer_scale(LAYER_SCALE);
                inner.drop_path(rates.next().unwrap_or_default())?;
                let name = format!("features.{}.{block}", position + 1);
                chain.residual(name, inner, None, Identity);
            }
            position += 2;
            chain.stage(format!("stage{}", stage + 1));
        }
        chain.plain(Operation::GlobalAvgPool);
        chain.layer_norm("classifier.0", EPSILON);
        chain.dropout("dropout", options.dropout.unwrap_or_default())?;
        chain.linear("classifier.2", chain.channels, classes);
        Ok(())
    }
}
