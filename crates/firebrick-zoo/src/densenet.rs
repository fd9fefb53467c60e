//! DenseNet-121, 169 and 201.
//!
//! Source: Huang, Liu, van der Maaten and Weinberger, "Densely Connected Convolutional Networks", CVPR 2017, with bottlenecks and compression;
//! keys and layouts are those of torchvision's modules.

use firebrick_core::ConfigError;
use firebrick_core::init::{Init, WeightInit};
use firebrick_core::nn::Activation::Relu;

use crate::builder::{Chain, Window};
use crate::family::{Family, Published};
use crate::layers::Join;
use crate::options::{CLASSIFIER, ClassifierOptions, classifier};

pub(crate) struct DenseNet;

pub(crate) struct Size {
    stem: usize,
    /// Channels that each layer adds.
    growth: usize,
    /// Layers of each block.
    layers: &'static [usize],
}

const fn densenet(name: &'static str, layers: &'static [usize]) -> Published<DenseNet> {
    Published {
        least_side: 29,
        ..Published::new(
            name,
            "DenseNet for photos, whose layers read all layers before them",
            "Huang et al. 2017; torchvision",
            CLASSIFIER,
            Size {
                stem: 64,
                growth: 32,
                layers,
            },
        )
    }
}

impl Family for DenseNet {
    type Options = ClassifierOptions;
    type Size = Size;

    const NETWORKS: &'static [Published<Self>] = &[
        densenet("densenet121", &[6, 12, 24, 16]),
        densenet("densenet169", &[6, 12, 32, 32]),
        densenet("densenet201", &[6, 12, 48, 32]),
        Published {
            side: 32,
            classes: 10,
            size: Size {
                stem: 12,
                growth: 4,
                layers: &[2, 1, 2, 2],
            },
            ..densenet("test_densenet", &[])
        },
    ];
    const REFERENCE: Init = Init {
        conv: WeightInit::KaimingNormal,
        linear: WeightInit::KaimingUniform,
        random_bias: false,
    };
    const HEAD: &'static str = "classifier";
    // Those of the published files, which torchvision renames too when it loads them.
    const RENAMED: &'static [(&'static str, &'static str)] = &[
        (".norm.1.", ".norm1."),
        (".norm.2.", ".norm2."),
        (".conv.1.", ".conv1."),
        (".conv.2.", ".conv2."),
    ];

    fn build(
        size: &Size,
        options: &ClassifierOptions,
        classes: usize,
        chain: &mut Chain<'_>,
    ) -> Result<(), ConfigError> {
        let stem = Window::new(7).stride(2);
        chain.conv_norm(
            ["features.conv0", "features.norm0"],
            size.stem,
            stem,
            Some(Relu),
        );
        chain.max_pool(3, 2, 1, false);
        chain.stage("stem");
        for (block, count) in size.layers.iter().enumerate() {
            let block = block + 1;
            for layer in 1..=*count {
                let mut new = chain.branch();
                new.norm("norm1");
                new.activation(Relu);
                new.conv("conv1", 4 * size.growth, Window::new(1));
                new.norm("norm2");
                new.activation(Relu);
                new.conv("conv2", size.growth, Window::new(3));
                let name = format!("features.denseblock{block}.denselayer{layer}");
                chain.branches(name, Join::Concat, vec![chain.branch(), new]);
            }
            chain.stage(format!("denseblock{block}"));
            if block < size.layers.len() {
                let name = format!("features.transition{block}");
                chain.norm(format!("{name}.norm"));
                chain.activation(Relu);
                chain.conv(format!("{name}.conv"), chain.channels / 2, Window::new(1));
                chain.avg_pool(2, 2, 0);
            }
        }
        chain.norm("features.norm5");
        chain.activation(Relu);
        classifier(chain, ["dropout", "classifier"], options.dropout(), classes)
    }
}
