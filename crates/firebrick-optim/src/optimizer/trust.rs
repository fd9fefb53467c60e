//! The trust ratio of layer-wise optimizers, which relates the length of a step to the norm of the values.
//!
//! Norms stay on the device, so that a step does not wait for a transfer.

use burn::tensor::Tensor;

/// The 2-norm, `[1]`.
pub(super) fn norm(tensor: &Tensor<1>) -> Tensor<1> {
    (tensor.clone() * tensor.clone()).sum().sqrt()
}

/// The ratio, or 1 where one of the norms is 0. All are `[1]`.
pub(super) fn trusted(ratio: Tensor<1>, norms: [Tensor<1>; 2]) -> Tensor<1> {
    let [values, step] = norms;
    let none = values.equal_elem(0).bool_or(step.equal_elem(0));
    ratio.mask_fill(none, 1)
}
