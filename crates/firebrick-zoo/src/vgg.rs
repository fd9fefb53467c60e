//! VGG-11 to VGG-19, with and without batch norm.
//!
//! Source: Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", ICLR 2015,
//! configurations A, B, D and E; keys, layouts and the place of batch norm are torchvision's.

use firebrick_core::ConfigError;
use firebrick_core::init::{Init, WeightInit};
use firebrick_core::nn::Activation::Relu;

use crate::builder::{Chain, Window};
use crate::family::{Family, Published};
use crate::layers::Operation;
use crate::options::{CLASSIFIER, ClassifierOptions};

pub(crate) struct Vgg;

pub(crate) struct Size {
    /// Convolutions of each of the five stages.
    convolutions: [usize; 5],
    /// Channels of the stages.
    widths: [usize; 5],
    /// Features of the two layers in front of the last.
    features: usize,
    norm: bool,
}

/// Channels of the stages in every configuration of the paper.
const WIDTHS: [usize; 5] = [64, 128, 256, 512, 512];

/// Side of the planes that the linear layers read.
const SIDE: usize = 7;

const fn vgg(name: &'static str, convolutions: [usize; 5], norm: bool) -> Published<Vgg> {
    let summary = if norm {
        "VGG for photos, with batch norm"
    } else {
        "VGG for photos, without batch norm"
    };
    Published {
        least_side: 32,
        dropout: 0.5,
        ..Published::new(
            name,
            summary,
            "Simonyan and Zisserman 2015; torchvision",
            CLASSIFIER,
            Size {
                convolutions,
                widths: WIDTHS,
                features: 4096,
                norm,
            },
        )
    }
}

const fn tiny(name: &'static str, norm: bool) -> Published<Vgg> {
    let convolutions = [1, 1, 2, 1, 1];
    Published {
        side: 32,
        classes: 10,
        size: Size {
            convolutions,
            widths: [8, 12, 16, 16, 16],
            features: 32,
            norm,
        },
        ..vgg(name, convolutions, norm)
    }
}

impl Family for Vgg {
    type Options = ClassifierOptions;
    type Size = Size;

    const NETWORKS: &'static [Published<Self>] = &[
        vgg("vgg11", [1, 1, 2, 2, 2], false),
        vgg("vgg13", [2, 2, 2, 2, 2], false),
        vgg("vgg16", [2, 2, 3, 3, 3], false),
        vgg("vgg19", [2, 2, 4, 4, 4], false),
        vgg("vgg11_bn", [1, 1, 2, 2, 2], true),
        vgg("vgg13_bn", [2, 2, 2, 2, 2], true),
        vgg("vgg16_bn", [2, 2, 3, 3, 3], true),
        vgg("vgg19_bn", [2, 2, 4, 4, 4], true),
        tiny("test_vgg", false),
        tiny("test_vgg_bn", true),
    ];
    const REFERENCE: Init = Init {
        conv: WeightInit::KaimingNormalFanOut,
        linear: WeightInit::Normal(0.01),
        random_bias: false,
    };
    const HEAD: &'static str = "classifier.6";

    fn build(
        size: &Size,
        options: &ClassifierOptions,
        classes: usize,
        chain: &mut Chain<'_>,
    ) -> Result<(), ConfigError> {
        let mut position = 0;
        for (stage, (count, width)) in size.convolutions.into_iter().zip(size.widths).enumerate() {
            for _ in 0..count {
                chain.conv(format!("features.{position}"), width, Window::new(3).bias());
                if size.norm {
                    position += 1;
                    chain.norm(format!("features.{position}"));
                }
                chain.activation(Relu);
                position += 2;
            }
            chain.max_pool(2, 2, 0, false);
            position += 1;
            chain.stage(format!("stage{}", stage + 1));
        }
        chain.plain(Operation::AdaptiveAvgPool([SIDE; 2]));
        let mut inputs = chain.channels * SIDE * SIDE;
        for (at, stage) in [(0, "fc1"), (3, "fc2")] {
            chain.linear(format!("classifier.{at}"), inputs, size.features);
            chain.activation(Relu);
            chain.flat_stage(stage);
            chain.dropout(&format!("classifier.{}", at + 2), options.dropout())?;
            inputs = size.features;
        }
        chain.linear("classifier.6", inputs, classes);
        Ok(())
    }
}
