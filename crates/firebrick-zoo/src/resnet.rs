//! ResNet-34 to 152, ResNeXt, Wide ResNet, and ResNet-D.
//!
//! Source: He, Zhang, Ren and Sun, "Deep Residual Learning for Image Recognition", CVPR 2016, with the stride in the 3×3 convolution of
//! a bottleneck; Xie et al., "Aggregated Residual Transformations for Deep Neural Networks", CVPR 2017; Zagoruyko and Komodakis, "Wide Residual
//! Networks", BMVC 2016. Keys and layouts are torchvision's.
//!
//! Those whose name ends with `d` are from He et al., "Bag of Tricks for Image Classification with Convolutional Neural Networks", CVPR 2019,
//! figure 2: three convolutions in the stem, and a mean of 2×2 pixels in front of a projection with stride 1. Keys and layouts are timm's, and
//! as there, the scale of the last batch norm of a branch begins at 0.

use firebrick_core::ConfigError;
use firebrick_core::init::{Init, WeightInit};
use firebrick_core::nn::Activation::Relu;
use firebrick_regularize::dropout::drop_path_rates;

use crate::builder::{Chain, Window};
use crate::family::{Family, Published};
use crate::options::{RESIDUAL, ResidualOptions, classifier};

pub(crate) struct ResNet;

#[derive(Clone, Copy)]
pub(crate) struct Size {
    /// Three convolutions in a branch, the last four times as wide, instead of two.
    bottleneck: bool,
    blocks: [usize; 4],
    widths: [usize; 4],
    /// Channels of the stem.
    stem: usize,
    /// Groups of the 3×3 convolution, and channels of a group in the first stage of the paper's widths.
    groups: usize,
    group: usize,
    /// ResNet-D.
    deep: bool,
}

const fn size(bottleneck: bool, blocks: [usize; 4]) -> Size {
    Size {
        bottleneck,
        blocks,
        widths: [64, 128, 256, 512],
        stem: 64,
        groups: 1,
        group: 64,
        deep: false,
    }
}

const fn resnet(name: &'static str, size: Size) -> Published<ResNet> {
    let source = if size.deep {
        "He et al. 2019, \"Bag of Tricks\"; timm"
    } else {
        "He et al. 2016; torchvision"
    };
    Published::new(
        name,
        "ResNet for photos; stem=cifar for 32×32 images",
        source,
        RESIDUAL,
        size,
    )
}

const fn grouped(blocks: [usize; 4], groups: usize, group: usize) -> Size {
    Size {
        groups,
        group,
        ..size(true, blocks)
    }
}

const fn deep(bottleneck: bool, blocks: [usize; 4]) -> Size {
    Size {
        deep: true,
        ..size(bottleneck, blocks)
    }
}

const fn tiny(name: &'static str, of: Size) -> Published<ResNet> {
    Published {
        side: 64,
        classes: 10,
        ..resnet(
            name,
            Size {
                blocks: [1, 2, 1, 1],
                widths: [8, 12, 16, 24],
                stem: if of.deep { 8 } else { 64 },
                ..of
            },
        )
    }
}

impl Family for ResNet {
    type Options = ResidualOptions;
    type Size = Size;

