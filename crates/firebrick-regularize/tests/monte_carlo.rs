//! The masks of Burn's own dropout, which draws from a generator that the whole process shares: a test by itself.

#![allow(clippy::unwrap_used)]

use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig};
use burn::tensor::Tensor;
use firebrick_core::Classifier;
use firebrick_regularize::dropout::monte_carlo::monte_carlo;

#[derive(Module, Debug)]
struct Net {
    dropout: Dropout,
}

impl Classifier for Net {
    fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        self.dropout.forward(images.flatten::<2>(1, 3))
    }
}

#[test]
fn the_seed_decides_over_the_masks_of_burns_own_dropout() {
    let device = firebrick_core::device("flex").unwrap();
    let net = Net {
        dropout: DropoutConfig::new(0.5).init(),
    };
    let values: Vec<f32> = (0..4 * 8).map(|at| (at * 7 % 11) as f32 / 4.0).collect();
    let images = Tensor::<1>::from_floats(&values[..], &device).reshape([4, 8, 1, 1]);
    let of = |seed| monte_carlo(&net, images.clone(), 4, seed);
    let first = of(3);
    assert!(
        first.variance.iter().any(|variance| *variance > 1e-3),
        "values are dropped"
    );
    assert_eq!(first, of(3), "the same seed");
    assert_ne!(first, of(4), "another seed");
}
