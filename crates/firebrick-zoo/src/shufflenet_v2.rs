//! ShuffleNet-V2, at four widths.
//!
//! Source: Ma, Zhang, Zheng and Sun, "ShuffleNet V2: Practical Guidelines for Efficient CNN Architecture Design", ECCV 2018; keys and
//! layouts are torchvision's.

use firebrick_core::ConfigError;
use firebrick_core::init::Init;
use firebrick_core::nn::Activation::Relu;

use crate::builder::{Chain, Window};
use crate::family::{Family, Published};
use crate::layers::{Join, Operation};
use crate::options::{CLASSIFIER, ClassifierOptions, classifier};

pub(crate) struct ShuffleNetV2;

pub(crate) struct Size {
    /// Channels of the stem, of the three stages, and in front of the last layer.
    widths: [usize; 5],
    /// Units of the stages.
    units: [usize; 3],
}

const fn shufflenet(name: &'static str, widths: [usize; 5]) -> Published<ShuffleNetV2> {
    Published::new(
        name,
        "ShuffleNet-V2 for photos, which shuffles channels between blocks",
        "Ma et al. 2018; torchvision",
        CLASSIFIER,
        Size {
            widths,
            units: [4, 8, 4],
        },
    )
}

impl Family for ShuffleNetV2 {
    type Options = ClassifierOptions;
    type Size = Size;

    const NETWORKS: &'static [Published<Self>] = &[
        shufflenet("shufflenet_v2_x0_5", [24, 48, 96, 192, 1024]),
        shufflenet("shufflenet_v2_x1_0", [24, 116, 232, 464, 1024]),
        shufflenet("shufflenet_v2_x1_5", [24, 176, 352, 704, 1024]),
        shufflenet("shufflenet_v2_x2_0", [24, 244, 488, 976, 2048]),
        Published {
            side: 64,
            classes: 10,
            size: Size {
                widths: [8, 12, 16, 24, 32],
                units: [2, 2, 1],
            },
            ..shufflenet("test_shufflenet_v2", [8, 12, 16, 24, 32])
        },
    ];
    const REFERENCE: Init = Init::PYTORCH;
    const HEAD: &'static str = "fc";

    fn build(
        size: &Size,
        options: &ClassifierOptions,
        classes: usize,
        chain: &mut Chain<'_>,
    ) -> Result<(), ConfigError> {
        let [stem, stages @ .., last] = size.widths;
        chain.conv_norm(
            ["conv1.0", "conv1.1"],
            stem,
            Window::new(3).stride(2),
            Some(Relu),
        );
        chain.max_pool(3, 2, 1, false);
        chain.stage("stage1");
        for (at, (width, units)) in stages.into_iter().zip(size.units).enumerate() {
            let stage = at + 2;
            for unit in 0..units {
                let name = format!("stage{stage}.{unit}");
                if unit == 0 {
                    let branches = vec![side(chain, width / 2), deep(chain.branch(), width / 2, 2)];
                    chain.branches(name, Join::Concat, branches);
                } else {
                    let half = chain.branch().narrowed(width / 2);
                    chain.second_half(name, deep(half, width / 2, 1));
                }
                chain.plain(Operation::Shuffle(2));
            }
            chain.stage(format!("stage{stage}"));
        }
        chain.conv_norm(["conv5.0", "conv5.1"], last, Window::new(1), Some(Relu));
        chain.stage("conv5");
        classifier(chain, ["dropout", "fc"], options.dropout(), classes)
    }
}

/// The branch of the first unit of a stage that stands for the shortcut.
fn side<'a>(chain: &Chain<'a>, width: usize) -> Chain<'a> {
    let mut side = chain.branch();
    let each = Window::new(3).stride(2).groups(chain.channels);
    side.conv_norm(["branch1.0", "branch1.1"], chain.channels, each, None);
    side.conv_norm(
        ["branch1.2", "branch1.3"],
        width,
        Window::new(1),
        Some(Relu),
    );
    side
}

fn deep(mut branch: Chain<'_>, width: usize, stride: usize) -> Chain<'_> {
    branch.conv_norm(
        ["branch2.0", "branch2.1"],
        width,
        Window::new(1),
        Some(Relu),
    );
    let each = Window::new(3).stride(stride).groups(width);
    branch.conv_norm(["branch2.3", "branch2.4"], width, each, None);
    branch.conv_norm(
        ["branch2.5", "branch2.6"],
        width,
        Window::new(1),
        Some(Relu),
    );
    branch
}
