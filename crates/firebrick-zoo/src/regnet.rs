//! RegNet-Y, from 400 million to 8 billion multiply-adds.
//!
//! Source: Radosavovic et al., "Designing Network Design Spaces", CVPR 2020; keys and layouts are torchvision's. Widths and depths are what
//! the paper's rule gives.

use firebrick_core::ConfigError;
use firebrick_core::init::{Init, WeightInit};
use firebrick_core::nn::Activation::Relu;
use firebrick_regularize::dropout::drop_path_rates;

use crate::builder::{Chain, Window};
use crate::family::{Family, Published};
use crate::options::{RELU_SIGMOID, RESIDUAL, ResidualOptions, classifier};

pub(crate) struct RegNet;

pub(crate) struct Size {
    stem: usize,
    /// Blocks and width of each stage.
    stages: [(usize, usize); 4],
    /// Channels of a group.
    group: usize,
}

const fn regnet(
    name: &'static str,
    group: usize,
    stages: [(usize, usize); 4],
) -> Published<RegNet> {
    Published::new(
        name,
        "RegNet-Y for photos, of grouped convolutions with squeeze-and-excite",
        "Radosavovic et al. 2020; torchvision",
        RESIDUAL,
        Size {
            stem: 32,
            stages,
            group,
        },
    )
}

impl Family for RegNet {
    type Options = ResidualOptions;
    type Size = Size;

    const NETWORKS: &'static [Published<Self>] = &[
        regnet("regnet_y_400mf", 8, [(1, 48), (3, 104), (6, 208), (6, 440)]),
        regnet(
            "regnet_y_800mf",
            16,
            [(1, 64), (3, 144), (8, 320), (2, 784)],
        ),
        regnet(
            "regnet_y_1_6gf",
            24,
            [(2, 48), (6, 120), (17, 336), (2, 888)],
        ),
        regnet(
            "regnet_y_3_2gf",
            24,
            [(2, 72), (5, 216), (13, 576), (1, 1512)],
        ),
        regnet(
            "regnet_y_8gf",
            56,
            [(2, 224), (4, 448), (10, 896), (1, 2016)],
        ),
        Published {
            side: 32,
            classes: 10,
            size: Size {
                stem: 8,
                stages: [(1, 8), (2, 12), (1, 16), (1, 24)],
                group: 4,
            },
            ..regnet("test_regnet", 4, [(1, 8); 4])
        },
    ];
    const REFERENCE: Init = Init {
        conv: WeightInit::KaimingNormalFanOut,
        linear: WeightInit::Normal(0.01),
        random_bias: false,
    };
    const HEAD: &'static str = "fc";

    fn build(
        size: &Size,
        options: &ResidualOptions,
        classes: usize,
        chain: &mut Chain<'_>,
    ) -> Result<(), ConfigError> {
        let stem = Window::new(3).stride(options.stem_stride());
        chain.numbered_conv_norm("stem", size.stem, stem, Some(Relu));
        let blocks = size.stages.iter().map(|(blocks, _)| blocks).sum();
        let mut rates = drop_path_rates(options.drop_path(), blocks).into_iter();
        for (stage, (blocks, width)) in size.stages.into_iter().enumerate() {
            let stage = stage + 1;
            for block in 0..blocks {
                let stride = if block == 0 { 2 } else { 1 };
                let mut branch = chain.branch();
                branch.numbered_conv_norm("f.a", width, Window::new(1), Some(Relu));
                let grouped = Window::new(3).stride(stride).groups(width / size.group);
                branch.numbered_conv_norm("f.b", width, grouped, Some(Relu));
                // A quarter of what comes in, halves to the even number.
                let squeezed = (0.25 * chain.channels as f64).round_ties_even() as usize;
                branch.squeeze_excite("f.se", ["fc1", "fc2"], squeezed, RELU_SIGMOID);
                branch.numbered_conv_norm("f.c", width, Window::new(1), None);
                branch.drop_path(rates.next().unwrap_or_default())?;
                let projection = (block == 0).then(|| {
                    let mut projection = chain.branch();
                    let window = Window::new(1).stride(stride);
                    projection.numbered_conv_norm("proj", width, window, None);
                    projection
                });
                let name = format!("trunk_output.block{stage}.block{stage}-{block}");
                chain.residual(name, branch, projection, Relu);
            }
            chain.stage(format!("block{stage}"));
        }
        classifier(chain, ["dropout", "fc"], options.dropout(), classes)
    }
}
