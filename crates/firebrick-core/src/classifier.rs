//! The trait of models, [`Classifier`]: a Burn module that turns images into class scores.

use burn::module::Module;
use burn::tensor::Tensor;

/// A burn module that classifies images. Everything that trains, evaluates or averages a model
/// works on any `Classifier`.
pub trait Classifier: Module {
    /// Class scores before the softmax.
    ///
    /// # Shapes
    /// - `images`: `[N, C, H, W]`, normalized as the model expects
    /// - returns logits: `[N, classes]`
    fn forward(&self, images: Tensor<4>) -> Tensor<2>;
}
