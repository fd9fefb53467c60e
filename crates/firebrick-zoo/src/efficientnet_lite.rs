//! EfficientNet-Lite 0 to 4: EfficientNet without squeeze-and-excite, with ReLU6, for devices without fast floating point.
//!
//! Source: Liu, "Higher accuracy on vision models with EfficientNet-Lite" (TensorFlow blog, 2020), after Tan and Le, ICML 2019; keys and
//! layouts are those of timm's `tf_efficientnet_lite0`, with TensorFlow's padding and epsilon.

use firebrick_core::ConfigError;
use firebrick_core::init::{Init, WeightInit};
use firebrick_core::nn::Activation::{Identity, Relu6};

use crate::builder::{Chain, Window};
use crate::family::{Family, Published};
use crate::network::Network;
use crate::options::{RESIDUAL, ResidualOptions, classifier, make_divisible};

pub(crate) struct EfficientNetLite;

pub(crate) struct Size {
    /// Factors of the widths and of the numbers of blocks; neither is that of the stem and the layer in front of the last, nor the second
    /// that of the first and the last stage.
    width: f64,
    depth: f64,
    stem: usize,
    stages: &'static [Stage],
    last: usize,
}

/// A stage: factor of the width inside, side of the window, stride of the first block, width, blocks.
type Stage = (usize, usize, usize, usize, usize);

const STAGES: &[Stage] = &[
    (1, 3, 1, 16, 1),
    (6, 3, 2, 24, 2),
    (6, 5, 2, 40, 2),
    (6, 3, 2, 80, 3),
    (6, 5, 1, 112, 3),
    (6, 5, 2, 192, 4),
    (6, 3, 1, 320, 1),
];

const fn lite(name: &'static str, side: usize, size: Size) -> Published<EfficientNetLite> {
    Published {
        side,
        ..Published::new(
            name,
            "EfficientNet-Lite for photos, without squeeze-and-excite",
            "Liu 2020; timm",
            RESIDUAL,
            size,
        )
    }
}

const fn scaled(width: f64, depth: f64) -> Size {
    Size {
        width,
        depth,
        stem: 32,
        stages: STAGES,
        last: 1280,
    }
}

impl Family for EfficientNetLite {
    type Options = ResidualOptions;
    type Size = Size;

    const NETWORKS: &'static [Published<Self>] = &[
        lite("efficientnet_lite0", 224, scaled(1.0, 1.0)),
        lite("efficientnet_lite1", 240, scaled(1.0, 1.1)),
        lite("efficientnet_lite2", 260, scaled(1.1, 1.2)),
        lite("efficientnet_lite3", 300, scaled(1.2, 1.4)),
        lite("efficientnet_lite4", 380, scaled(1.4, 1.8)),
        Published {
            classes: 10,
            ..lite(
                "test_efficientnet_lite",
                36,
                Size {
                    width: 1.0,
                    depth: 1.0,
                    stem: 8,
                    stages: &[(1, 3, 1, 8, 1), (2, 3, 2, 16, 2), (2, 5, 2, 16, 2)],
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
        chain.set_norms(1e-3, 0.1);
        chain.set_tensorflow();
        let stem = Window::new(3).stride(options.stem_stride());
        chain.conv_norm(["conv_stem", "bn1"], size.stem, stem, Some(Relu6));
        let ends = [0, size.stages.len() - 1];
        let depth = |stage: usize, blocks: usize| {
            if ends.contains(&stage) {
                blocks
            } else {
                (blocks as f64 * size.depth).ceil() as usize
            }
        };
        let counts = size.stages.iter().enumerate();
        let blocks: usize = counts.map(|(stage, row)| depth(stage, row.4)).sum();
        let mut number = 0;
        for (stage, (factor, side, stride, width, count)) in size.stages.iter().enumerate() {
            let width = make_divisible(*width as f64 * size.width, 8);
            for block in 0..depth(stage, *count) {
                let stride = if block == 0 { *stride } else { 1 };
                let inside = chain.channels * factor;
                let each = Window::new(*side).stride(stride).groups(inside);
                let mut inner = chain.branch();
                if *factor == 1 {
                    inner.conv_norm(["conv_dw", "bn1"], inside, each, Some(Relu6));
                    inner.conv_norm(["conv_pw", "bn2"], width, Window::new(1), None);
                } else {
                    inner.conv_norm(["conv_pw", "bn1"], inside, Window::new(1), Some(Relu6));
                    inner.conv_norm(["conv_dw", "bn2"], inside, each, Some(Relu6));
                    inner.conv_norm(["conv_pwl", "bn3"], width, Window::new(1), None);
                }
                let name = format!("blocks.{stage}.{block}");
                if stride == 1 && chain.channels == width {
                    // As timm's: the rate would reach the given one behind the last block.
                    inner.drop_path(options.drop_path() * number as f64 / blocks as f64)?;
                    chain.residual(name, inner, None, Identity);
                } else {
                    chain.chain(name, inner);
                }
                number += 1;
            }
            chain.stage(format!("stage{}", stage + 1));
        }
        chain.conv_norm(["conv_head", "bn2"], size.last, Window::new(1), Some(Relu6));
        chain.stage("head");
        classifier(chain, ["dropout", "classifier"], options.dropout(), classes)
    }

    fn drawn(network: Network, _seed: u64) -> Network {
        network.with_fan_out_of_groups()
    }
}
