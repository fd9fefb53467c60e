//! MobileNet-V3, large and small.
//!
//! Source: Howard et al., "Searching for MobileNetV3", ICCV 2019; keys and layouts are torchvision's.

use firebrick_core::ConfigError;
use firebrick_core::init::{Init, WeightInit};
use firebrick_core::nn::Activation::{Hardsigmoid, Hardswish, Identity, Relu};
use firebrick_regularize::dropout::drop_path_rates;

use crate::builder::{Chain, Window};
use crate::family::{Family, Published};
use crate::layers::Operation;
use crate::options::{RESIDUAL, ResidualOptions, make_divisible};

pub(crate) struct MobileNetV3;

/// A row of the paper's table: side of the window, width inside, width, squeeze-and-excite, hard-swish in place of ReLU, stride.
type Block = (usize, usize, usize, bool, bool, usize);

pub(crate) struct Size {
    stem: usize,
    blocks: &'static [Block],
    /// Features in front of the last layer.
    last: usize,
}

const fn mobilenet(name: &'static str, size: Size) -> Published<MobileNetV3> {
    Published {
        dropout: 0.2,
        ..Published::new(
            name,
            "MobileNet-V3 for photos, with squeeze-and-excite and hard-swish",
            "Howard et al. 2019; torchvision",
            RESIDUAL,
            size,
        )
    }
}

impl Family for MobileNetV3 {
    type Options = ResidualOptions;
    type Size = Size;

    const NETWORKS: &'static [Published<Self>] = &[
        mobilenet(
            "mobilenet_v3_large",
            Size {
                stem: 16,
                blocks: &[
                    (3, 16, 16, false, false, 1),
                    (3, 64, 24, false, false, 2),
                    (3, 72, 24, false, false, 1),
                    (5, 72, 40, true, false, 2),
                    (5, 120, 40, true, false, 1),
                    (5, 120, 40, true, false, 1),
                    (3, 240, 80, false, true, 2),
                    (3, 200, 80, false, true, 1),
                    (3, 184, 80, false, true, 1),
                    (3, 184, 80, false, true, 1),
                    (3, 480, 112, true, true, 1),
                    (3, 672, 112, true, true, 1),
                    (5, 672, 160, true, true, 2),
                    (5, 960, 160, true, true, 1),
                    (5, 960, 160, true, true, 1),
                ],
                last: 1280,
            },
        ),
        mobilenet(
            "mobilenet_v3_small",
            Size {
                stem: 16,
                blocks: &[
                    (3, 16, 16, true, false, 2),
                    (3, 72, 24, false, false, 2),
                    (3, 88, 24, false, false, 1),
                    (5, 96, 40, true, true, 2),
                    (5, 240, 40, true, true, 1),
                    (5, 240, 40, true, true, 1),
                    (5, 120, 48, true, true, 1),
                    (5, 144, 48, true, true, 1),
                    (5, 288, 96, true, true, 2),
                    (5, 576, 96, true, true, 1),
                    (5, 576, 96, true, true, 1),
                ],
                last: 1024,
            },
        ),
        Published {
            side: 32,
            classes: 10,
            ..mobilenet(
                "test_mobilenet_v3",
                Size {
                    stem: 8,
                    blocks: &[
                        (3, 8, 8, true, false, 2),
                        (3, 24, 16, false, false, 2),
                        (5, 40, 16, true, true, 1),
                    ],
                    last: 48,
                },
            )
        },
    ];
    const REFERENCE: Init = Init {
        conv: WeightInit::KaimingNormalFanOut,
        linear: WeightInit::Normal(0.01),
        random_bias: false,
    };
    const HEAD: &'static str = "classifier.3";

    fn build(
        size: &Size,
        options: &ResidualOptions,
        classes: usize,
        chain: &mut Chain<'_>,
    ) -> Result<(), ConfigError> {
        chain.set_norms(1e-3, 0.01);
        let stem = Window::new(3).stride(options.stem_stride());
        chain.numbered_conv_norm("features.0", size.stem, stem, Some(Hardswish));
        let rates = drop_path_rates(options.drop_path(), size.blocks.len());
        let mut stage = 1;
        for (at, (block, rate)) in size.blocks.iter().zip(rates).enumerate() {
            let (side, inside, width, squeezes, swish, stride) = *block;
            if stride == 2 {
                chain.stage(format!("stage{stage}"));
                stage += 1;
            }
            let activation = if swish { Hardswish } else { Relu };
            let mut inner = chain.branch();
            let mut part = 0;
            if inside != chain.channels {
                inner.numbered_conv_norm("block.0", inside, Window::new(1), Some(activation));
                part += 1;
            }
            let each = Window::new(side).stride(stride).groups(inside);
            inner.numbered_conv_norm(&format!("block.{part}"), inside, each, Some(activation));
            part += 1;
            if squeezes {
                let name = format!("block.{part}");
                let squeezed = make_divisible((inside / 4) as f64, 8);
                inner.squeeze_excite(name, ["fc1", "fc2"], squeezed, [Relu, Hardsigmoid]);
                part += 1;
            }
            inner.numbered_conv_norm(&format!("block.{part}"), width, Window::new(1), None);
            let name = format!("features.{}", at + 1);
            if stride == 1 && chain.channels == width {
                inner.drop_path(rate)?;
                chain.residual(name, inner, None, Identity);
            } else {
                chain.chain(name, inner);
            }
        }
        chain.stage(format!("stage{stage}"));
        let name = format!("features.{}", size.blocks.len() + 1);
        let wide = 6 * chain.channels;
        chain.numbered_conv_norm(&name, wide, Window::new(1), Some(Hardswish));
        chain.stage("head");
        chain.plain(Operation::GlobalAvgPool);
        chain.linear("classifier.0", wide, size.last);
        chain.activation(Hardswish);
        chain.dropout("classifier.2", options.dropout())?;
        chain.linear("classifier.3", size.last, classes);
        Ok(())
    }
}
