//! Copies of a model that share nothing with it.

use burn::module::Module;

/// A copy of the model, in the same mode, that shares nothing with it.
///
/// `clone` is not enough: the running statistics of batch norm are shared between clones, so that a forward
/// pass in training mode, or weights loaded into a clone, would change those of the model too.
pub fn independent_copy<M: Module>(model: &M) -> M {
    let trains = model
        .devices()
        .iter()
        .any(burn::tensor::Device::is_autodiff);
    // Both ways make new running statistics, and each parameter trains in the copy if it does in the model.
    let copy = model.valid();
    if trains { copy.train() } else { copy }
}
