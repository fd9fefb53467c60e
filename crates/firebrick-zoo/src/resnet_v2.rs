//! ResNet-V2, whose residual blocks normalize and activate first.
//!
//! Source: He, Zhang, Ren and Sun, "Identity Mappings in Deep Residual Networks", ECCV 2016; keys and layouts are those of timm's
//! `resnetv2_50` with batch norm.

use firebrick_core::ConfigError;
use firebrick_core::init::{Init, WeightInit};
use firebrick_core::nn::Activation::Relu;
use firebrick_regularize::dropout::drop_path_rates;

use crate::builder::{Chain, Window};
use crate::family::{Family, Published};
use crate::layers::{Join, Operation};
use crate::network::Network;
use crate::options::{RESIDUAL, ResidualOptions};

pub(crate) struct ResNetV2;

pub(crate) struct Size {
    /// Three convolutions in a branch, the first two a quarter as wide, instead of two.
    bottleneck: bool,
    blocks: [usize; 4],
    widths: [usize; 4],
    stem: usize,
}

const fn resnet(name: &'static str, bottleneck: bool, blocks: [usize; 4]) -> Published<ResNetV2> {
    Published::new(
        name,
        "ResNet-V2 for photos, with norm and activation in front; stem=cifar for 32×32 images",
        "He et al. 2016, \"Identity Mappings\"; timm",
        RESIDUAL,
        Size {
            bottleneck,
            blocks,
            widths: if bottleneck {
                [256, 512, 1024, 2048]
            } else {
                [64, 128, 256, 512]
            },
            stem: 64,
        },
    )
}

const fn tiny(name: &'static str, bottleneck: bool) -> Published<ResNetV2> {
    Published {
        side: 64,
        classes: 10,
        size: Size {
            bottleneck,
            blocks: [1, 2, 1, 1],
            widths: if bottleneck {
                [32, 64, 64, 96]
            } else {
                [8, 16, 16, 24]
            },
            stem: 8,
        },
        ..resnet(name, bottleneck, [0; 4])
    }
}

impl Family for ResNetV2 {
    type Options = ResidualOptions;
    type Size = Size;

    const NETWORKS: &'static [Published<Self>] = &[
        resnet("resnetv2_18", false, [2, 2, 2, 2]),
        resnet("resnetv2_34", false, [3, 4, 6, 3]),
        resnet("resnetv2_50", true, [3, 4, 6, 3]),
        resnet("resnetv2_101", true, [3, 4, 23, 3]),
        resnet("resnetv2_152", true, [3, 8, 36, 3]),
        tiny("test_resnetv2", true),
        tiny("test_resnetv2_basic", false),
    ];
    const REFERENCE: Init = Init {
        conv: WeightInit::KaimingNormalFanOut,
        linear: WeightInit::Normal(0.01),
        random_bias: false,
    };
    const HEAD: &'static str = "head.fc";

    fn build(
        size: &Size,
        options: &ResidualOptions,
        classes: usize,
        chain: &mut Chain<'_>,
    ) -> Result<(), ConfigError> {
        chain.conv("stem.conv", size.stem, options.stem_window());
        chain.stage("stem");
        options.stem_pool(chain);
        let mut rates = drop_path_rates(options.drop_path(), size.blocks.iter().sum()).into_iter();
        for (stage, (blocks, width)) in size.blocks.into_iter().zip(size.widths).enumerate() {
            for block in 0..blocks {
                let stride = if stage > 0 && block == 0 { 2 } else { 1 };
                let mut first = chain.branch();
                first.norm("norm1");
                first.activation(Relu);
                let mut branch = branch(chain, size.bottleneck, width, stride);
                branch.drop_path(rates.next().unwrap_or_default())?;
                let mut parts = vec![first, branch];
                if stride != 1 || chain.channels != width {
                    let mut projection = chain.branch();
                    projection.conv("downsample.conv", width, Window::new(1).stride(stride));
                    parts.push(projection);
                }
                let name = format!("stages.{stage}.blocks.{block}");
                chain.branches(name, Join::Preactivated, parts);
            }
            chain.stage(format!("stages.{stage}"));
        }
        chain.norm("norm");
        chain.activation(Relu);
        chain.plain(Operation::GlobalAvgPool);
        chain.dropout("head.drop", options.dropout())?;
        chain.conv("head.fc", classes, Window::new(1).bias());
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

fn branch<'a>(chain: &Chain<'a>, bottleneck: bool, width: usize, stride: usize) -> Chain<'a> {
    let mut branch = chain.branch();
    let window = Window::new(3).stride(stride);
    if bottleneck {
        let inside = width / 4;
        branch.conv_norm(["conv1", "norm2"], inside, Window::new(1), Some(Relu));
        branch.conv_norm(["conv2", "norm3"], inside, window, Some(Relu));
        branch.conv("conv3", width, Window::new(1));
    } else {
        branch.conv_norm(["conv1", "norm2"], width, window, Some(Relu));
        branch.conv("conv2", width, Window::new(3));
    }
    branch
}
