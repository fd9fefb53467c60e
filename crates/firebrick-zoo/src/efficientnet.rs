//! EfficientNet B0 to B4 and V2-S.
//!
//! Source: Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", ICML 2019, and "EfficientNetV2: Smaller
//! Models and Faster Training", ICML 2021; keys and layouts are torchvision's.

use firebrick_core::ConfigError;
use firebrick_core::init::{Init, WeightInit};
use firebrick_core::nn::Activation::{Identity, Sigmoid, Silu};

use crate::builder::{Chain, Window};
use crate::family::{Family, Published};
use crate::options::{RESIDUAL, ResidualOptions, classifier, make_divisible};

pub(crate) struct EfficientNet;

/// A stage: its first convolutions fused into one or not, factor of the width inside, side of the window, stride of the first block, width,
/// blocks.
type Stage = (bool, usize, usize, usize, usize, usize);

pub(crate) struct Size {
    /// Factors of the widths and of the numbers of blocks.
    width: f64,
    depth: f64,
    stem: usize,
    stages: &'static [Stage],
    /// Features in front of the last layer; four times the width of the last stage where it is 0.
    last: usize,
    /// Added to variances.
    epsilon: f64,
}

const B0: &[Stage] = &[
    (false, 1, 3, 1, 16, 1),
    (false, 6, 3, 2, 24, 2),
    (false, 6, 5, 2, 40, 2),
    (false, 6, 3, 2, 80, 3),
    (false, 6, 5, 1, 112, 3),
    (false, 6, 5, 2, 192, 4),
    (false, 6, 3, 1, 320, 1),
];

const V2_S: &[Stage] = &[
    (true, 1, 3, 1, 24, 2),
    (true, 4, 3, 2, 48, 4),
    (true, 4, 3, 2, 64, 4),
    (false, 4, 3, 2, 128, 6),
    (false, 6, 3, 1, 160, 9),
    (false, 6, 3, 2, 256, 15),
];

const fn network(
    name: &'static str,
    side: usize,
    dropout: f64,
    size: Size,
) -> Published<EfficientNet> {
    Published {
        side,
        dropout,
        drop_path: 0.2,
        ..Published::new(
            name,
            "EfficientNet for photos, scaled in width, depth and resolution",
            "Tan and Le 2019 and 2021; torchvision",
            RESIDUAL,
            size,
        )
    }
}

const fn b(width: f64, depth: f64) -> Size {
    Size {
        width,
        depth,
        stem: 32,
        stages: B0,
        last: 0,
        epsilon: 1e-5,
    }
}

impl Family for EfficientNet {
    type Options = ResidualOptions;
    type Size = Size;

