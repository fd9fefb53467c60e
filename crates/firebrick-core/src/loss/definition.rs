//! What a loss is, and how it is described and built: [`Loss`], [`LossValue`], [`LossConfig`].

use burn::tensor::{DType, Tensor, TensorData};

use crate::ConfigError;
use crate::about::About;
use crate::data::Targets;
use crate::registry::BuildOf;
use crate::spec::{Config, Spec};

/// A loss as a weighted mean over images, kept as sum and weight so that micro-batches of
/// different sizes add up to the loss of the whole batch.
pub struct LossValue {
    /// The weighted sum, `[1]`.
    pub sum: Tensor<1>,
    /// The sum of the weights; the loss is `sum / weight`.
    pub weight: f64,
}

impl LossValue {
    /// The loss, `[1]`.
    ///
    /// An f64 loss is divided by a tensor, so that its gradient has the accuracy of f64: the backward
    /// pass of burn's division by a number takes the reciprocal in f32.
    #[must_use]
    pub fn mean(&self) -> Tensor<1> {
        let sum = self.sum.clone();
        if sum.dtype() != DType::F64 {
            return sum / self.weight;
        }
        let data = TensorData::new(vec![self.weight], [1]);
        let weight = Tensor::<1>::from_data(data, (&sum.device(), DType::F64));
        sum / weight
    }
}

/// A loss over class scores.
pub trait Loss: Send + Sync {
    /// The loss of `logits` `[N, classes]` against the targets.
    fn loss(&self, logits: Tensor<2>, targets: &Targets) -> LossValue;

    /// Whether the loss fits this number of classes.
    ///
    /// # Errors
    /// [`ConfigError`] naming the field that does not.
    fn check_classes(&self, classes: usize) -> Result<(), ConfigError> {
        let _ = classes;
        Ok(())
    }

    /// The loss of guessing, which is to give all classes the same score, over `images[class]` images of
    /// each class. `None` where the loss has no such number.
    fn of_guess(&self, images: &[u64]) -> Option<f64> {
        let _ = images;
        None
    }

    /// Whether it learns from a teacher as well as from labels. In training it then gets [`Targets::Taught`]; where a
    /// model is scored it gets the labels alone.
    fn wants_teacher(&self) -> bool {
        false
    }

    /// The spec that builds this loss again.
    fn spec(&self) -> Spec;
}

/// A loss as plain data. A new loss is one file with such a struct, and an entry of it in [`REGISTRY`](super::REGISTRY); a
/// crate outside hands the entry to its `register`.
pub trait LossConfig: Config + 'static {
    /// What the loss says about itself.
    const ABOUT: About;

    /// The loss, of fields that are in their ranges.
    ///
    /// # Errors
    /// [`ConfigError::Conflict`] for fields that do not go together.
    fn make(&self) -> Result<Box<dyn Loss>, ConfigError>;
}

/// How a loss is built from its spec.
#[derive(Debug, Clone, Copy)]
pub struct Build {
    /// Reads the spec, checks every field and builds the loss.
    pub loss: fn(&Spec) -> Result<Box<dyn Loss>, ConfigError>,
}

impl<C: LossConfig> BuildOf<C> for Build {
    const ABOUT: &'static About = &C::ABOUT;
    const BUILD: Self = Self {
        loss: |spec| C::ABOUT.resolve::<C>(spec)?.make(),
    };
}
