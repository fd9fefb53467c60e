//! MobileNet-V2.
//!
//! Source: Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", CVPR 2018; keys and layouts are torchvision's.

use firebrick_core::ConfigError;
use firebrick_core::init::{Init, WeightInit};
use firebrick_core::nn::Activation::{Identity, Relu6};
use firebrick_regularize::dropout::drop_path_rates;

use crate::builder::{Chain, Window};
use crate::family::{Family, Published};
use crate::options::{RESIDUAL, ResidualOptions, classifier};

pub(crate) struct MobileNetV2;

pub(crate) struct Size {
    stem: usize,
    /// Of each row of the paper's table: factor of the width inside a block, width, blocks, stride of the first.
    stages: &'static [[usize; 4]],
    last: usize,
}

const fn mobilenet(name: &'static str, size: Size) -> Published<MobileNetV2> {
    Published {
        dropout: 0.2,
        ..Published::new(
            name,
            "MobileNet-V2 for photos, of inverted residuals",
            "Sandler et al. 2018; torchvision",
            RESIDUAL,
            size,
        )
    }
}

impl Family for MobileNetV2 {
    type Options = ResidualOptions;
    type Size = Size;

    const NETWORKS: &'static [Published<Self>] = &[
        mobilenet(
            "mobilenet_v2",
            Size {
                stem: 32,
                stages: &[
                    [1, 16, 1, 1],
                    [6, 24, 2, 2],
                    [6, 32, 3, 2],
                    [6, 64, 4, 2],
                    [6, 96, 3, 1],
                    [6, 160, 3, 2],
                    [6, 320, 1, 1],
                ],
                last: 1280,
            },
        ),
        Published {
            side: 32,
            classes: 10,
            ..mobilenet(
                "test_mobilenet_v2",
                Size {
                    stem: 8,
                    stages: &[[1, 8, 1, 1], [3, 8, 2, 2], [2, 16, 2, 2]],
                    last: 1280,
                },
            )
        },
    ];
    const REFERENCE: Init = Init {
        conv: WeightInit::KaimingNormalFanOut,
        linear: WeightInit::Normal(0.01),
        random_bias: false,
    };
    const HEAD: &'static str = "classifier.1";

    fn build(
        size: &Size,
        options: &ResidualOptions,
        classes: usize,
        chain: &mut Chain<'_>,
    ) -> Result<(), ConfigError> {
        let stem = Window::new(3).stride(options.stem_stride());
        chain.numbered_conv_norm("features.0", size.stem, stem, Some(Relu6));
        let blocks = size.stages.iter().map(|[_, _, blocks, _]| blocks).sum();
        let mut rates = drop_path_rates(options.drop_path(), blocks).into_iter();
        let mut position = 1;
        for (stage, [factor, width, blocks, stride]) in size.stages.iter().enumerate() {
            for block in 0..*blocks {
                let stride = if block == 0 { *stride } else { 1 };
                let mut inner = chain.branch();
                let inside = chain.channels * factor;
                let mut part = 0;
                if *factor != 1 {
                    inner.numbered_conv_norm("conv.0", inside, Window::new(1), Some(Relu6));
                    part = 1;
                }
                let each = Window::new(3).stride(stride).groups(inside);
                inner.numbered_conv_norm(&format!("conv.{part}"), inside, each, Some(Relu6));
                let names = [part + 1, part + 2].map(|part| format!("conv.{part}"));
                inner.conv_norm([&names[0], &names[1]], *width, Window::new(1), None);
                let rate = rates.next().unwrap_or_default();
                let name = format!("features.{position}");
                if stride == 1 && chain.channels == *width {
                    inner.drop_path(rate)?;
                    chain.residual(name, inner, None, Identity);
                } else {
                    chain.chain(name, inner);
                }
                position += 1;
            }
            chain.stage(format!("stage{}", stage + 1));
        }
        let name = format!("features.{position}");
        chain.numbered_conv_norm(&name, size.last, Window::new(1), Some(Relu6));
        chain.stage("head");
        classifier(
            chain,
            ["classifier.0", "classifier.1"],
            options.dropout(),
            classes,
        )
    }
}