    const NETWORKS: &'static [Published<Self>] = &[
        network("efficientnet_b0", 224, 0.2, b(1.0, 1.0)),
        network("efficientnet_b1", 240, 0.2, b(1.0, 1.1)),
        network("efficientnet_b2", 288, 0.3, b(1.1, 1.2)),
        network("efficientnet_b3", 300, 0.3, b(1.2, 1.4)),
        network("efficientnet_b4", 380, 0.4, b(1.4, 1.8)),
        Published {
            least_side: 33,
            ..network(
                "efficientnet_v2_s",
                384,
                0.2,
                Size {
                    width: 1.0,
                    depth: 1.0,
                    stem: 24,
                    stages: V2_S,
                    last: 1280,
                    epsilon: 1e-3,
                },
            )
        },
        Published {
            classes: 10,
            ..network(
                "test_efficientnet",
                32,
                0.2,
                Size {
                    width: 1.0,
                    depth: 1.0,
                    stem: 8,
                    stages: &[
                        (true, 1, 3, 1, 8, 1),
                        (true, 2, 3, 2, 16, 1),
                        (false, 2, 5, 1, 16, 2),
                    ],
                    last: 48,
                    epsilon: 1e-3,
                },
            )
        },
    ];
    const REFERENCE: Init = Init {
        conv: WeightInit::KaimingNormalFanOut,
        linear: WeightInit::UniformFanOut(1.0),
        random_bias: false,
    };
    const HEAD: &'static str = "classifier.1";

    fn build(
        size: &Size,
        options: &ResidualOptions,
        classes: usize,
        chain: &mut Chain<'_>,
    ) -> Result<(), ConfigError> {
        let width = |width: usize| make_divisible(width as f64 * size.width, 8);
        let depth = |blocks: usize| (blocks as f64 * size.depth).ceil() as usize;
        chain.set_norms(size.epsilon, 0.1);
        let stem = Window::new(3).stride(options.stem_stride());
        chain.numbered_conv_norm("features.0", width(size.stem), stem, Some(Silu));
        let blocks: usize = size.stages.iter().map(|stage| depth(stage.5)).sum();
        let mut number = 0;
        for (stage, (fused, factor, side, stride, outputs, count)) in size.stages.iter().enumerate()
        {
            for block in 0..depth(*count) {
                let stride = if block == 0 { *stride } else { 1 };
                let inside = make_divisible((chain.channels * factor) as f64, 8);
                let outputs = width(*outputs);
                let inner = if *fused {
                    fused_block(chain, *side, stride, inside, outputs)
                } else {
                    plain_block(chain, *side, stride, inside, outputs)
                };
                // As torchvision's: the rate would reach the published one behind the last block.
                let rate = options.drop_path() * number as f64 / blocks as f64;
                finish(
                    chain,
                    format!("features.{}.{block}", stage + 1),
                    inner,
                    stride,
                    rate,
                )?;
                number += 1;
            }
            chain.stage(format!("stage{}", stage + 1));
        }
        let name = format!("features.{}", size.stages.len() + 1);
        let last = if size.last == 0 {
            4 * chain.channels
        } else {
            size.last
        };
        chain.numbered_conv_norm(&name, last, Window::new(1), Some(Silu));
        chain.stage("head");
        classifier(
            chain,
            ["classifier.0", "classifier.1"],
            options.dropout(),
            classes,
        )
    }
}

/// Expansion, depthwise convolution, squeeze-and-excite, projection.
fn plain_block<'a>(
    chain: &Chain<'a>,
    side: usize,
    stride: usize,
    inside: usize,
    outputs: usize,
) -> Chain<'a> {
    let mut inner = chain.branch();
    let mut part = 0;
    if inside != chain.channels {
        inner.numbered_conv_norm("block.0", inside, Window::new(1), Some(Silu));
        part = 1;
    }
    let each = Window::new(side).stride(stride).groups(inside);
    inner.numbered_conv_norm(&format!("block.{part}"), inside, each, Some(Silu));
    let squeezed = (chain.channels / 4).max(1);
    let name = format!("block.{}", part + 1);
    inner.squeeze_excite(name, ["fc1", "fc2"], squeezed, [Silu, Sigmoid]);
    inner.numbered_conv_norm(
        &format!("block.{}", part + 2),
        outputs,
        Window::new(1),
        None,
    );
    inner
}

/// One convolution in place of expansion and depthwise convolution, then the projection; without an expansion, that one alone.
fn fused_block<'a>(
    chain: &Chain<'a>,
    side: usize,
    stride: usize,
    inside: usize,
    outputs: usize,
) -> Chain<'a> {
    let mut inner = chain.branch();
    let window = Window::new(side).stride(stride);
    if inside == chain.channels {
        inner.numbered_conv_norm("block.0", outputs, window, Some(Silu));
    } else {
        inner.numbered_conv_norm("block.0", inside, window, Some(Silu));
        inner.numbered_conv_norm("block.1", outputs, Window::new(1), None);
    }
    inner
}

/// Adds what came in where the block keeps its shape.
fn finish<'a>(
    chain: &mut Chain<'a>,
    name: String,
    mut inner: Chain<'a>,
    stride: usize,
    rate: f64,
) -> Result<(), ConfigError> {
    if stride == 1 && inner.channels == chain.channels {
        inner.drop_path(rate)?;
        chain.residual(name, inner, None, Identity);
    } else {
        chain.chain(name, inner);
    }
    Ok(())
}
