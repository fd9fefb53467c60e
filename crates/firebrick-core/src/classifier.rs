//! The trait of models, [`Classifier`]: a Burn module that turns images into class scores.

use std::borrow::Cow;

use burn::module::Module;
use burn::tensor::Tensor;

use crate::ConfigError;
use crate::data::Targets;
use crate::graph::{Graph, Value};

/// A burn module that classifies images. Everything that trains, evaluates or averages a model
/// works on any `Classifier`.
pub trait Classifier: Module + 'static {
    /// Class scores before the softmax.
    ///
    /// # Shapes
    /// - `images`: `[N, C, H, W]`, normalized as the model expects
    /// - returns logits: `[N, classes]`
    fn forward(&self, images: Tensor<4>) -> Tensor<2>;

    /// What the loss of a training batch is computed from: the class scores of [`Self::forward`], unless the model
    /// has several members, each of which learns from every image.
    ///
    /// # Shapes
    /// `images` `[N, C, H, W]`, normalized as the model expects.
    fn forward_training(&self, images: Tensor<4>) -> TrainingScores {
        TrainingScores {
            logits: self.forward(images),
            images: None,
        }
    }

    /// Adds to a graph what [`Self::forward`] computes of images in evaluation, and returns the class scores: what the model is
    /// exported from. A model without it can be trained and saved all the same.
    ///
    /// # Errors
    /// [`ConfigError`] for a model that does not describe itself, or holds what a graph cannot.
    fn graph(&self, _graph: &mut Graph, _images: Value) -> Result<Value, ConfigError> {
        Err(ConfigError::Conflict(
            "this model does not describe its operations (`Classifier::graph`), so only its weights can be exported".into(),
        ))
    }
}

impl Graph {
    /// What a model computes of images of this shape, `[C, H, W]`.
    ///
    /// # Errors
    /// As [`Classifier::graph`].
    pub fn of<M: Classifier>(model: &M, image: [usize; 3]) -> Result<Self, ConfigError> {
        let mut graph = Self::new(image);
        let images = graph.images();
        let scores = model.graph(&mut graph, images)?;
        Ok(graph.ending_in(scores))
    }
}

/// The class scores that a model learns from. The loss is the mean over all rows.
#[derive(Debug, Clone)]
pub struct TrainingScores {
    /// Class scores before the softmax, `[rows, classes]`.
    pub logits: Tensor<2>,
    /// For each row, the image of the batch whose target it is to learn; every image has as many rows. `None` where
    /// row `i` is for image `i`.
    pub images: Option<Vec<usize>>,
}

impl TrainingScores {
    /// The target of each row, of those of the batch.
    ///
    /// # Panics
    /// When a row is for an image that the batch does not have.
    #[must_use]
    pub fn targets<'a>(&self, batch: &'a Targets) -> Cow<'a, Targets> {
        match &self.images {
            Some(images) => Cow::Owned(batch.of(images)),
            None => Cow::Borrowed(batch),
        }
    }
}
