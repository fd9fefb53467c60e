//! A network as a row of stages, their features, and the last layer behind them.

use burn::tensor::Tensor;
use firebrick_core::nn::GlobalAvgPool;

use serde::Serialize;

use crate::head::Head;

/// A stage of a network: the layers between two changes of resolution, or what the paper counts as one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stage {
    /// Its name, such as `layer3`.
    pub name: String,
    /// Paths of the modules that hold its parameters, such as `features.3`.
    pub modules: Vec<String>,
    /// Channels of its features.
    pub width: usize,
    /// Pixels of the image for one pixel of its features, along each side; none where its features have no sides,
    /// as those of a fully connected layer.
    pub stride: Option<usize>,
}

/// A network whose features can be taken stage by stage.
///
/// [`Self::logits`] is `classify(embed(images))`.
pub trait Backbone {
    /// The stages, first to last.
    fn stages(&self) -> Vec<Stage>;

    /// What the last layer reads; `stage` is given the output of each stage on the way, in order.
    ///
    /// # Shapes
    /// - `images`: `[N, C, H, W]`
    /// - given to `stage`: `[N, width, H / stride, W / stride]`, rounded as the network's layers do; `[N, width, 1, 1]` for
    ///   a stage without sides
    /// - returns `[N, features, 1, 1]`, or planes where the last layer is a convolution before the mean over the image
    fn embed(&self, images: Tensor<4>, stage: &mut dyn FnMut(&Tensor<4>)) -> Tensor<4> {
        self.embed_through(images, &mut |features| {
            stage(&features);
            features
        })
    }

    /// As [`Self::embed`], and the network goes on with what `stage` returns in place of the output of each stage: a copy that keeps its
    /// gradient, or features that were changed.
    ///
    /// # Shapes
    /// As [`Self::embed`]; `stage` returns the shape that it is given.
    fn embed_through(
        &self,
        images: Tensor<4>,
        stage: &mut dyn FnMut(Tensor<4>) -> Tensor<4>,
    ) -> Tensor<4>;

    /// The last layer, and what comes behind it.
    ///
    /// # Shapes
    /// What [`Self::embed`] returns, to `[N, classes]`.
    fn classify(&self, features: Tensor<4>) -> Tensor<2>;

    /// The scores of the classes: both parts, one after the other.
    ///
    /// # Shapes
    /// `[N, C, H, W]` to `[N, classes]`.
    fn logits(&self, images: Tensor<4>) -> Tensor<2> {
        self.classify(self.embed(images, &mut |_| ()))
    }

    /// The network with another last layer for this many classes, drawn from `seed`; everything in front of it keeps its weights.
    #[must_use]
    fn with_head(self, head: Head, classes: usize, seed: u64) -> Self
    where
        Self: Sized;

    /// The features of each stage.
    ///
    /// # Shapes
    /// As [`Self::embed`] gives them.
    fn features(&self, images: Tensor<4>) -> Vec<Tensor<4>> {
        let mut features = Vec::new();
        let _ = self.embed(images, &mut |stage| features.push(stage.clone()));
        features
    }

    /// What the last layer reads, as one vector for each image: the mean where it reads planes.
    ///
    /// # Shapes
    /// `[N, C, H, W]` to `[N, features]`.
    fn pooled(&self, images: Tensor<4>) -> Tensor<2> {
        GlobalAvgPool {}.forward(self.embed(images, &mut |_| ()))
    }
}
