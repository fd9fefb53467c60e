//! Inception-v3.
//!
//! Source: Szegedy, Vanhoucke, Ioffe, Shlens and Wojna, "Rethinking the Inception Architecture for Computer Vision", CVPR 2016; keys and layouts
//! are torchvision's. The published weights expect pixels from -1 to 1: mean and deviation 0.5.
//!
//! The paper trains one more head in the middle of the network. With `aux=true` the network holds its weights, so that files which have them
//! load and are written again; nothing runs it, in training neither.

use firebrick_core::ConfigError;
use firebrick_core::init::{Init, WeightInit};

use crate::builder::{Chain, Window};
use crate::family::{Family, Published};
use crate::googlenet::{FIELDS, InceptionOptions, basic};
use crate::layers::Join;
use crate::options::classifier;

pub(crate) struct InceptionV3;

pub(crate) struct Size {
    /// What all widths are divided by.
    divisor: usize,
}

const fn inception(name: &'static str, divisor: usize) -> Published<InceptionV3> {
    Published {
        side: 299,
        least_side: 75,
        dropout: 0.5,
        ..Published::new(
            name,
            "Inception-v3 for photos of 299×299 pixels",
            "Szegedy et al. 2016; torchvision",
            FIELDS,
            Size { divisor },
        )
    }
}

/// A convolution of a branch: its name, width and window.
type Part = (&'static str, usize, Window);

const ONE: Window = Window::new(1);
const THREE: Window = Window::new(3);
const FIVE: Window = Window::new(5);
const HALVING: Window = Window::new(3).stride(2).padding(0);
const WIDE: Window = Window::of([1, 7]);
const HIGH: Window = Window::of([7, 1]);

impl Family for InceptionV3 {
    type Options = InceptionOptions;
    type Size = Size;

    const NETWORKS: &'static [Published<Self>] = &[
        inception("inception_v3", 1),
        Published {
            side: 75,
            classes: 10,
            ..inception("test_inception_v3", 16)
        },
    ];
    // Normal, cut off at 20 deviations.
    const REFERENCE: Init = Init {
        conv: WeightInit::Normal(0.1),
        linear: WeightInit::Normal(0.1),
        random_bias: true,
    };
    const HEAD: &'static str = "fc";
    const IGNORED: &'static [&'static str] = &["AuxLogits.*"];

    fn build(
        size: &Size,
        options: &InceptionOptions,
        classes: usize,
        chain: &mut Chain<'_>,
    ) -> Result<(), ConfigError> {
        chain.set_norms(1e-3, 0.1);
        let d = size.divisor;
        let valid = Window::new(3).padding(0);
        basic(chain, "Conv2d_1a_3x3", 32 / d, HALVING);
        basic(chain, "Conv2d_2a_3x3", 32 / d, valid);
        basic(chain, "Conv2d_2b_3x3", 64 / d, THREE);
        chain.stage("stem1");
        chain.max_pool(3, 2, 0, false);
        basic(chain, "Conv2d_3b_1x1", 80 / d, ONE);
        basic(chain, "Conv2d_4a_3x3", 192 / d, valid);
        chain.stage("stem2");
        chain.max_pool(3, 2, 0, false);
        for (name, pool) in [("Mixed_5b", 32), ("Mixed_5c", 64), ("Mixed_5d", 64)] {
            let branches = vec![
                parts(chain, d, &[("branch1x1", 64, ONE)]),
                parts(
                    chain,
                    d,
                    &[("branch5x5_1", 48, ONE), ("branch5x5_2", 64, FIVE)],
                ),
                parts(
                    chain,
                    d,
                    &[
                        ("branch3x3dbl_1", 64, ONE),
                        ("branch3x3dbl_2", 96, THREE),
                        ("branch3x3dbl_3", 96, THREE),
                    ],
                ),
                averaged(chain, d, pool),
            ];
            chain.branches(name, Join::Concat, branches);
        }
        chain.stage("mixed5");
        let branches = vec![
            parts(chain, d, &[("branch3x3", 384, HALVING)]),
            parts(
                chain,
                d,
                &[
                    ("branch3x3dbl_1", 64, ONE),
                    ("branch3x3dbl_2", 96, THREE),
                    ("branch3x3dbl_3", 96, HALVING),
                ],
            ),
            largest(chain),
        ];
        chain.branches("Mixed_6a", Join::Concat, branches);
        for (name, c) in [
            ("Mixed_6b", 128),
            ("Mixed_6c", 160),
            ("Mixed_6d", 160),
            ("Mixed_6e", 192),
        ] {
            let branches = vec![
                parts(chain, d, &[("branch1x1", 192, ONE)]),
                parts(
                    chain,
                    d,
                    &[
                        ("branch7x7_1", c, ONE),
                        ("branch7x7_2", c, WIDE),
                        ("branch7x7_3", 192, HIGH),
                    ],
                ),
                parts(
                    chain,
                    d,
                    &[
                        ("branch7x7dbl_1", c, ONE),
                        ("branch7x7dbl_2", c, HIGH),
                        ("branch7x7dbl_3", c, WIDE),
                        ("branch7x7dbl_4", c, HIGH),
                        ("branch7x7dbl_5", 192, WIDE),
                    ],
                ),
                averaged(chain, d, 192),
            ];
            chain.branches(name, Join::Concat, branches);
        }
        chain.stage("mixed6");
        if options.aux {
            let mut head = chain.branch();
            basic(&mut head, "conv0", 128 / d, ONE);
            basic(&mut head, "conv1", 768 / d, Window::new(5).padding(0));
            head.linear("fc", 768 / d, classes);
            chain.held("AuxLogits", head);
        }
        let branches = vec![
            parts(
                chain,
                d,
                &[("branch3x3_1", 192, ONE), ("branch3x3_2", 320, HALVING)],
            ),
            parts(
                chain,
                d,
                &[
                    ("branch7x7x3_1", 192, ONE),
                    ("branch7x7x3_2", 192, WIDE),
                    ("branch7x7x3_3", 192, HIGH),
                    ("branch7x7x3_4", 192, HALVING),
                ],
            ),
            largest(chain),
        ];
        chain.branches("Mixed_7a", Join::Concat, branches);
        for name in ["Mixed_7b", "Mixed_7c"] {
            let doubled = [("branch3x3dbl_1", 448, ONE), ("branch3x3dbl_2", 384, THREE)];
            let branches = vec![
                parts(chain, d, &[("branch1x1", 320, ONE)]),
                forked(
                    parts(chain, d, &[("branch3x3_1", 384, ONE)]),
                    d,
                    ["branch3x3_2a", "branch3x3_2b"],
                ),
                forked(
                    parts(chain, d, &doubled),
                    d,
                    ["branch3x3dbl_3a", "branch3x3dbl_3b"],
                ),
                averaged(chain, d, 192),
            ];
            chain.branches(name, Join::Concat, branches);
        }
        chain.stage("mixed7");
        let p = options.dropout.unwrap_or_default();
        classifier(chain, ["dropout", "fc"], p, classes)
    }
}