    const NETWORKS: &'static [Published<Self>] = &[
        resnet("resnet34", size(false, [3, 4, 6, 3])),
        resnet("resnet50", size(true, [3, 4, 6, 3])),
        resnet("resnet101", size(true, [3, 4, 23, 3])),
        resnet("resnet152", size(true, [3, 8, 36, 3])),
        resnet("resnext50_32x4d", grouped([3, 4, 6, 3], 32, 4)),
        resnet("resnext101_32x8d", grouped([3, 4, 23, 3], 32, 8)),
        resnet("wide_resnet50_2", grouped([3, 4, 6, 3], 1, 128)),
        resnet("wide_resnet101_2", grouped([3, 4, 23, 3], 1, 128)),
        resnet("resnet18d", deep(false, [2, 2, 2, 2])),
        resnet("resnet26d", deep(true, [2, 2, 2, 2])),
        resnet("resnet34d", deep(false, [3, 4, 6, 3])),
        resnet("resnet50d", deep(true, [3, 4, 6, 3])),
        resnet("resnet101d", deep(true, [3, 4, 23, 3])),
        resnet("resnet152d", deep(true, [3, 8, 36, 3])),
        tiny("test_resnet", size(false, [0; 4])),
        tiny("test_resnext", grouped([0; 4], 2, 32)),
        tiny("test_resnet_d", deep(true, [0; 4])),
    ];
    const REFERENCE: Init = Init {
        conv: WeightInit::KaimingNormalFanOut,
        linear: WeightInit::KaimingUniform,
        random_bias: true,
    };
    const HEAD: &'static str = "fc";

    fn build(
        size: &Size,
        options: &ResidualOptions,
        classes: usize,
        chain: &mut Chain<'_>,
    ) -> Result<(), ConfigError> {
        if size.deep {
            let narrow = size.stem / 2;
            let first = Window::new(3).stride(options.stem_stride());
            chain.conv_norm(["conv1.0", "conv1.1"], narrow, first, Some(Relu));
            chain.conv_norm(["conv1.3", "conv1.4"], narrow, Window::new(3), Some(Relu));
            chain.conv_norm(["conv1.6", "bn1"], size.stem, Window::new(3), Some(Relu));
        } else {
            chain.conv_norm(
                ["conv1", "bn1"],
                size.stem,
                options.stem_window(),
                Some(Relu),
            );
        }
        chain.stage("stem");
        options.stem_pool(chain);
        let mut rates = drop_path_rates(options.drop_path(), size.blocks.iter().sum()).into_iter();
        for (stage, (blocks, width)) in size.blocks.into_iter().zip(size.widths).enumerate() {
            for block in 0..blocks {
                let stride = if stage > 0 && block == 0 { 2 } else { 1 };
                let mut branch = branch(chain, size, width, stride);
                branch.drop_path(rates.next().unwrap_or_default())?;
                let outputs = branch.channels;
                let projects = stride != 1 || chain.channels != outputs;
                let projection = projects.then(|| projection(chain, size.deep, outputs, stride));
                chain.residual(
                    format!("layer{}.{block}", stage + 1),
                    branch,
                    projection,
                    Relu,
                );
            }
            chain.stage(format!("layer{}", stage + 1));
        }
        classifier(chain, ["dropout", "fc"], options.dropout(), classes)
    }
}

fn branch<'a>(chain: &Chain<'a>, size: &Size, width: usize, stride: usize) -> Chain<'a> {
    let mut branch = chain.branch();
    let last = if size.bottleneck {
        let inside = width * size.group / 64 * size.groups;
        let grouped = Window::new(3).stride(stride).groups(size.groups);
        branch.conv_norm(["conv1", "bn1"], inside, Window::new(1), Some(Relu));
        branch.conv_norm(["conv2", "bn2"], inside, grouped, Some(Relu));
        branch.conv("conv3", 4 * width, Window::new(1));
        "bn3"
    } else {
        let first = Window::new(3).stride(stride);
        branch.conv_norm(["conv1", "bn1"], width, first, Some(Relu));
        branch.conv("conv2", width, Window::new(3));
        "bn2"
    };
    if size.deep {
        branch.zero_norm(last);
    } else {
        branch.norm(last);
    }
    branch
}

fn projection<'a>(chain: &Chain<'a>, deep: bool, outputs: usize, stride: usize) -> Chain<'a> {
    let mut projection = chain.branch();
    if deep {
        if stride > 1 {
            projection.halve();
        }
        let names = ["downsample.1", "downsample.2"];
        projection.conv_norm(names, outputs, Window::new(1), None);
    } else {
        let window = Window::new(1).stride(stride);
        projection.conv_norm(["downsample.0", "downsample.1"], outputs, window, None);
    }
    projection
}
