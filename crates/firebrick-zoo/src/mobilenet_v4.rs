//! MobileNet-V4, the small convolutional one.
//!
//! Source: Qin et al., "MobileNetV4: Universal Models for the Mobile Ecosystem", ECCV 2024; keys and layouts are timm's
//! `mobilenetv4_conv_small`.

use firebrick_core::ConfigError;
use firebrick_core::init::{Init, WeightInit};
use firebrick_core::nn::Activation::{Identity, Relu};

use crate::builder::{Chain, Window};
use crate::family::{Family, Published};
use crate::layers::Operation;
use crate::network::Network;
use crate::options::{RESIDUAL, ResidualOptions};

pub(crate) struct MobileNetV4;

/// A block of a stage.
pub(crate) enum Block {
    /// A convolution with a window of this side, width and stride.
    Plain(usize, usize, usize),
    /// A universal inverted bottleneck: sides of the depthwise windows before and behind the expansion (0 for none), width inside, width,
    /// stride.
    Inverted([usize; 2], usize, usize, usize),
}

use Block::{Inverted, Plain};

pub(crate) struct Size {
    stem: usize,
    stages: &'static [&'static [Block]],
    last: usize,
}

const fn mobilenet(name: &'static str, size: Size) -> Published<MobileNetV4> {
    Published::new(
        name,
        "MobileNet-V4 for photos, of convolutions only",
        "Qin et al. 2024; timm",
        RESIDUAL,
        size,
    )
}

impl Family for MobileNetV4 {
    type Options = ResidualOptions;
    type Size = Size;

    const NETWORKS: &'static [Published<Self>] = &[
        mobilenet(
            "mobilenetv4_conv_small",
            Size {
                stem: 32,
                stages: &[
                    &[Plain(3, 32, 2), Plain(1, 32, 1)],
                    &[Plain(3, 96, 2), Plain(1, 64, 1)],
                    &[
                        Inverted([5, 5], 192, 96, 2),
                        Inverted([0, 3], 192, 96, 1),
                        Inverted([0, 3], 192, 96, 1),
                        Inverted([0, 3], 192, 96, 1),
                        Inverted([0, 3], 192, 96, 1),
                        Inverted([3, 0], 384, 96, 1),
                    ],
                    &[
                        Inverted([3, 3], 576, 128, 2),
                        Inverted([5, 5], 512, 128, 1),
                        Inverted([0, 5], 512, 128, 1),
                        Inverted([0, 5], 384, 128, 1),
                        Inverted([0, 3], 512, 128, 1),
                        Inverted([0, 3], 512, 128, 1),
                    ],
                    &[Plain(1, 960, 1)],
                ],
                last: 1280,
            },
        ),
        Published {
            side: 64,
            classes: 10,
            ..mobilenet(
                "test_mobilenetv4",
                Size {
                    stem: 8,
                    stages: &[
                        &[Plain(3, 8, 2), Plain(1, 8, 1)],
                        &[
                            Inverted([5, 5], 24, 16, 2),
                            Inverted([0, 3], 32, 16, 1),
                            Inverted([3, 0], 48, 16, 1),
                        ],
                        &[Plain(1, 32, 1)],
                    ],
                    last: 48,
                },
            )
        },
    ];
    const REFERENCE: Init = Init {
        conv: WeightInit::KaimingNormalFanOut,
        linear: WeightInit::UniformFanOut(1.0),
        random_bias: false,
    };
    const HEAD: &'static str = "classifier";

    fn build(
        size: &Size,
        options: &ResidualOptions,
        classes: usize,
        chain: &mut Chain<'_>,
    ) -> Result<(), ConfigError> {
        let stem = Window::new(3).stride(options.stem_stride());
        chain.conv_norm(["conv_stem", "bn1"], size.stem, stem, Some(Relu));
        let blocks: usize = size.stages.iter().map(|stage| stage.len()).sum();
        let mut number = 0;
        for (stage, stage_blocks) in size.stages.iter().enumerate() {
            for (block, kind) in stage_blocks.iter().enumerate() {
                // As timm's: the rate would reach the published one behind the last block.
                let rate = options.drop_path() * number as f64 / blocks as f64;
                let name = format!("blocks.{stage}.{block}");
                match *kind {
                    Plain(side, width, stride) => {
                        let window = Window::new(side).stride(stride);
                        let names = [format!("{name}.conv"), format!("{name}.bn1")];
                        chain.conv_norm([&names[0], &names[1]], width, window, Some(Relu));
                    }
                    Inverted(sides, inside, width, stride) => {
                        inverted(chain, name, sides, [inside, width, stride], rate)?;
                    }
                }
                number += 1;
            }
            chain.stage(format!("stage{}", stage + 1));
        }
        chain.plain(Operation::GlobalAvgPool);
        chain.conv_norm(
            ["conv_head", "norm_head"],
            size.last,
            Window::new(1),
            Some(Relu),
        );
        chain.dropout("dropout", options.dropout())?;
        chain.linear("classifier", size.last, classes);
        Ok(())
    }

    fn drawn(network: Network, _seed: u64) -> Network {
        network.with_fan_out_of_groups()
    }
}

/// A universal inverted bottleneck; its stride is that of the second depthwise window, or of the first where there is no second.
fn inverted(
    chain: &mut Chain<'_>,
    name: String,
    [start, middle]: [usize; 2],
    [inside, width, stride]: [usize; 3],
    rate: f64,
) -> Result<(), ConfigError> {
    let mut inner = chain.branch();
    let channels = chain.channels;
    if start > 0 {
        let own = if middle > 0 { 1 } else { stride };
        let window = Window::new(start).stride(own).groups(channels);
        inner.conv_norm(["dw_start.conv", "dw_start.bn"], channels, window, None);
    }
    inner.conv_norm(
        ["pw_exp.conv", "pw_exp.bn"],
        inside,
        Window::new(1),
        Some(Relu),
    );
    if middle > 0 {
        let window = Window::new(middle).stride(stride).groups(inside);
        inner.conv_norm(["dw_mid.conv", "dw_mid.bn"], inside, window, Some(Relu));
    }
    inner.conv_norm(["pw_proj.conv", "pw_proj.bn"], width, Window::new(1), None);
    if stride == 1 && channels == width {
        inner.drop_path(rate)?;
        chain.residual(name, inner, None, Identity);
    } else {
        chain.chain(name, inner);
    }
    Ok(())
}