fn parts<'a>(chain: &Chain<'a>, divisor: usize, parts: &[Part]) -> Chain<'a> {
    let mut branch = chain.branch();
    for (name, width, window) in parts {
        basic(&mut branch, name, width / divisor, *window);
    }
    branch
}

/// The mean of 3×3 pixels, and a convolution.
fn averaged<'a>(chain: &Chain<'a>, divisor: usize, width: usize) -> Chain<'a> {
    let mut branch = chain.branch();
    branch.avg_pool(3, 1, 1);
    basic(&mut branch, "branch_pool", width / divisor, ONE);
    branch
}

/// The largest of 3×3 pixels, of every second one.
fn largest<'a>(chain: &Chain<'a>) -> Chain<'a> {
    let mut branch = chain.branch();
    branch.max_pool(3, 2, 0, false);
    branch
}

/// A row and a column of three pixels side by side at the end of a branch.
fn forked<'a>(
    mut branch: Chain<'a>,
    divisor: usize,
    [row, column]: [&'static str; 2],
) -> Chain<'a> {
    let ends = vec![
        parts(&branch, divisor, &[(row, 384, Window::of([1, 3]))]),
        parts(&branch, divisor, &[(column, 384, Window::of([3, 1]))]),
    ];
    branch.branches("", Join::Concat, ends);
    branch
}
