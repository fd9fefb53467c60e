//! `all_stages(of=…)`: a linear layer on the features of every stage of another network.
//!
//! It is the classifier of Head2Toe (Evci et al., "Head2Toe: utilizing intermediate representations for better transfer learning", ICML 2022) as a
//! network: the mean over the image of each stage's planes, scaled to length 1 for each image and stage, side by side, and a linear layer on
//! that. Features that were not selected have weights of 0. It is not listed among the models: `transfer train` makes it.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use firebrick_core::init::Init;
use firebrick_core::nn::{GlobalAvgPool, Linear, LinearConfig};
use firebrick_core::spec::Spec;
use firebrick_core::{Classifier, ConfigError};
use serde::{Deserialize, Serialize};

use crate::registry::architecture;
use crate::{Architecture, Head, Input, Model};

/// The name in specs.
pub(crate) const NAME: &str = "all_stages";

/// Configuration of [`AllStages`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AllStagesConfig {
    /// The network whose stages it reads.
    pub of: Spec,
}

impl Default for AllStagesConfig {
    fn default() -> Self {
        Self {
            of: Spec::new("resnet20"),
        }
    }
}

/// A linear layer on the features of every stage of a network.
#[derive(Module, Debug)]
pub struct AllStages {
    /// The network, without its last layer.
    pub backbone: Model,
    /// The linear layer.
    pub classifier: Linear,
}

impl AllStagesConfig {
    /// The configuration of the network inside.
    fn inside(&self) -> Result<Box<dyn Architecture>, ConfigError> {
        if self.of.name == NAME {
            return Err(ConfigError::Conflict(
                "all_stages: `of` must be a network with stages of its own, such as resnet20"
                    .into(),
            ));
        }
        architecture(&self.of)
    }

    fn around(
        &self,
        network: &Model,
        input: &Input,
        device: &Device,
    ) -> Result<AllStages, ConfigError> {
        let stages = network.backbone().map(|backbone| backbone.stages());
        let (Some(stages), Some(backbone)) = (stages, network.with_head(Head::None, 0, 0)) else {
            return Err(ConfigError::Conflict(format!(
                "all_stages: {} with these options does not name its stages: give a model without `members`",
                self.of
            )));
        };
        let width = stages.iter().map(|stage| stage.width).sum();
        Ok(AllStages {
            backbone,
            classifier: LinearConfig::new(width, input.classes).init(device),
        })
    }
}

impl Architecture for AllStagesConfig {
    fn spec(&self) -> Spec {
        let of = self
            .inside()
            .map_or_else(|_| self.of.clone(), |inside| inside.spec());
        Spec::canonical(NAME, &Self { of })
    }

    fn native_input(&self) -> Input {
        let inside = self.inside().map(|inside| inside.native_input());
        inside.unwrap_or(Input {
            channels: 3,
            height: 224,
            width: 224,
            classes: 1000,
        })
    }

    fn head(&self) -> Option<&'static str> {
        Some("classifier")
    }

    fn check(&self) -> Result<(), ConfigError> {
        self.inside()?.check()
    }

    fn undrawn(&self, input: &Input, device: &Device) -> Result<Model, ConfigError> {
        let network = self.inside()?.undrawn(input, device)?;
        self.around(&network, input, device).map(Model::new)
    }

    fn model(&self, input: &Input, seed: u64, device: &Device) -> Result<Model, ConfigError> {
        let network = self.inside()?.model(input, seed, device)?;
        let mut model = self.around(&network, input, device)?;
        model.classifier = Init::PYTORCH.apply(model.classifier, seed);
        Ok(Model::new(model))
    }
}

impl Classifier for AllStages {
    fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let mut parts = Vec::new();
        if let Some(backbone) = self.backbone.backbone() {
            let _ = backbone.embed(images, &mut |stage| {
                parts.push(of_length_1(GlobalAvgPool {}.forward(stage.clone())));
            });
        }
        self.classifier.forward(Tensor::cat(parts, 1))
    }
}

/// Rows of length 1; a row of zeros stays as it is.
fn of_length_1(rows: Tensor<2>) -> Tensor<2> {
    // Far below any square that counts, and the root has a slope there.
    const LEAST: f32 = 1e-30;
    let squares = (rows.clone() * rows.clone()).sum_dim(1);
    rows / squares.clamp_min(LEAST).sqrt()
}

#[cfg(test)]
mod tests {
    use firebrick_core::state_dict::StateDict;

    use super::*;

    #[test]
    fn it_reads_the_features_of_every_stage() {
        let device = firebrick_core::device("flex").unwrap();
        let input = Input {
            channels: 3,
            height: 32,
            width: 32,
            classes: 4,
        };
        let spec: Spec = "all_stages(of=resnet20)".parse().unwrap();
        let architecture = architecture(&spec).unwrap();
        architecture.check().unwrap();
        let of = architecture.spec().to_string();
        assert!(of.starts_with("all_stages(of=resnet20("), "{of}");
        let model = architecture.model(&input, 3, &device).unwrap();
        let weights = StateDict::of(&model);
        assert_eq!(
            weights.tensors["classifier.weight"].shape().to_vec(),
            [4, 128]
        );
        assert!(!weights.tensors.contains_key("backbone.linear.weight"));
        let pixels = (0..2 * 3 * 32 * 32).map(|at| (at % 97) as f32 / 48.0 - 1.0);
        let pixels = burn::tensor::TensorData::new(pixels.collect::<Vec<f32>>(), [2, 3, 32, 32]);
        let images = Tensor::from_data(pixels, &device);
        let inside: &AllStages = model.downcast_ref().unwrap();
        let features = inside.backbone.backbone().unwrap().features(images.clone());
        let mut joined = Vec::new();
        for stage in features {
            let mean: Vec<f32> = stage
                .mean_dim(2)
                .mean_dim(3)
                .into_data()
                .iter::<f32>()
                .collect();
            let row = &mean[mean.len() / 2..];
            let length = row.iter().map(|x| x * x).sum::<f32>().sqrt();
            joined.extend(row.iter().map(|x| x / length));
        }
        let row = &weights.tensors["classifier.weight"]
            .iter::<f32>()
            .collect::<Vec<_>>()[..128];
        let bias = weights.tensors["classifier.bias"]
            .iter::<f32>()
            .next()
            .unwrap();
        let expected: f32 = row.iter().zip(&joined).map(|(w, x)| w * x).sum::<f32>() + bias;
        let logits: Vec<f32> = model.forward(images).into_data().iter::<f32>().collect();
        assert!(
            (logits[4] - expected).abs() < 1e-4,
            "{} {expected}",
            logits[4]
        );
    }

    #[test]
    fn it_is_not_of_itself_or_of_what_has_no_stages() {
        let of = |text: &str| {
            let spec: Spec = text.parse().unwrap();
            let input = default();
            let device = firebrick_core::device("flex").unwrap();
            let built = architecture(&spec).and_then(|found| found.model(&input, 0, &device));
            built.err().unwrap().to_string()
        };
        assert!(of("all_stages(of=all_stages)").contains("stages of its own"));
        assert!(
            of("all_stages(of='small_cnn(members=mimo(2))')").contains("does not name its stages")
        );
        assert!(of("all_stages(of=rednet20)").contains("rednet20"));
    }

    fn default() -> Input {
        AllStagesConfig::default().native_input()
    }
}
