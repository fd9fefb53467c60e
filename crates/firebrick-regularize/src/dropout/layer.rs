//! [`DropoutLayer`]: any unit of the family that disturbs features, as a burn module.

use std::sync::Arc;

use burn::module::{Flag, Module, Param};
use burn::tensor::Tensor;
use firebrick_core::probe;

use super::perturbation::Perturbation;

/// A unit of the dropout family as a layer of a model: in training, evaluation and frozen.
///
/// It disturbs features where their device has autodiff and the layer is not frozen: `model.valid()` turns it
/// off, `.train()` on again, and `freeze` clears the flag for good.
///
/// # Randomness
/// Inside a [`StepScope`](firebrick_core::random::StepScope), what is drawn is a function of (seed, update,
/// micro-batch, place of the layer in the forward pass), so it is equal on every device and after a resume.
/// Outside one it comes from burn's generator of the device.
#[derive(Module, Debug)]
pub struct DropoutLayer {
    /// Whether training behaviour is on; freezing turns it off.
    pub training: Param<Flag>,
    #[module(skip)]
    perturbation: Arc<dyn Perturbation>,
}

impl DropoutLayer {
    /// The layer, with training behaviour on.
    #[must_use]
    pub fn new(perturbation: Arc<dyn Perturbation>) -> Self {
        Self {
            training: Param::from_bool(true),
            perturbation,
        }
    }

    /// # Shapes
    /// `[N, C, …]` to the same. A unit that pools changes the last two axes of `[N, C, H, W]`.
    ///
    /// # Panics
    /// For fewer than two axes, or when a unit that pools is given other than four.
    #[must_use]
    pub fn forward<const D: usize>(&self, features: Tensor<D>) -> Tensor<D> {
        let trains = self.training.is_enabled() && features.device().is_autodiff();
        let apply = |features| {
            if !trains {
                return self.perturbation.evaluate(features);
            }
            let output = self.perturbation.train(features);
            if self.perturbation.shifts_variance() {
                probe::record("Dropout", None, &output, 0);
            }
            output
        };
        if D == 4 {
            // The same rank under another name.
            let features = Tensor::<4>::from_dispatch(features.into_dispatch());
            return Tensor::from_dispatch(apply(features).into_dispatch());
        }
        let shape = features.dims();
        assert!(
            D >= 2,
            "dropout needs images and channels, [N, C, …], not {shape:?}"
        );
        let length = if D == 2 { 1 } else { shape[2] };
        let rest = shape[3.min(D)..].iter().product();
        let features = features.reshape([shape[0], shape[1], length, rest]);
        apply(features).reshape(shape)
    }
}
