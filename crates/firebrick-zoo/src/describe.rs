//! Describes the layers of a model, as data.

use burn::tensor::{Tensor, TensorData};
use firebrick_core::probe;
use firebrick_core::run::Observation;
use firebrick_core::{Classifier, random};
use rand::RngExt;
use rand_distr::StandardNormal;
use serde::{Deserialize, Serialize};

use crate::{Input, parameters};

/// The layers of a model and their cost for one image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Description {
    /// What each layer put out, in order. Means and deviations are of one image of noise,
    /// in evaluation.
    pub layers: Vec<Observation>,
    /// Trainable values.
    pub parameters: usize,
    /// Multiply-adds in convolutions and linear layers for one image.
    pub multiply_adds: u64,
}

/// Runs one image of standard normal noise through the model, in evaluation, and notes what each
/// layer puts out.
///
/// # Panics
/// When `input` is not the one that the model was built for.
#[must_use]
pub fn describe<M: Classifier>(model: &M, input: &Input) -> Description {
    let model = model.valid();
    let device = model.devices().into_iter().next().unwrap_or_default();
    let shape = [1, input.channels, input.height, input.width];
    let mut rng = random::rng(0, "describe", 0, 0);
    let noise: Vec<f32> = (0..shape.iter().product())
        .map(|_| rng.sample(StandardNormal))
        .collect();
    let image = Tensor::from_data(TensorData::new(noise, shape), &device);
    let (_, layers) = probe::observe(&model, |model| model.forward(image));
    Description {
        parameters: parameters(&model),
        multiply_adds: layers.iter().map(|layer| layer.multiply_adds).sum(),
        layers,
    }
}
