//! MNASNet-B1, at four widths.
//!
//! Source: Tan et al., "MnasNet: Platform-Aware Neural Architecture Search for Mobile", CVPR 2019; keys and layouts are torchvision's.

use firebrick_core::ConfigError;
use firebrick_core::init::{Init, WeightInit};
use firebrick_core::nn::Activation::{Identity, Relu};
use firebrick_regularize::dropout::drop_path_rates;

use crate::builder::{Chain, Window};
use crate::family::{Family, Published};
use crate::options::{RESIDUAL, ResidualOptions, classifier, make_divisible};

pub(crate) struct MnasNet;

pub(crate) struct Size {
    /// Factor of all widths but the last.
    width: f64,
    /// Blocks of each stage.
    blocks: [usize; 6],
}

/// Of each stage: width, side of the window, stride of its first block, factor of the width inside.
const STAGES: [(f64, usize, usize, usize); 6] = [
    (24.0, 3, 2, 3),
    (40.0, 5, 2, 3),
    (80.0, 5, 2, 6),
    (96.0, 3, 1, 6),
    (192.0, 5, 2, 6),
    (320.0, 3, 1, 6),
];

const fn mnasnet(name: &'static str, width: f64) -> Published<MnasNet> {
    Published {
        dropout: 0.2,
        ..Published::new(
            name,
            "MNASNet for photos, found by a search",
            "Tan et al. 2019; torchvision",
            RESIDUAL,
            Size {
                width,
                blocks: [3, 3, 3, 2, 4, 1],
            },
        )
    }
}

impl Family for MnasNet {
    type Options = ResidualOptions;
    type Size = Size;

    const NETWORKS: &'static [Published<Self>] = &[
        mnasnet("mnasnet0_5", 0.5),
        mnasnet("mnasnet0_75", 0.75),
        mnasnet("mnasnet1_0", 1.0),
        mnasnet("mnasnet1_3", 1.3),
        Published {
            side: 32,
            classes: 10,
            ..mnasnet("test_mnasnet", 0.1)
        },
    ];
    const REFERENCE: Init = Init {
        conv: WeightInit::KaimingNormalFanOut,
        linear: WeightInit::UniformFanOut(3.0),
        random_bias: false,
    };
    const HEAD: &'static str = "classifier.1";

    fn build(
        size: &Size,
        options: &ResidualOptions,
        classes: usize,
        chain: &mut Chain<'_>,
    ) -> Result<(), ConfigError> {
        let width = |width: f64| make_divisible(width * size.width, 8);
        // TensorFlow's decay of 0.9997.
        chain.set_norms(1e-5, 1.0 - 0.9997);
        let stem = Window::new(3).stride(options.stem_stride());
        let (first, second) = (width(32.0), width(16.0));
        chain.conv_norm(["layers.0", "layers.1"], first, stem, Some(Relu));
        let each = Window::new(3).groups(first);
        chain.conv_norm(["layers.3", "layers.4"], first, each, Some(Relu));
        chain.conv_norm(["layers.6", "layers.7"], second, Window::new(1), None);
        chain.stage("stage1");
        let mut rates = drop_path_rates(options.drop_path(), size.blocks.iter().sum()).into_iter();
        for (stage, (blocks, row)) in size.blocks.into_iter().zip(STAGES).enumerate() {
            let (outputs, side, stride, factor) = row;
            for block in 0..blocks {
                let stride = if block == 0 { stride } else { 1 };
                let rate = rates.next().unwrap_or_default();
                let name = format!("layers.{}.{block}", stage + 8);
                let inside = chain.channels * factor;
                let mut inner = chain.branch();
                inner.conv_norm(["layers.0", "layers.1"], inside, Window::new(1), Some(Relu));
                let each = Window::new(side).stride(stride).groups(inside);
                inner.conv_norm(["layers.3", "layers.4"], inside, each, Some(Relu));
                inner.conv_norm(
                    ["layers.6", "layers.7"],
                    width(outputs),
                    Window::new(1),
                    None,
                );
                if stride == 1 && chain.channels == width(outputs) {
                    inner.drop_path(rate)?;
                    chain.residual(name, inner, None, Identity);
                } else {
                    chain.chain(name, inner);
                }
            }
            chain.stage(format!("stage{}", stage + 2));
        }
        chain.conv_norm(["layers.14", "layers.15"], 1280, Window::new(1), Some(Relu));
        chain.stage("head");
        classifier(
            chain,
            ["classifier.0", "classifier.1"],
            options.dropout(),
            classes,
        )
    }
}
