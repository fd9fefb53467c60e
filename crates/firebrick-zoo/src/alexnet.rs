//! AlexNet.
//!
//! Source: Krizhevsky, "One weird trick for parallelizing convolutional neural networks" (2014), whose network on one GPU is torchvision's
//! `alexnet`: keys and layouts are torchvision's. `lrn=true` adds the response normalization of Krizhevsky, Sutskever and Hinton,
//! "ImageNet Classification with Deep Convolutional Neural Networks", NIPS 2012, behind the first two convolutions; the published weights
//! are those of the network without it.

use firebrick_core::ConfigError;
use firebrick_core::about::{Field, Range};
use firebrick_core::init::Init;
use firebrick_core::nn::Activation::Relu;
use firebrick_core::spec::Spec;
use serde::{Deserialize, Serialize};

use crate::architecture::INIT;
use crate::builder::{Chain, Window};
use crate::family::{Family, Published};
use crate::layers::Operation;
use crate::options::{DROPOUT, Options};

pub(crate) struct AlexNet;

/// Channels of the five convolutions, and features of the two layers behind them.
pub(crate) struct Size {
    widths: [usize; 5],
    features: usize,
}

/// Side of the planes that the linear layers read.
const SIDE: usize = 6;

/// Options of AlexNet.
///
/// | field | default | meaning |
/// |---|---|---|
/// | `init` | `pytorch` | how weights are drawn |
/// | `dropout` | 0.5 | drop probability in front of both hidden linear layers, in [0, 1] |
/// | `lrn` | `false` | response normalization behind the first two convolutions, as in the paper of 2012 |
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AlexNetOptions {
    /// How weights are drawn: `pytorch`, `xavier`, `kaiming`, `orthogonal`, `normal(std=…)`.
    pub init: Spec,
    /// Drop probability in front of both hidden linear layers, in [0, 1]; without it, 0.5.
    pub dropout: Option<f64>,
    /// Response normalization behind the first two convolutions.
    pub lrn: bool,
}

impl Default for AlexNetOptions {
    fn default() -> Self {
        Self {
            init: Spec::new("pytorch"),
            dropout: None,
            lrn: false,
        }
    }
}

impl Options for AlexNetOptions {
    fn init(&self) -> &Spec {
        &self.init
    }

    fn fill(&mut self, dropout: f64, _drop_path: f64) {
        self.dropout.get_or_insert(dropout);
    }
}

const FIELDS: &[Field] = &[INIT, DROPOUT, Field::new("lrn", Range::Flag)];

const fn alexnet(name: &'static str, size: Size) -> Published<AlexNet> {
    Published {
        least_side: 63,
        dropout: 0.5,
        ..Published::new(
            name,
            "AlexNet for photos; lrn=true for the response normalization of 2012",
            "Krizhevsky 2014; torchvision",
            FIELDS,
            size,
        )
    }
}

impl Family for AlexNet {
    type Options = AlexNetOptions;
    type Size = Size;

    const NETWORKS: &'static [Published<Self>] = &[
        alexnet(
            "alexnet",
            Size {
                widths: [64, 192, 384, 256, 256],
                features: 4096,
            },
        ),
        Published {
            side: 64,
            classes: 10,
            ..alexnet(
                "test_alexnet",
                Size {
                    widths: [8, 16, 16, 12, 12],
                    features: 32,
                },
            )
        },
    ];
    const REFERENCE: Init = Init::PYTORCH;
    const HEAD: &'static str = "classifier.6";

    fn build(
        size: &Size,
        options: &AlexNetOptions,
        classes: usize,
        chain: &mut Chain<'_>,
    ) -> Result<(), ConfigError> {
        let windows = [
            Window::new(11).stride(4).padding(2),
            Window::new(5),
            Window::new(3),
            Window::new(3),
            Window::new(3),
        ];
        let positions = [0, 3, 6, 8, 10];
        for (at, (width, window)) in size.widths.into_iter().zip(windows).enumerate() {
            chain.conv(format!("features.{}", positions[at]), width, window.bias());
            chain.activation(Relu);
            if options.lrn && at < 2 {
                // The paper's alpha of 1e-4 is that of a sum of five squares; here it is that of their mean.
                chain.plain(Operation::LocalResponseNorm {
                    size: 5,
                    alpha: 5e-4,
                    beta: 0.75,
                    k: 2.0,
                });
            }
            if [0, 1, 4].contains(&at) {
                chain.max_pool(3, 2, 0, false);
            }
            chain.stage(format!("conv{}", at + 1));
        }
        chain.plain(Operation::AdaptiveAvgPool([SIDE; 2]));
        let p = options.dropout.unwrap_or_default();
        chain.dropout("classifier.0", p)?;
        chain.linear("classifier.1", chain.channels * SIDE * SIDE, size.features);
        chain.activation(Relu);
        chain.flat_stage("fc6");
        chain.dropout("classifier.3", p)?;
        chain.linear("classifier.4", size.features, size.features);
        chain.activation(Relu);
        chain.flat_stage("fc7");
        chain.linear("classifier.6", size.features, classes);
        Ok(())
    }
}
