//! Detects training batches of one image, which batch norm cannot always normalize.

use burn::tensor::Tensor;
use firebrick_core::nn::fewest_values_per_channel;
use firebrick_core::random::StepScope;
use firebrick_core::{Classifier, independent_copy};

/// Whether the model cannot train on a single image of shape `[C, H, W]`, because a batch norm in it would
/// get a single value per channel, which cannot be normalized.
///
/// This is found by a forward pass over two black images; the model is left as it is.
pub fn cannot_train_alone<M: Classifier>(model: &M, [c, h, w]: [usize; 3]) -> bool {
    let model = independent_copy(model);
    let device = model.devices().into_iter().next().unwrap_or_default();
    let images = Tensor::zeros([2, c, h, w], &device.autodiff());
    let fewest = fewest_values_per_channel(|| {
        StepScope::default().enter(|| model.forward_training(images));
    });
    fewest.is_some_and(|fewest| fewest <= 2)
}
